"""Questions with choices: which choice is the likeliest for a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, Literal, Self, get_args

from pydantic import Field, model_validator

from lmworks.data.forms.forms import FORMS, choice_of
from lmworks.data.forms.row import Fault, LeftOut
from lmworks.data.shards.records import Documents
from lmworks.engines.open import open_decoder
from lmworks.errors import UsageError
from lmworks.evaluate.choices import (
    ANSWER_BITS,
    By,
    LikelihoodConfig,
    beside,
    how_scored,
    judge,
    likeliest,
    signs,
    told,
)
from lmworks.evaluate.items import ACCURACY, UNKNOWN, Item, Records, Tokens, digest_of, fields_of, measured_by
from lmworks.evaluate.questions import Literally, Question, draw
from lmworks.evaluate.scoring import Scoring
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.stage import Context, Result, stage

QUESTIONS_AT_ONCE = 128
"""Questions per chunk, some ten thousand tokens. A kill costs one chunk."""
TEMPLATES = {"cloze": "{query}\nAnswer:", "letters": "{query}\n{choices}\nAnswer:"}
BETWEEN_SHOTS = "\n\n"
_PLACE = re.compile(r"\{(query|choices|subject)\}")


def choices_of(data: Documents, context: Context) -> list[dict[str, Any]]:
    """Return every question with `query`, `choices` and `gold` (the index of the right choice), from any known layout.

    Questions without a published right choice are left out and logged. Raises UsageError if a record is no question.
    """
    found, left = [], Counter[str]()
    for document in data.iterate():
        row = document.row()
        try:
            choice = choice_of(row)
        except LeftOut as reason:
            left[str(reason)] += 1
            continue
        except Fault as fault:
            raise UsageError(f"{data.path}: {document.place}: {fault}. Fix it, or leave such records out") from None
        if choice is None:
            layouts = ", ".join(name for name, form in FORMS.loadable() if form.choice)
            raise UsageError(
                f"{data.path}: {document.place} is not a question with choices; its fields are "
                f"{', '.join(row)[:200]}. Known layouts: {layouts}. `fields: all` keeps all fields"
            )
        subject = {"subject": row["subject"]} if isinstance(row.get("subject"), str) else {}
        places = {"id": document.id, "document": document.id, "meta": fields_of(document)}
        found.append({**vars(choice), **subject, **places})
    for why, count in left.items():
        context.log(f"{count} of {count + len(found)} questions are left out, {why}")
    return found


class MultipleChoiceConfig(LikelihoodConfig):
    """Accuracy on multiple-choice questions, in the layout of ARC, MMLU or another published set."""

    kind: Literal["multiple-choice"] = "multiple-choice"
    limit: int | None = Field(
        1000, ge=1, description="Questions drawn. 1,000 detect a change of 2 points if tuning changes 1 answer in 10."
    )
    template: Literally = Field(
        "cloze",
        description="Form of the question. `cloze` is the question and 'Answer:', and scores the text of each choice, "
        "as LM Evaluation Harness does for ARC. `letters` lists the choices as 'A. …' and scores their letters, as for "
        "MMLU. Small models rarely know letters. Any other text must have {query}. It scores letters if it has "
        "{choices}. {subject} is the record's subject.",
    )
    delimiter: Literally = Field(
        " ", description="Text between question and answer. Leave it empty for texts that need none."
    )
    introduction: Literally = Field("", description="Text before the whole prompt. {subject} is the record's subject.")
    shots: int = Field(
        0, ge=0, description="Answered questions of `train` before each question, of its subject if records state one."
    )
    score: By = Field(
        "sum",
        description="Score of a choice. `sum` is its log-likelihood. The same per byte or per character does not "
        "favour short choices. `mutual-information` is the part that the question adds, and does not favour common "
        "choices. It is computed only if you name it, and the other scores are always reported.",
    )

    @model_validator(mode="after")
    def _can_be_put(self) -> Self:
        if "{query}" not in self.text:
            raise ValueError(f"template: {self.template!r} must be {', '.join(TEMPLATES)} or a text with {{query}}")
        if self.shots and not self.train:
            raise ValueError("shots are answered questions of `train`, which is not set: name them there")
        return self

    @property
    def text(self) -> str:
        """The template written out."""
        return TEMPLATES.get(self.template, self.template)

    @property
    def has_letters(self) -> bool:
        """Whether the prompt lists the choices, and their letters are scored."""
        return "{choices}" in self.text

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        """Return the tokens to read. The shared part of a question's choices is read once."""
        return super().tokens(text_bytes, records).times(1 + self.shots)

    def asked(self, question: Question) -> str:
        """Return the prompt for the question, without shots."""
        listed = "\n".join(f"{a}. {b}" for a, b in zip(ascii_uppercase, question["choices"], strict=False))
        known = {"query": question["query"], "choices": listed, "subject": question.get("subject") or ""}
        return _PLACE.sub(lambda found: known[found[1]], self.text)

    def texts(self, question: Question) -> list[str]:
        """Return the texts to score after the prompt."""
        return list(ascii_uppercase[: len(question["choices"])] if self.has_letters else question["choices"])

    def introduced(self, question: Question) -> str:
        """Return the text before the whole prompt."""
        return self.introduction.replace("{subject}", str(question.get("subject") or ""))


@stage(version=10, reads=["train"], measures=("model", "data"))
def evaluate_multiple_choice(
    config: MultipleChoiceConfig, model: ModelFolder, data: Documents, train: Documents | None, scoring: Scoring
) -> Result:
    """Choose the likeliest text to continue the prompt. Items keep the score of every choice."""
    engine = open_decoder(model.path, config.data_type, config.device)
    every = choices_of(data, scoring.context)
    records, drawn = draw(every, config)
    known = choices_of(train, scoring.context) if train and config.shots else []
    if config.has_letters and (longest := max(len(each["choices"]) for each in records)) > len(ascii_uppercase):
        raise UsageError(f"{config.data}: a question has {longest} choices, letters only 26: use the template cloze")
    before = _Shots(config, known)
    measures = [by for by in get_args(By) if by != "mutual-information" or config.score == by]

    def choose(some: Sequence[Question]) -> list[Item]:
        asked = [(before.before(each) + config.asked(each), config.texts(each)) for each in some]
        alone = config.score == "mutual-information"
        items = []
        for record, (prompt, texts), judged in zip(
            some, asked, judge(engine, config, asked, config.delimiter, alone=alone), strict=True
        ):
            right, places = record["gold"], {by: likeliest(judged.texts, by) for by in measures}
            items.append(
                {
                    "id": record["id"],
                    "digest": digest_of(record["query"], record["choices"], right),
                    "cluster": record["cluster"],
                    "prompt": prompt,
                    "answer": texts[places[config.score]],
                    "reference": texts[right],
                    "score": float(places[config.score] == right),
                    "candidates": len(texts),
                    **judged.right(right),
                    **{f"correct by {by}": float(place == right) for by, place in places.items()},
                }
            )
        return items

    items = scoring.in_chunks(records, QUESTIONS_AT_ONCE, choose)
    chance = sum(1 / item["candidates"] for item in items) / len(items)
    asked = {
        "prompt": f"{config.template} {before.digest}".strip(),
        "shots": config.shots,
        "delimiter": config.delimiter,
        "decoding": f"the likeliest of the choices, {config.boundary} boundary",
    }
    found = scoring.written(items, measured_by(engine, model, **asked, **how_scored(engine, config)))
    put = f"{drawn}, {config.template!r} behind {config.shots} answered questions"
    after = f"{told(engine, config, items)}, the question and {config.delimiter!r}"
    method = f"{put}, each choice's log-likelihood {after}"
    if leaks := signs(every):
        scoring.context.log(f"{config.data}: without its question {'; '.join(leaks)}")
        method += f"; mind that {'; '.join(leaks)}"
    return found.result(
        found.figure(ACCURACY, f"{method}, {config.score}", judged=config.score, chance=chance),
        *(
            found.figure(beside(by), f"{method}, {by}", judged=by, chance=chance)
            for by in measures
            if by != config.score
        ),
        found.figure(ANSWER_BITS, f"{method}, of the right one, a byte of it", judged="bits of the right answer"),
    )


class _Shots:
    """Text before each question: an introduction, and answered questions, of its subject if it has one."""

    def __init__(self, config: MultipleChoiceConfig, train: Sequence[Question]) -> None:
        pools: dict[str | None, list[Question]] = {}
        for each in train if config.shots else ():
            pools.setdefault(each.get("subject"), []).append(each)
        drawn = {"limit": config.shots + 1, "cluster": None}  # one more, in place of one that is asked
        one_more = config.model_copy(update=drawn)
        self._config = config
        self._drawn = {subject: draw(pool, one_more)[0] for subject, pool in pools.items()}

    @property
    def digest(self) -> str:
        """Return a digest of all text before questions. Empty for none."""
        config = self._config
        shown = {str(subject): [self._answered(each) for each in pool] for subject, pool in self._drawn.items()}
        return digest_of(config.introduction, shown)[:12] if config.introduction or config.shots else ""

    def before(self, question: Question) -> str:
        """Return the text before a question. Raises UsageError if there are too few questions to show."""
        config, subject = self._config, question.get("subject")
        pool = self._drawn.get(subject) or self._drawn.get(None, [])
        others = [each for each in pool if each["query"] != question["query"]]
        if len(others) < config.shots:
            about = f" on {subject}" if subject else ""
            raise UsageError(
                f"{config.train}: only {len(others)} other questions{about} can be shown before one, and `shots` is "
                f"{config.shots}: lower it, or name more questions in `train`"
            )
        return config.introduced(question) + "".join(map(self._answered, others[: config.shots]))

    def _answered(self, question: Question) -> str:
        config = self._config
        return config.asked(question) + config.delimiter + config.texts(question)[question["gold"]] + BETWEEN_SHOTS
