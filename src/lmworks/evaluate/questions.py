"""Questions drawn from conversations, their prompts, and a model's answers: the core of all tasks in which a model
writes.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self, cast

from pydantic import AfterValidator, Field, model_validator

from lmworks.data.forms.turns import behind_thoughts
from lmworks.data.tuning.conversations import (
    Conversations,
    last_answer,
    question_of,
    source_of,
    turns_before,
    wanted_answer,
)
from lmworks.engines.open import open_engine
from lmworks.engines.rented.engine import RentedEngine
from lmworks.engines.request import Sampling
from lmworks.errors import UsageError
from lmworks.evaluate.items import (
    BYTES_PER_TOKEN,
    UNEXTRACTED,
    UNKNOWN,
    Item,
    Records,
    Scored,
    TaskConfig,
    Tokens,
    cluster_of,
    digest_of,
    draw_evenly,
    kept_of,
    measured_by,
    require_cluster,
    said_by,
)
from lmworks.evaluate.scoring import Scoring
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import digest_text
from lmworks.recipe.patterns import Pattern, PatternText

if TYPE_CHECKING:
    from lmworks.engines.decoder import DecoderEngine
    from lmworks.engines.protocol import Engine
    from lmworks.tokens.tokenizer import Tokenizer

RECORD_BYTES = 150
"""Bytes of a short question with its answer in a file. In files of six companies it has 96 to 1,515."""
QUESTION_TOKENS, LONG_TOKENS, FRAME_TOKENS = 80, 500, 30
"""Tokens of a question in a chat template (43 to 88 in six tasks), of an abstract to summarise (404), and of the
template alone."""

Question = Mapping[str, Any]
"""A line of `conversations.jsonl`."""


class DrawnConfig(TaskConfig):
    """Fields of tasks on a sample of the data."""

    kind: str
    record_bytes: ClassVar[int] = RECORD_BYTES
    """Approximate bytes of the sources per question."""
    limit: int | None = Field(
        200,
        ge=1,
        description="Number of questions drawn, as evenly as possible from the groups of `cluster`. With 200 "
        "questions, a difference of 0.04 is found in most cases.",
    )
    seed: int = Field(0, description="Seed that draws the questions, the same for all models.")

    def count(self, text_bytes: int, records: Records = UNKNOWN) -> int:
        """Return about how many questions are drawn. The text limits this number."""
        there = text_bytes // (records.mean_bytes or self.record_bytes) + 1 if text_bytes else self.limit or 0
        return min(there, self.limit or there)

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        count = self.count(text_bytes, records)
        known = records.mean_bytes // BYTES_PER_TOKEN
        usual, long = (min(max(least, known), records.context_length) for least in (QUESTION_TOKENS, LONG_TOKENS))
        there = text_bytes // BYTES_PER_TOKEN + count * FRAME_TOKENS if text_bytes else count * long
        return Tokens(count * usual, max(count * usual, min(count * long, there)))


def _means_itself(text: str) -> str:
    """Return the text. Raise ValueError for a backslash that was meant as a line end, as in YAML's single quotes."""
    if found := re.search(r"\\[nrt](?![a-z])", text):
        raise ValueError(
            f"{text!r} has a backslash and the letter {found[0][1]!r}, which models rarely write. For the end "
            f'of a line or a tab, use double quotes: "{found[0]}"'
        )
    return text


Literally = Annotated[str, AfterValidator(_means_itself)]
"""Exact text in a prompt, or at the end of an answer."""


def _template(text: str) -> str:
    """Return the template, if its placeholders are names of fields and nothing else."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}; write a literal brace twice: {{{{ or }}}}") from None
    names = [name for _, name, _, _ in parts if name is not None]
    odd = [name for _, name, form, sign in parts if name is not None and (form or sign or not name.isidentifier())]
    if odd or not names:
        raise ValueError(
            f"{text!r}: expected names of fields between braces, such as {{question}}, found {odd or 'none'}"
        )
    return text


Template = Annotated[Literally, AfterValidator(_template)]
"""Text of a prompt, with names of the record's fields in braces."""
SHOWN_NOWHERE = ("answer", "references", "messages")
"""Fields of a record that hold the right answer. No template shows them to a model."""


class QuestionsConfig(DrawnConfig):
    """Fields of tasks on conversations."""

    prompt: str = Field("chat", description="Form of the question. Each task lists its forms.")
    shots: int = Field(5, ge=1, description="Answered questions before a `few-shot` question. Five is usual.")
    template: Template | None = Field(
        None,
        description="Prompt text, such as `Translate: {source}`, with names of the record's fields in braces. "
        "`question` is the user's last text, which is also the default prompt.",
    )

    @model_validator(mode="after")
    def _shots_come_from_train(self) -> Self:
        if self.has_shots and not self.train:
            raise ValueError(
                f"prompt {self.prompt} shows answered questions of `train`: set `train` to a step of conversations"
            )
        return self

    @property
    def has_shots(self) -> bool:
        """Whether the prompt shows answered questions before each question."""
        return self.prompt.startswith("few-shot")

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        return super().tokens(text_bytes, records).times(1 + self.shots * self.has_shots)

    @property
    def prompt_name(self) -> str:
        """Name of the prompt form, which distinguishes two uses of one model."""
        return self.prompt.replace("few-shot", f"{self.shots}-shot")


Ways = Literal["chat", "few-shot", "text", "few-shot-text"]
"""Forms of a prompt: a chat, or a text to continue. A model that was not trained on chats needs a text."""


class GenerationConfig(QuestionsConfig):
    """Fields of tasks in which a model writes."""

    max_tokens: int = Field(128, ge=1, description="Most tokens of an answer: one or two paragraphs.")
    stop: list[Literally] = Field(
        default=[],
        description="Texts that end an answer, such as the end of a line. None by default, because a model ends its "
        "answers in a chat. It often never ends one to a `text` or `few-shot-text` prompt: set `stop` there.",
    )
    delimiter: Literally = Field(
        "\n",
        description="Text between question and answer in `text` prompts. Spaces at its end are left to the model, "
        "because tokens begin with spaces. In a chat the template decides.",
    )
    between_shots: Literally = Field("\n\n", description="Text between two shots of a `few-shot-text` prompt.")
    pattern: PatternText | None = Field(
        default=None,
        description="Pattern that finds the result in a longer answer: the first group of its last match, such as "
        "`#### (.+)`. Answers without a match are counted. By default the whole answer is the result.",
    )

    @model_validator(mode="after")
    def _delimiters_are_of_texts(self) -> Self:
        if not self.is_text and (stated := {"delimiter", "between_shots"} & self.model_fields_set):
            raise ValueError(
                f"{', '.join(sorted(stated))}: prompt {self.prompt} uses the chat template between turns. "
                "Leave the field out, or choose prompt text or few-shot-text"
            )
        return self

    def tokens(self, text_bytes: int, records: Records = UNKNOWN) -> Tokens:
        return super().tokens(text_bytes, records)._replace(written=self.count(text_bytes, records) * self.max_tokens)

    @property
    def is_text(self) -> bool:
        """Whether a model continues a text instead of a chat."""
        return self.prompt in ("text", "few-shot-text")

    @property
    def told(self) -> str:
        """Form of the prompt, in words."""
        if self.prompt == "chat":
            return "in a chat"
        return (
            f"after a text, {self.delimiter!r} behind it"
            if self.prompt == "text"
            else f"with a {self.prompt_name} prompt"
        )

    def extracted(self, text: str) -> str | None:
        """Return the result in an answer; None if the pattern finds none."""
        found = text if self.pattern is None else Pattern(self.pattern).last_found(text)
        return None if found is None else found.strip()


class Prompt(NamedTuple):
    """A text that a model continues."""

    ids: list[int]
    text: str


def draw(questions: Sequence[Question], config: DrawnConfig) -> tuple[list[Question], str]:
    """Return the drawn questions in their order, each with its `cluster`, and how they were drawn, in words.

    Every cluster gives the same number of questions, or all if it has fewer. Within a cluster a hash of the ids
    decides. So a larger sample contains the smaller one.
    """
    if not questions:
        raise UsageError(f"{config.data}: no conversation fits the task {config.kind!r}")
    require_cluster(config, questions)

    def cluster(record: Question) -> str:
        return cluster_of(config, record, record.get("service"))

    chosen = {record["id"] for record in draw_evenly(_ranked(questions, config), cluster, config.limit)}
    how = f"{len(chosen)} of {len(questions)} questions, seed {config.seed}"
    return [{**record, "cluster": cluster(record)} for record in questions if record["id"] in chosen], how


def shots(config: QuestionsConfig, train: Conversations | None, form: str | None = None) -> list[Question]:
    """Return the answered questions to show before each question, drawn likewise from training questions of a form.

    Empty unless the prompt is `few-shot`.
    """
    if not config.has_shots or train is None:
        return []
    known = [record for record in train.iterate() if form in (None, record["form"])]
    if len(known) < config.shots:
        raise UsageError(
            f"{config.train}: {config.kind!r} can show only {len(known)} conversations before a question, and `shots` "
            f"is {config.shots}: lower it, or name more conversations in `train`"
        )
    return _ranked(known, config)[: config.shots]


def _ranked(questions: Sequence[Question], config: DrawnConfig) -> list[Question]:
    return sorted(questions, key=lambda record: digest_text(f"{config.seed} {record['id']}"))


def worded(config: QuestionsConfig, question: Question) -> str:
    """Return the question in the words of the template. Raises UsageError for a field that a record lacks."""
    if config.template is None:
        return question_of(question)
    known = {name: text for name, text in question.items() if isinstance(text, str | int | float)}
    known |= {"question": question_of(question), "source": source_of(question)}
    known = {name: text for name, text in known.items() if name not in (*SHOWN_NOWHERE, "cluster")}
    try:
        return config.template.format_map(known)
    except KeyError as missing:
        raise UsageError(
            f"{config.data}: the template of {config.kind!r} has the field {missing.args[0]!r}, but conversation "
            f"{question['id']} has only {', '.join(sorted(known))}: name one of these"
        ) from None


def turns(config: QuestionsConfig, question: Question, shown: Sequence[Question] = ()) -> list[dict[str, str]]:
    """Return a chat up to its last answer. A system turn comes first, and then the answered questions to show."""
    own = turns_before(question)
    first = [turn for turn in own if turn["role"] == "system"] if shown else []
    asked = [turn for turn in own if turn not in first]
    if config.template:
        last = max(place for place, turn in enumerate(asked) if turn["role"] == "user" or place == 0)
        asked[last] = {**asked[last], "content": worded(config, question)}
    return [*first, *(turn for each in shown for turn in _exchange(config, each)), *asked]


def _exchange(config: QuestionsConfig, record: Question) -> list[dict[str, str]]:
    """Return the last question of a conversation with its answer."""
    asked = {"role": "user", "content": worded(config, record)}
    return [asked, {"role": "assistant", "content": last_answer(record)}]


def chat_prompt(
    config: QuestionsConfig, question: Question, tokenizer: Tokenizer, shown: Sequence[Question] = ()
) -> Prompt:
    """Return the chat up to its last answer, in the model's chat template."""
    asked = turns(config, question, shown)
    return Prompt(tokenizer.encode_chat(asked, True)[0], tokenizer.render_chat(asked, True))


def put(config: GenerationConfig, engine: Engine, question: Question, shown: Sequence[Question] = ()) -> Prompt:
    """Return the prompt for a question: a chat, a text to continue, or a text to rewrite."""
    if engine.rewrites:
        plain = question_of if engine.reads_instructions else source_of
        source = worded(config, question) if config.template else plain(question)
        return Prompt(engine.encode([{"role": "user", "content": source}]), source)
    if not config.is_text:
        if isinstance(engine, RentedEngine):
            chat = turns(config, question, shown)
            return Prompt(engine.encode(chat), "\n".join(f"{each['role']}: {each['content']}" for each in chat))
        return chat_prompt(config, question, cast("DecoderEngine", engine).tokenizer, shown)
    before = [f"{worded(config, each)}{config.delimiter}{last_answer(each)}" for each in shown]
    asked = worded(config, question) + config.delimiter.rstrip(" ")
    ids = engine.encode_text(config.between_shots.join([*before, asked]))
    return Prompt(ids, cast("DecoderEngine", engine).tokenizer.spell(ids))


Finish = Callable[[Sequence[tuple[Question, Item]]], list[Item]]
"""Function that adds fields to the answers of a chunk before the chunk is saved."""


def ask(
    config: GenerationConfig,
    model: ModelFolder,
    questions: Sequence[Question],
    scoring: Scoring,
    *,
    shown: Sequence[Question] = (),
    sampling: Sampling | None = None,
    prompt: Callable[[Question, DecoderEngine], Prompt] | None = None,
    engine: Engine | None = None,
    finish: Finish | None = None,
    at_once: int = 64,
) -> tuple[list[tuple[Question, Item]], Conditions]:
    """Return a model's answer to each question (see `kept_of`), and the conditions of their figures.

    A kill costs the answers to `at_once` questions. Questions that the model cannot read are left out and counted.
    """
    engine = engine or open_engine(model.path, config.data_type, config.device)
    sampling = sampling or Sampling(config.max_tokens, stop=tuple(config.stop))
    asked = [
        prompt(each, cast("DecoderEngine", engine)) if prompt else put(config, engine, each, shown)
        for each in questions
    ]

    def answer(some: Sequence[tuple[Question, Prompt]]) -> list[Item]:
        found = engine.generate([prompt.ids for _, prompt in some], sampling)
        said = [_result(config, {**said_by(each), "put": one.text}) for (_, one), each in zip(some, found, strict=True)]
        return finish([(one, each) for (one, _), each in zip(some, said, strict=True)]) if finish else said

    items = scoring.in_chunks(list(zip(questions, asked, strict=True)), at_once, answer)
    decoding = decoding_of(sampling if engine.rewrites else replace(sampling, beams=1))  # others take no beams
    known = measured_by(engine, model, **how_asked(config, shown), decoding=decoding)
    return list(zip(scoring.answered(questions), items, strict=True)), known


def _result(config: GenerationConfig, said: Item) -> Item:
    """Return the answer with its judged part, the `result`, if a pattern finds it."""
    if config.pattern is None:
        return said
    found = config.extracted(said["answer"])
    return {**said, "extracted": found, "unextracted": found is None}


def result_of(said: Item) -> str:
    """Return the judged part of an answer: all of it, or the match of a pattern. Empty without a match."""
    return str(said.get("extracted", said["answer"]) or "")


def extraction_failures(config: GenerationConfig, found: Scored, method: str) -> list[Figure]:
    """Return the share of answers in which a pattern finds nothing, if there is a pattern. Such answers are wrong."""
    if not any(UNEXTRACTED.value in item for item in found.items):
        return []
    return [found.figure(UNEXTRACTED, f"answers in which {config.pattern!r} finds nothing; {method}")]


def how_asked(config: QuestionsConfig, shown: Sequence[Question] = ()) -> dict[str, Any]:
    """Return the conditions of the prompt. `shown` are the answered questions before each question."""
    words = [_exchange(config, each) for each in shown] + ([config.template] if config.template else [])
    known: dict[str, Any] = {
        "prompt": f"{config.prompt_name} {digest_of(words)[:12]}" if words else config.prompt_name,
        "shots": len(shown),
    }
    if isinstance(config, GenerationConfig) and config.is_text:
        known["delimiter"] = config.delimiter
        if shown:
            known["delimiter"] += f"…{config.between_shots}"
    return known


def decoding_of(sampling: Sampling) -> str:
    """Return the settings of decoding, in words."""
    beams = f"{sampling.beams} beams" if (sampling.beams or 1) > 1 else "greedy"
    stops = f", up to {' or '.join(map(repr, sampling.stop))}" if sampling.stop else ""
    return f"{beams}, at most {sampling.max_tokens} tokens{stops}"


def wanted_of(question: Question) -> list[str]:
    """Return every right text: the last turn, the same without its thoughts, the short `answer` of the data, and its
    `references`.
    """
    last = last_answer(question)
    return sorted({last, behind_thoughts(last), wanted_answer(question), *(question.get("references") or ())})


def answered(question: Question, answer: str, score: float, said: Item | None = None) -> Item:
    """Return the item of an answer, as it was `said`; all tasks on questions have these fields."""
    return {
        "id": question["id"],
        "digest": digest_of(turns_before(question), *wanted_of(question)),
        "cluster": question.get("cluster") or question["id"],  # as `draw` has it
        "prompt": question_of(question),
        "answer": answer,
        "reference": behind_thoughts(last_answer(question)),
        "score": score,
        **kept_of(said or {}),
    }
