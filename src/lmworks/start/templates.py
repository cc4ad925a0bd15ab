"""Which recipe suits what was seen, answered and planned: a function a template, the first that fits is taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf
from typing import NamedTuple

from lmworks.data.parsers.documents.parts import PART_BYTES
from lmworks.plan.decide import LADDER, Verdict
from lmworks.plan.models import published
from lmworks.start.answers import COLUMNS, Answers
from lmworks.start.columns import MOST_NAMED, alike_labels, column_of_all, counts_in_words, label_doubts, with_one_case
from lmworks.start.lines import quoted
from lmworks.start.roles import is_dialogue, is_pair, language_of
from lmworks.start.seen import LEAST_TO_FIND, PREDICTED, SHAPES, Rows, Seen, Table
from lmworks.start.words import LANGUAGES, SUMMARIES, rank

NONE, ADAPT, FINE_TUNE, CONTINUE, SCRATCH = LADDER
CLOSED = ("confidential", "secret")
"""Of `privacy`: texts whose personal data are taken out before anything learns from them."""
LEAST = {"labelled": 60, "spans": 60, "pairs": 60, "conversations": 40}
"""Records below which a held-out part would say nothing."""
DECODER_MINUTES = 20
"""Minutes of the budget from which on a decoder is tuned on labels as well: on two cores it takes about ten."""
BASE_MINUTES = 10
"""Minutes of the budget from which on the base is asked as well, as it was published: a third of a short build."""
LEAST_BYTES = 20_000
"""Of texts without labels, from which on something can be learned or found."""
FEW, LONG_BYTES = 20, 200_000
"""Texts, and bytes of each in the mean: some hundred pages."""
TEST_BYTES = 200_000
"""Of texts that are held out to test: each model reads all of them, which takes two cores a minute or two."""
TEST_BYTES_A_MINUTE = 20_000
"""And no more for each minute of the budget: two models that read them take a quarter of it."""
QUESTIONS, FEWEST_QUESTIONS = 200, 50
"""Of pairs and conversations that are put to each model: 200 tell 0.04 from nothing in most cases."""
MOST_CHATS = 100
"""Of conversations, whose answers are longer."""
QUESTION_SECONDS, TOKEN_SECONDS = 0.25, 0.0013
"""Of one: an answer of up to 96 tokens by 135 million parameters on two cores, and each token of the question."""
FEW_PARTS = 15
"""Of a book, held out at the least: of fewer groups an interval may be too narrow (`pipeline/statistics.py`)."""
GROUPS_IN_TEST, FEWEST_GROUPS = 16, 16 / 0.3
"""Groups that are held out, and of which they are 0.3. Of fewer than 14 a gate fails (`pipeline/statistics.py`)."""
TEXTS_A_MINUTE = 250
"""Texts that an encoder is tested on for each minute of the budget. It reads 20 to 40 a second on a core."""
LARGE_GROUP = 20
"""Texts of a group, above which groups are not joined by the copies in them."""
CHARACTERS_PER_TOKEN = 3
"""About: four in English, two to three in other languages."""
FRAME_TOKENS, LABEL_TOKENS, SHOTS = 20, 5, 5
"""Of what a question stands in, of a label that is written, and examples that show an untuned model what to write."""
WORDS = {
    "search": "find the passages of your texts that answer a question, and cite them",
    "classify": "tell which of your labels a text has",
    "extract": "mark what you labelled in a text",
    "translate": "write the one text of a pair from the other",
    "summarise": "write the short text of a pair from the long one",
    "chat": "answer as your files answer",
    "write": "go on with a text as yours go on",
}


PLAIN, NOT_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*"), ("true", "false", "null", "yes", "no", "on", "off")
"""Words that stand in YAML without quotes, but for those that mean something else."""
MAYBE_PAIRS = ("texts", "labelled", "events", "nothing")
"""Shapes of tables that are pairs where both columns are answered."""
NAMING = ("id", "name", "category")
"""Kinds of columns that may hold words, or name a row."""
UNNAMED = re.compile(r"[{}\[\]:!]|^$")
"""What is in a column's name that no template can name."""


class Refusal(NamedTuple):
    """Why nothing can be built, and what would mend it."""

    why: str


@dataclass(frozen=True)
class Draft:
    """A recipe before it is written."""

    template: str
    table: Table
    serves: str
    """What is served, in words."""
    data: Sequence[str]
    """Lines of the sections below `data`, without their indent; a comment begins with `#`."""
    models: Sequence[str] = ()
    evaluate: Sequence[str] = ()
    serve: str = ""
    otherwise: str = ""
    """What is served where that does not pass."""
    serve_more: str = ""
    """What stands behind the model in `serve`."""
    continues: bool = False
    """Whether what is served is asked to go on from texts, though it would take them for turns of a chat."""
    tokenizer: str = ""
    packages: Sequence[str] = ()
    install: Sequence[str] = ()
    """Commands that install what its steps need."""
    doubts: Sequence[str] = ()
    notes: Sequence[str] = ()
    """What else is told of what it learns from."""

    @property
    def finds_passages(self) -> bool:
        """Whether passages of the texts are what is served."""
        return self.serve == "passages"


@dataclass(frozen=True)
class Situation:
    """All that a template goes by."""

    seen: Seen
    answers: Answers
    verdict: Verdict
    path: str
    """Of the folder, from the recipe's."""


Template = Callable[[Situation, Table], "Draft | None"]


def chosen(situation: Situation) -> Draft | Refusal:
    """The draft of the first template that fits a table, tables with what the task needs and of most bytes first."""
    answers = situation.answers
    tables = [_with_answers(table, answers) for table in situation.seen.tables]
    if not tables:
        return Refusal("nothing in the folder can be read as text, and lmworks handles text alone")
    situation = replace(situation, seen=replace(situation.seen, tables=tables))
    wanted, named = NEEDED[answers.task], {*_answered(answers, STEERING[answers.task]).values()}
    tables = [table for table in tables if named <= _names(table)] or tables
    tables.sort(key=lambda table: (wanted.index(table.shape) if table.shape in wanted else 99, -table.bytes))
    for template in TEMPLATES[answers.task]:
        for table in tables:
            if draft := template(situation, table):
                return replace(
                    draft,
                    doubts=[
                        *_ungrouped(draft),
                        *_passed_over(draft, answers),
                        *_guessed(draft),
                        *_unsure(draft),
                        *draft.doubts,
                    ],
                )
    return Refusal(_missing(situation))


def _answered(answers: Answers, fields: Sequence[str] = COLUMNS) -> dict[str, str]:
    """The columns that were answered."""
    return {name: column for name in fields if (column := getattr(answers, name))}


def _guessed(draft: Draft) -> Iterator[str]:
    for part in draft.table.parts or [draft.table]:
        if part.encoding:
            yield f"{', '.join(part.include[:2])}: {part.encoding_in_words}"


def _unsure(draft: Draft) -> Iterator[str]:
    """Columns that may hold people's names."""
    done = "searched" if draft.finds_passages else "masked"
    for name in dict.fromkeys(name for part in draft.table.parts or [draft.table] for name in part.unsure):
        yield (
            f"{name} may hold people's names, and is not {done}: answer `subject: {name}` if it does; if it does not, "
            "name it in `text_field` where it is to be read"
        )


def _names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


def _passed_over(draft: Draft, answers: Answers) -> Iterator[str]:
    """Answers that name a column which nothing has that the recipe reads."""
    read = set().union(*map(_names, draft.table.parts or [draft.table]))
    for name, column in _answered(answers).items():
        if column not in read:
            yield f"`{name}: {column}` was answered, and nothing that this recipe reads has that column"


NEEDED = {
    "classify": ("labelled", "texts", "pairs"),
    "extract": ("spans",),
    "translate": ("pairs",),
    "summarise": ("pairs",),
    "chat": ("conversations", "pairs", "preferences", "texts", "code"),
    "write": ("texts", "code", "events", "pairs", "labelled"),
    "search": ("texts", "code", "pairs", "labelled", "conversations"),
}
"""What a task learns from, the best first."""
STEERING: dict[str, Sequence[str]] = {
    **dict.fromkeys(NEEDED, ("text", "target")),
    **dict.fromkeys(("classify", "extract"), ("label", "text")),
}
"""Answers by which tables that have those columns are taken alone."""


def _missing(situation: Situation) -> str:
    """What the folder lacks for its task, in words that say what to do."""
    answers, tables = situation.answers, situation.seen.tables
    found = "; ".join(
        "; ".join((f"{table.records:,} {SHAPES[table.shape]} ({table.form})", *table.remarks_on_gaps, *table.remarks))
        for table in tables[:4]
    )
    need = {
        "classify": f"{LEAST['labelled']} texts and a column with their labels; label some, or say `label: COLUMN`",
        "extract": f"{LEAST['spans']} texts with labelled spans (`spans: [{{start, end, label}}]` in *.jsonl)",
        "translate": f"{LEAST['pairs']} pairs of texts in two columns; say `text: COLUMN` and `target: COLUMN`",
        "summarise": f"{LEAST['pairs']} texts with summaries in two columns; say `text: COLUMN` and `target: COLUMN`",
        "chat": f"{LEAST['conversations']} conversations or pairs of question and answer, or "
        f"{LEAST_BYTES:,} bytes of texts",
        "write": f"{LEAST_BYTES:,} bytes of texts",
        "search": f"{LEAST_TO_FIND:,} bytes of texts with words to find",
    }[answers.task]
    apart = _apart(tables) if answers.task in PAIRED else ""
    return f"to {WORDS[answers.task]} it takes {need}; the folder holds {found}{apart}"


PAIRED = ("translate", "summarise", "write")
"""Tasks that learn from two columns of a row."""


def _apart(tables: Sequence[Table]) -> str:
    """Say that texts stand in two tables that have a column of ids in common, which a user can join."""
    for one, other in combinations([table for table in tables if table.texts], 2):
        ids = {column.name for column in (*one.columns, *other.columns) if column.kind == "id"}
        if shared := sorted(ids & _names(one) & _names(other)):
            files = " and ".join(f"{table.include[0]} ({table.texts[0]})" for table in (one, other))
            return f". {files} have the column {shared[0]} in common: join them by it into one table"
    return ""


def _with_answers(table: Table, answers: Answers) -> Table:
    """The table with the columns that were answered in front; to classify, with folders as labels if there are such."""
    table = table.by_folder if table.by_folder and answers.task == "classify" else table
    names = _names(table)
    labels, texts, subjects = list(table.labels), list(table.texts), list(table.subjects)
    if answers.label in names:
        labels = [answers.label, *(each for each in labels if each != answers.label)]
        subjects = [each for each in subjects if each != answers.label]
    if answers.subject in names:
        subjects = [answers.subject, *(each for each in subjects if each != answers.subject)]
    if answers.text in names:
        texts = [answers.text, *(each for each in texts if each != answers.text)]
    if answers.target in names:
        texts = [*(each for each in texts if each != answers.target), answers.target]
    if answers.task == "summarise" and len(texts) > 1:
        texts = _summed_up(table, texts, answers)
    labels = [each for each in labels if each not in subjects[:1]]
    unsure = [each for each in table.unsure if each not in {*_answered(answers).values()}]
    is_named = {answers.text, answers.target} <= names and len(texts) > 1 and pairs in TEMPLATES[answers.task]
    shape = "pairs" if is_named and table.shape in MAYBE_PAIRS else table.shape
    return replace(table, labels=labels, texts=texts, subjects=subjects, unsure=unsure, shape=shape)


def _summed_up(table: Table, texts: Sequence[str], answers: Answers) -> list[str]:
    """Return the columns of texts, the longest first and its summary last. What was answered stays where it is."""
    size = {name: table.column(name).characters for name in texts}
    source = texts[0] if answers.text in texts else max(texts, key=lambda name: size[name])
    others = [name for name in texts if name != source]
    ranks = {name: len(SUMMARIES) if (at := rank(name, SUMMARIES)) is None else at for name in others}
    target = texts[-1] if answers.target in others else min(others, key=lambda name: (ranks[name], size[name]))
    return [source, *(name for name in others if name != target), target]


def examples(table: Table, answers: Answers) -> int:
    """Records that have both what a task reads and what is right."""
    table = _with_answers(table, answers)
    if answers.task == "classify":
        return table.having(table.labels[:1], _read(table, answers))
    if table.shape in ("conversations", "preferences", "spans"):
        return table.complete
    return table.having(
        table.facts[:1] if answers.task == "write" and table.facts else table.texts[:1], table.texts[-1:]
    )


def with_alike(tables: Sequence[Table], table: Table, answers: Answers) -> Table:
    """The table with all others that have the columns that it is learned from and held out by, as one.

    Conversations are so if their turns have the same layout.
    """
    table = _with_answers(table, answers)
    names = [*_learned(table, answers), *table.dates[:1], *table.groups[:1]]
    if not table.columns or not (names or table.shape == "conversations"):
        return table
    kinds = {name: table.column(name).kind for name in names}
    alike = [table]
    others = [each for each in tables if (each.files, each.sheets) != (table.files, table.sheets)]
    for each in (_with_answers(other, answers) for other in others):
        has = {column.name: column.kind for column in each.columns}
        if has.items() >= kinds.items() and _told_by(each) == _told_by(table) and _turns(each) == _turns(table):
            alike.append(replace(each, texts=table.texts, labels=table.labels, dates=table.dates, groups=table.groups))
    if len(alike) == 1:
        return table
    joined = _joined(alike)
    columns = [
        column_of_all([each.column(column.name) for each in alike if column.name in _names(each)])
        for column in table.columns
    ]
    filled: dict[frozenset[str], Rows] = {}
    for pattern, rows in (pair for each in alike for pair in each.filled.items()):
        filled.setdefault(pattern, Rows()).take(rows)
    roles = {name: role for each in alike for name, role in each.roles.items()}
    ignored = list(dict.fromkeys(name for each in alike for name in each.ignored))
    is_whole = all(each.is_whole for each in alike)
    return replace(joined, columns=columns, filled=filled, is_whole=is_whole, roles=roles, ignored=ignored)


def _turns(table: Table) -> object:
    """How the turns of conversations are written; nothing for other tables."""
    return (table.layout, table.renamed) if table.shape == "conversations" else None


def _learned(table: Table, answers: Answers) -> Sequence[str]:
    """The columns that a table is learned from in a task, where columns are chosen."""
    if answers.task == "classify":
        return [*table.labels[:1], *_read(table, answers)] if table.labels else []
    return [table.texts[0], table.texts[-1]] if len(table.texts) > 1 else []


def _told_by(table: Table) -> Sequence[str]:
    """Whom records are about, by which they are held out."""
    return [table.subject or "", *map(str, table.parallel)]


def lengths(table: Table, answers: Answers) -> dict[str, int]:
    """Tokens of what a task reads and writes, where its records are short texts that say both; else nothing."""
    table = _with_answers(table, answers)

    def tokens(names: Sequence[str]) -> int:
        return max(1, round(sum(table.column(name).characters for name in names) / CHARACTERS_PER_TOKEN))

    if answers.task in ("classify", "extract"):
        read = _read(table, answers)
        return {"prompt_tokens": tokens(read) + FRAME_TOKENS, "answer_tokens": LABEL_TOKENS} if read else {}
    if table.shape != "pairs" or len(table.texts) < 2:
        return {}
    asked, written = tokens(table.texts[:1]), tokens(table.texts[-1:])
    return {"prompt_tokens": FRAME_TOKENS + SHOTS * (asked + written) + asked, "answer_tokens": written}


def _read(table: Table, answers: Answers) -> Sequence[str]:
    """The columns that a classifier reads: the one that was answered, else all texts."""
    return table.texts[:1] if answers.text in table.texts else table.texts


# What all templates share: the source, personal data, the split.


def flow(value: object) -> str:
    """A value as YAML's flow form takes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{flow(name)}: {flow(each)}' for name, each in value.items())}}}"
    is_plain = isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in NOT_WORDS
    return str(value) if is_plain else quoted(value)


def source(situation: Situation, table: Table, **fields: object) -> str:
    """The source of a table, on one line."""
    stated: dict[str, object] = {"kind": "files", "path": situation.path, "include": list(table.include)}
    if table.parallel:
        stated = {"kind": "parallel", "path": situation.path, "files": table.parallel}
    stated |= {"exclude": [PREDICTED, *situation.seen.left_out], "licence": situation.answers.licence}
    if is_book(table):
        stated["format"] = "parts"
    elif table.states_format:
        stated["format"] = "text" if table.form == "code" else table.form
    stated |= {"records": table.json_records} if table.json_records else {}
    stated |= {"sheets": list(table.sheets)} if table.sheets else {}
    stated |= {"encoding": table.encoding} if table.encoding else {}
    stated |= {"subject_field": table.subject} if table.subject else {}
    stated |= {"created_field": table.dates[0]} if table.dates else {}
    keep = [*dict.fromkeys([*table.subjects, *([group] if (group := _group(table)) else []), *fields.pop("keep", [])])]  # type: ignore[misc]
    stated |= {name: value for name, value in fields.items() if value}
    stated |= {"keep": keep} if keep else {}
    return "{" + ", ".join(f"{name}: {flow(value)}" for name, value in stated.items()) + "}"


def is_book(table: Table) -> bool:
    """Whether texts are so few and long that none could be held out: they are cut into parts."""
    return table.form == "text" and table.records < FEW and table.text_bytes > LONG_BYTES * table.records


def _group(table: Table) -> str | None:
    return table.groups[0] if table.groups else None


def _shared(table: Table) -> str | None:
    """By what records belong together, if enough groups can be held out."""
    by = next((name for name in (table.subject, _group(table)) if name and _groups(table, name) >= FEWEST_GROUPS), None)
    return "subject" if by and by == table.subject else by


def _groups(table: Table, name: str) -> float:
    """How many groups of equal size a column is worth; those of a path inside of objects are not counted."""
    column = next((each for each in table.columns if each.name == name), None)
    counts = column.counts.values() if column else ()
    if counts:
        return sum(counts) ** 2 / sum(count**2 for count in counts)
    return column.distinct if column else inf


def _ungrouped(draft: Draft) -> Iterator[str]:
    """That whole people, or what else belongs together, are not held out, and why."""
    table = draft.table
    name = table.subject or _group(table)
    by_row = any(line.startswith("split:") and "by: id," in line for line in draft.data)
    if name and by_row and not _shared(table):
        yield (
            f"{name} has {table.column(name).distinct} values, which count as {_groups(table, name):.0f} equal groups: "
            f"too few to hold whole groups out, which takes {FEWEST_GROUPS:.0f}. So rows are held out one by one, and "
            "scores may be too high for people that were never seen"
        )


def ingested(situation: Situation, table: Table, **fields: object) -> Iterator[str]:
    """Lines that read a table, and take personal data out where the answers ask for it; the last step is `prepared`."""
    licence = situation.answers.licence
    told = ", ".join(f"{name} {share:.0%}" for name, share in table.languages.items() if share >= 0.02)
    yield f"# {table.records:,} records" + (f"; languages of those long enough to tell: {told}." if told else ".")
    yield "raw:"
    yield "  kind: ingest"
    if table.parts:
        yield "  sources:"
        yield from _sources(situation, table, lambda part: fields)
    else:
        yield f"  sources: [{source(situation, table, **fields)}]"
    yield f"  licences: {{allow: [permissive, {flow(licence)}]}}"
    if hides(situation, table):
        yield from _masked(table, "surrogate")


def _masked(table: Table, action: str) -> Iterator[str]:
    found = ", ".join(f"{kind} ({count})" for kind, count in table.personal.items()) or "none"
    yield f"# Personal data of {table.looked_at} records that were looked at: {found}. Names that stand in no column"
    yield "# stay: docs/privacy.md says what finds them."
    if action == "surrogate":
        yield "# Made-up values are the same for the same value throughout."
    else:
        yield "# Who asks is shown the kind in place of the value. Take the step out if all who ask may read the files."
    people = f", people: {flow(list(table.subjects))}" if table.subjects else ""
    yield f"private: {{kind: anonymise, from: raw, action: {action}{people}}}"


def _sources(situation: Situation, table: Table, fields: Callable[[Table], Mapping[str, object]]) -> Iterator[str]:
    for number, part in enumerate(table.parts or [table], 1):  # ids are by source: each has a name of its own
        yield f"    - {source(situation, part, name=f'{part.form}-{number}', **fields(part))}"


def hides(situation: Situation, table: Table) -> bool:
    """Whether personal data are taken out."""
    privacy = situation.answers.privacy
    return privacy in CLOSED or (privacy != "public" and bool(table.subjects or table.personal))


def prepared(situation: Situation, table: Table) -> str:
    """The name of the step that `ingested` ends with."""
    return "private" if hides(situation, table) else "raw"


def split_of(table: Table, reads: str, test: float, is_validated: bool = True, by: str | None = None) -> Iterator[str]:
    """Yield the lines of the split. Whole people, else groups, are held out, the latest where dates tell.

    `by` is what is held out whole in their place. A recipe that only counts words needs no validation part.
    """
    by = by or _shared(table) or "id"
    if by != "id":
        test = max(test, round(GROUPS_IN_TEST / _groups(table, _name_of(table, by)), 3))
    validation = (min(0.05, test) if test < 0.05 else max(0.05, test / 2)) if is_validated else 0
    share = f"test: {test:g}, validation: {validation:.3g}"
    dated = ", assign: time" if table.dates else ""
    if by != "id":
        yield f"# Whole groups by {flow(by)} are held out" + (", the latest ones" if dated else "") + "."
    elif dated:
        yield "# The latest are held out: so will the texts be that it meets."
    # Copies on both sides would be counted as known by whatever has seen the others.
    together = "" if _has_large_groups(table, by) else ", near_duplicates: {jaccard: 0.8}"
    yield f"split: {{kind: split, from: {reads}, by: {flow(by)}, {share}{dated}{together}}}"
    if not together:
        held_out = ["split.validation", "split.test"] if is_validated else ["split.test"]
        yield "# Copies of texts that are held out are left out of training."
        yield f"corpus: {{kind: curate, from: split.train, filters: [], avoid: {flow(held_out)}}}"


def _has_large_groups(table: Table, by: str) -> bool:
    """Whether groups hold so many texts that a copy in two of them must not join them: soon all would be one."""
    return by != "id" and table.records > LARGE_GROUP * _groups(table, _name_of(table, by))


def _trained_on(table: Table) -> str:
    """Return the rows that are trained on, of a table that is split by what it shares."""
    return "corpus" if _has_large_groups(table, _shared(table) or "id") else "split.train"


def _name_of(table: Table, by: str) -> str:
    """Return the column that a split by `subject` goes by."""
    return table.subject if by == "subject" and table.subject else by


def _test_share(records: int) -> float:
    """Of records that are held out to test: a thousand of many, a fifth of few."""
    return round(min(0.2, max(0.05, 1_000 / max(records, 1))), 3)


def _cluster(table: Table) -> str:
    by = _shared(table)
    return f", cluster: {flow(by)}" if by else ""


def _is_english(table: Table) -> bool:
    spoken = [column.language for column in table.columns if column.language]
    return all(name == "en" for name in spoken) and table.language in ("en", None)


def _base_doubts(table: Table, base: str, model: str) -> list[str]:
    """What speaks against a base, with how to take the next of `lmworks models` for a model."""
    is_english, family = _is_english(table), "decoder" if base == SMOLLM2 else "encoder"
    if is_english and family == "encoder":
        return []
    says = "a base with 135 million parameters suits a first build" if is_english else f"{base} has read mostly English"
    other = next(
        each
        for each in published()
        if each.family == family and each.languages.startswith("English") == is_english and each.parameters > 1.4e8
    )
    step = f"{{objective: pretrained, path: {other.name}, licence: {other.licence}}}"
    take = f"`lmworks models get {other.name} --yes`, then `{base}: {step}` above `{model}` in `models`"
    return [f"{says}; for {other.name} ({other.languages}) {take}; `lmworks models` lists others"]


# The templates.


def labels(situation: Situation, table: Table) -> Draft | None:
    """A bag of words, and, where the verdict is to tune, an encoder beside it, and a decoder where there is time."""
    if not table.labels or not table.texts or table.shape == "spans":
        return None
    table = with_alike(situation.seen.tables, table, situation.answers)
    if (count := examples(table, situation.answers)) < LEAST["labelled"]:
        return None
    label, texts = table.labels[0], list(_read(table, situation.answers))
    column, alike = table.column(label), alike_labels(table.column(label))
    stated = {"label_from_folder": True} if table.is_by_folder else {**_text_of(texts), "label_field": label}
    data = list(ingested(situation, table, **stated, **({"label_case": "lower"} if alike else {})))
    column = with_one_case(column) if alike else column
    tuned = situation.verdict.step != NONE
    data += split_of(table, prepared(situation, table), _test_share(count), is_validated=tuned)
    train = _trained_on(table)
    models = ["# Counted words and logistic regression: learned in seconds, and hard to beat on many labels."]
    models += [f"words: {{objective: bag-of-words, data: {train}}}"]
    names = ["words"]
    if tuned:
        models += ["# An encoder that has read much, tuned on the labels."]
        models += ["tuned:", "  objective: sequence-classification", "  from: minilm", f"  data: {train}"]
        models += [
            "  validation: split.validation",
            "  sequence_length: 128",
            "  learning_rate: 0.0003",
            "  steps: auto",
        ]
        names = ["tuned", "words"]
    if with_decoder := tuned and situation.answers.minutes >= DECODER_MINUTES:
        models += ["# A decoder that has read more, tuned on the same labels: slower, to be compared with.", "decoder:"]
        models += ["  objective: sequence-classification", "  from: smollm2-135m", f"  data: {train}"]
        models += ["  validation: split.validation", "  adapter: {rank: 16}", "  learning_rate: 0.002", "  dropout: 0"]
        models += ["  sequence_length: 128", "  micro_batch_rows: 16", "  validation_rows: 160", "  steps: auto"]
        names = ["tuned", "decoder", "words"]
    evaluate = [f"models: [{', '.join(names)}]"]
    limit = int(TEXTS_A_MINUTE * situation.answers.minutes)
    drawn = f", limit: {limit}" if tuned and count > 3 * limit else ""  # up to 0.3 of them are held out
    evaluate += [f"tasks: [{{kind: classification, data: split.test, train: {train}{_cluster(table)}{drawn}}}]"]
    evaluate += ["gates:", "  # Whatever is served surely knows more than which label is the most frequent."]
    evaluate += ["  - {task: classification, not_worse_than: majority, margin: 0}"]
    if tuned:
        evaluate += ["  # Better than counted words, which cost nothing; otherwise these are served."]
        evaluate += ["  - {task: classification, model: tuned, not_worse_than: words, margin: 0}"]
    told = counts_in_words(column)
    return Draft(
        "labels" if tuned else "labels, counted words",
        table,
        f"{'an encoder tuned' if tuned else 'a bag of words learned'} on {count:,} labelled texts ({label})",
        data,
        models,
        evaluate,
        "tuned" if tuned else "words",
        "words" if tuned else "",
        packages=[*(["minilm"] if tuned else []), *([SMOLLM2] if with_decoder else [])],
        doubts=[
            *_unpredicted(table, label),
            *label_doubts(column),
            *(_base_doubts(table, "minilm", "tuned") if tuned else []),
        ],
        notes=[
            *([f"labels of {label}{_whose(table, label, count)}: {told}"] if told else []),
            *([f"one label each, since only case or spaces differ: {'; '.join(alike[:MOST_NAMED])}"] if alike else []),
        ],
    )


def _unpredicted(table: Table, label: str) -> Iterator[str]:
    fit = table.fits.get(label)
    if fit and not fit.is_clear:
        yield f"words do not predict {label}: {fit} on {fit.rows} held-out rows; is it a label of these texts?"


def _whose(table: Table, label: str, count: int) -> str:
    return ", copies and empty texts counted" if count < table.column(label).filled else ""


def spans(situation: Situation, table: Table) -> Draft | None:
    """What is marked in texts: a dictionary of what was labelled, and an encoder where the verdict is to tune."""
    if table.shape != "spans" or table.complete < LEAST["spans"]:
        return None
    column, text = table.labels[0], table.texts[0]
    data = list(ingested(situation, table, text_field=text, keep=[column]))
    tuned = situation.verdict.step != NONE
    data += split_of(table, prepared(situation, table), _test_share(table.complete), is_validated=tuned)
    own, train = f", label: {flow(column)}" if column != "spans" else "", _trained_on(table)
    models = ["# All that was labelled, looked up: learned in seconds."]
    models += [f"looked-up: {{objective: dictionary, data: {train}{own}}}"]
    if tuned:
        models += ["extractor:", "  objective: token-classification", "  from: minilm", f"  data: {train}"]
        models += ["  validation: split.validation", *([f"  label: {flow(column)}"] if own else [])]
        models += ["  sequence_length: 128", "  steps: auto"]
    evaluate = [f"models: [{'extractor, ' if tuned else ''}looked-up]"]
    evaluate += [f"tasks: [{{kind: extraction, data: split.test, train: {train}{own}{_cluster(table)}}}]"]
    evaluate += ["gates:", "  # Whatever is served surely finds more than the patterns that everybody has."]
    evaluate += ["  - {task: extraction, not_worse_than: rules, margin: 0}"]
    if tuned:
        evaluate += ["  # Better than looking up what was marked, which costs nothing; otherwise that is served."]
        evaluate += ["  - {task: extraction, model: extractor, not_worse_than: looked-up, margin: 0}"]
    return Draft(
        "spans" if tuned else "spans, looked up",
        table,
        f"{'an encoder tuned' if tuned else 'a dictionary learned'} on {table.complete:,} texts with marked spans",
        data,
        models,
        evaluate,
        "extractor" if tuned else "looked-up",
        "looked-up" if tuned else "",
        packages=["minilm"] if tuned else [],
        doubts=_base_doubts(table, "minilm", "extractor") if tuned else [],
    )


def pairs(situation: Situation, table: Table) -> Draft | None:
    """A published decoder, tuned on pairs of texts, or measured on them where the verdict is not to train."""
    answers = situation.answers
    named = bool(answers.text and answers.target)
    if len(table.texts) < 2 or not (is_pair(table) or named or answers.task == "summarise"):
        return None
    table = with_alike(situation.seen.tables, table, answers)
    if (count := examples(table, answers)) < LEAST["pairs"] or (
        answers.task == "chat" and not named and not is_dialogue(table)
    ):
        return None
    if answers.task == "translate" and not (answers.text or answers.target):
        table = _directed(table, answers.use_case)
    first, *_, last = table.texts
    ask = {"summarise": "{source}\n\nSum this up.", "translate": _translate(table, first, last)}.get(
        answers.task, "{source}"
    )
    way = [f"{last} is written from {first}: answer `text: {last}` and `target: {first}` for the other way"]
    way = way if answers.task == "translate" and not named else []
    longest = max(table.column(name).characters for name in (first, last))
    learns = answers.task == "translate" and situation.verdict.step != NONE
    if learns and count >= OWN_TRANSLATOR and longest < SHORT_SENTENCE:
        return _translator(situation, table, count, way)
    data = list(ingested(situation, table, fields=[first, last]))
    data += split_of(table, prepared(situation, table), _test_share(count))
    data += _sides(table, _trained_on(table), f", ask: {flow(ask)}")
    room = 256 if longest < SHORT_SENTENCE else 512
    task = f"data: test, train: train, max_tokens: 96, limit: {_questions(situation, table)}"
    adapter = ["  adapter: {kind: lora, rank: 16}"] if situation.verdict.step == ADAPT else []
    models = [
        "  objective: sft",
        "  from: smollm2-135m",
        *TOKENIZER,
        "  data: train",
        "  validation: validation",
        *adapter,
    ]
    models += [f"  learning_rate: {'0.001' if adapter else '0.002'}", f"  sequence_length: {room}"]
    models += ["  global_batch_tokens: 2048", "  steps: auto"]
    kind = TASK_OF.get(answers.task, "text-to-text")
    what = f"{count:,} pairs ({first} → {last})"
    return _written(situation, table, ("pairs", what, "writer"), data, models, (kind, task), way)


OWN_TRANSLATOR = 2_000
"""Fewest pairs for a translator that learns from them alone.

Measured on one set only, 5,000 pairs of German and English: 29 BLEU, and 20 by a table of words.
"""
SHORT_SENTENCE = 300
"""Most characters of a sentence that fits into 256 tokens."""
STEPS_A_MINUTE, PAIRS_A_STEP = 200, 4
"""Training steps of a translator per minute on two cores, and pairs for each step."""


def _translator(situation: Situation, table: Table, count: int, doubts: Sequence[str]) -> Draft:
    """Return the draft of an encoder-decoder that learns from the pairs alone. SmolLM2 has read mostly English."""
    first, *_, last = table.texts
    data = list(ingested(situation, table, fields=[first, last]))
    data += split_of(table, prepared(situation, table), _test_share(count))
    if _trained_on(table) != "corpus":
        data += ["corpus: {kind: curate, from: split.train, filters: []}"]
    data += _sides(table, "corpus")
    model = "translator"
    models = ["  objective: text-to-text", "  from: scratch", "  data: train", "  validation: validation"]
    models += ["  hidden_size: 128", "  num_layers: 2", "  num_heads: 4"]
    models += ["  tie_embeddings: true  # names and marks are the same in both languages"]
    models += ["  dropout: 0.2  # few pairs are seen often", "  label_smoothing: 0.1", "  adamw_learning_rate: 0.12"]
    steps = min(STEPS_A_MINUTE * situation.answers.minutes, count // PAIRS_A_STEP)
    models += ["  global_batch_tokens: 8192", f"  steps: {steps:.0f}  # it reads each pair many times"]
    task = f"kind: text-to-text, data: test, train: train, max_tokens: 96, limit: {QUESTIONS}"
    gates = [
        f"{{task: text-to-text, model: {model}, not_worse_than: {each}, margin: 0}}" for each in MEANS["text-to-text"]
    ]
    return Draft(
        "translation",
        table,
        f"an encoder-decoder that learns from {count:,} pairs alone ({first} → {last})",
        data,
        [f"{model}:", *models],
        [f"models: [{model}]", f"tasks: [{{{task}}}]", "gates:", *(f"  - {gate}" for gate in gates)],
        model,
        tokenizer="{kind: bpe, from: corpus, vocab_size: 2000}",
        doubts=doubts,
    )


def _sides(table: Table, train: str, ask: str = "") -> Iterator[str]:
    """Yield the steps that make pairs of both sides, of the rows `train` and of what was held out."""
    first, *_, last = table.texts
    cluster = _shared(table)
    kept = f", keep: [{flow(cluster)}]" if cluster and cluster != "subject" else ""
    for part, rows in (("train", train), ("validation", "split.validation"), ("test", "split.test")):
        targets = ", targets: references" if part == "test" else ""
        sides = f"source: {flow(first)}, target: {flow(last)}{ask}{targets}{kept}"
        yield f"{part}: {{kind: pairs, from: {rows}, {sides}}}"


def facts(situation: Situation, table: Table) -> Draft | None:
    """A published decoder that writes about the values of other columns, such as a place's name, food and prices."""
    text = table.texts[-1] if table.texts else ""
    told = [name for name in table.facts if name != text]
    if situation.answers.task != "write" or not told or (count := table.having(told[:1], [text])) < LEAST["pairs"]:
        return None
    about = max(told, key=lambda name: _groups(table, name))
    by = about if _groups(table, about) >= FEWEST_THINGS else ", ".join(told)  # equal facts have several texts
    data = list(ingested(situation, table, fields=[*told, text]))
    data += split_of(table, prepared(situation, table), _test_share(count), by=by)
    for part in ("train", "validation", "test"):
        targets = ", targets: references" if part == "test" else ""
        kept = f", keep: [{flow(by)}]" if by == about else ""
        sides = f"source: {flow(told)}, target: {flow(text)}, ask: {ASK_FACTS}{targets}{kept}"
        data += [f"{part}: {{kind: pairs, from: split.{part}, {sides}}}"]
    models = ["  objective: sft", "  from: smollm2-135m", *TOKENIZER, "  data: train", "  validation: validation"]
    models += ["  adapter: {kind: lora, rank: 16}", "  learning_rate: 0.002", "  sequence_length: 256"]
    models += ["  global_batch_tokens: 2048", "  steps: auto"]
    cluster = f", cluster: {flow(by)}" if by == about else ""
    task = f"data: test, train: train, max_tokens: 96, limit: {_questions(situation, table)}{cluster}"
    named = "facts to text", f"{count:,} texts ({text}) about {', '.join(told)}", "writer"
    return _written(situation, table, named, data, models, ("facts-to-text", task))


FEWEST_THINGS = 24
"""Things that texts are about, from which on whole ones are held out: a third of them is tested."""
ASK_FACTS = '"{source}\\n\\nWrite one text that states these facts."'


def _questions(situation: Situation, table: Table) -> int:
    """How many questions two models answer in half of the minutes: fewer where texts are long."""
    tokens = table.text_bytes / max(table.records, 1) / 4
    seconds_of_each = situation.answers.minutes * 60 / 2 / 2
    found = seconds_of_each / (QUESTION_SECONDS + TOKEN_SECONDS * tokens)
    return max(FEWEST_QUESTIONS, min(QUESTIONS, int(found / 10) * 10))


TASK_OF = {"summarise": "summary", "translate": "text-to-text"}
SMOLLM2 = "smollm2-135m"
TOKENIZER = ("  tokenizer: smollm2-135m",)
AS_PUBLISHED = (
    "# Nothing is trained: the model is measured as it was published.",
    "smollm2-135m: {objective: pretrained, path: smollm2-135m, licence: Apache-2.0}",
)
MEANS = {
    "text-to-text": ("copy-source", "word-table", "nearest-pair"),
    "facts-to-text": ("template", "nearest-facts"),
    "summary": ("lead-sentence", "central-sentence", "learned-sentence"),
    "perplexity": ("5-gram",),
}
"""Baselines of tasks, each of which a tuned model must beat."""


def _written(
    situation: Situation,
    table: Table,
    named: tuple[str, str, str],
    data: Sequence[str],
    trained: Sequence[str],
    task: tuple[str, str],
    doubts: Sequence[str] = (),
) -> Draft:
    """Return the draft of a tuned decoder, which must beat its base and all baselines, or else passages are served.

    Where the verdict is not to train, the base is measured, and nothing is served but what copies. `named` is the
    template, what it learns from, and the model's name; `task` its kind and its fields.
    """
    template, what, model = named
    kind, fields = task
    tuned = situation.verdict.step != NONE
    finds, copier = tuned and situation.answers.task == "chat", COPIERS.get(kind)
    base = [SMOLLM2] if not (tuned or copier) or situation.answers.minutes >= BASE_MINUTES else []
    names = [*base, *([model] if tuned else []), *([copier.name] if copier else [])]
    evaluate = [f"models: [{', '.join(names)}]"]
    evaluate += [f"tasks: [{{kind: {kind}, {fields}, data_type: bfloat16}}]"]
    if tuned:
        evaluate += [
            "gates:",
            "  # What is served is better than all baselines, and than its base where that is asked.",
        ]
        others = (*base, *MEANS[kind])
        evaluate += [f"  - {{task: {kind}, model: {model}, not_worse_than: {each}, margin: 0}}" for each in others]
    if copier:
        evaluate += [*([] if tuned else ["gates:"]), f"  # What copies is no worse than the baseline {copier.beside}."]
        gate = f"not_worse_than: {copier.beside}, margin: {copier.margin:g}"
        evaluate += [f"  - {{task: {kind}, model: {copier.name}, {gate}}}"]
    if finds:
        data = [
            *data,
            "# Quoted in place of the model, if that does not beat its baselines.",
            _passages(table, "split.train"),
        ]
    untrained = copier.serves if copier else "nothing: SmolLM2-135M is measured as published on"
    models = [f"{model}:", *trained] if tuned else AS_PUBLISHED if base else []
    return Draft(
        template if tuned else f"{template}, not trained",
        table,
        f"{'SmolLM2-135M tuned on' if tuned else untrained} {what}",
        data,
        [*models, *(copier.lines if copier else [])],
        evaluate,
        model if tuned else copier.name if copier else "",
        "passages" if finds else copier.name if copier and tuned else "",
        _not_found(table) if finds else "",
        packages=[SMOLLM2] if models else [],
        doubts=[
            *doubts,
            *(_base_doubts(table, SMOLLM2, model) if tuned else [COPIES_ALONE] if copier else [UNSERVED]),
        ],
    )


class Copier(NamedTuple):
    """A baseline that is served where no model is better. It copies, and is learned in seconds."""

    name: str
    baseline: str
    serves: str
    why: str
    beside: str
    """Simpler baseline that it must not be worse than."""
    margin: float

    @property
    def lines(self) -> Sequence[str]:
        """The model in a recipe."""
        return (
            f"# {self.why}",
            f"{self.name}: {{objective: baseline, baseline: {self.baseline}, data: train}}",
        )


COPIERS = {
    "summary": Copier(
        "sentence",
        "learned-sentence",
        "a sentence of the text, by a choice that is learned from",
        "One sentence of the text, by a choice that is learned in seconds: hard to beat, and it invents nothing.",
        "lead-sentence",
        0.05,
    ),
    "facts-to-text": Copier(
        "nearest",
        "nearest-facts",
        "the text about the most similar facts, with the values exchanged, from",
        "The text about the most similar facts, with the values exchanged: hard to beat, and written by people.",
        "template",
        0,
    ),
}
COPIES_ALONE = "a text is copied, and no model writes: raise `budget_usd` or `deadline_weeks` for one that is tuned"


UNSERVED = (
    "nothing is served, for a model that was not tuned on your texts would answer from others'. Raise `budget_usd` or "
    "`deadline_weeks`, or answer `task: search`, which quotes your texts"
)


def _translate(table: Table, first: str, last: str) -> str:
    other = language_of(table.column(last))
    return f"{{source}}\n\nTranslate this into {_names_of(other)[0]}." if other else "{source}\n\nTranslate this."


def _names_of(language: str) -> list[str]:
    """What English and the language itself call a language; its code, if it has no name."""
    return list(LANGUAGES.get(re.split("[-_]", language)[0], [language]))


def _directed(table: Table, use: str) -> Table:
    """The table with its texts turned round where the use names its languages the other way round."""
    first, *between, last = table.texts
    places = []
    for name in (first, last):
        words = "|".join(map(re.escape, _names_of(language_of(table.column(name)) or name)))
        said = re.search(rf"(?i)(\bfrom\s+)?\b({words})\b", use)
        places.append(None if said is None else -1 if said[1] else said.start())
    one, other = places
    turned = one is not None and other is not None and other < one
    return replace(table, texts=[last, *between, first]) if turned else table


def conversations(situation: Situation, table: Table) -> Draft | None:
    """A published decoder, tuned on conversations."""
    if situation.verdict.step == NONE or table.shape != "conversations" or table.complete < LEAST["conversations"]:
        return None
    table = with_alike(situation.seen.tables, table, situation.answers)
    turns = f", fields: {flow(table.renamed)}, roles: {flow(table.roles)}" if table.renamed else ""
    turns += f", ignore: {flow(list(table.ignored))}" if table.ignored else ""
    data = list(ingested(situation, table, fields="all"))
    data += split_of(table, prepared(situation, table), _test_share(table.complete))
    data += (
        ["# `ignore`: fields with texts that are no turns, and of which nothing is learned."] if table.ignored else []
    )
    for part in ("train", "validation", "test"):
        data += [f"{part}: {{kind: conversations, from: split.{part}{turns}}}"]
    models = ["  objective: sft", "  from: smollm2-135m", *TOKENIZER, "  data: train", "  validation: validation"]
    models += ["  adapter: {kind: lora, rank: 16}", "  learning_rate: 0.001", "  sequence_length: 512", "  steps: auto"]
    task = f"data: test, train: train, limit: {min(MOST_CHATS, _questions(situation, table))}, max_tokens: 96"
    named = "conversations", f"{table.complete:,} conversations", "assistant"
    return _written(situation, table, named, data, models, ("text-to-text", task))


def continued(situation: Situation, table: Table) -> Draft | None:
    """A published decoder that goes on reading the user's texts, or is measured where the verdict is not to train."""
    table = together(situation, table)
    if situation.verdict.step == SCRATCH or not _has_prose(table):
        return None
    adapter = ["  adapter: {kind: lora, rank: 16}"] if situation.verdict.step == ADAPT else []
    models = [
        "  objective: causal-lm",
        "  from: smollm2-135m",
        *TOKENIZER,
        "  data: corpus",
        "  validation: split.validation",
    ]
    models += [*adapter, f"  learning_rate: {'0.0005' if adapter else '0.0002'}", "  sequence_length: 256"]
    named = "texts, continued", f"{table.text_bytes / 1e6:,.2g} MB of texts", "continued"
    task = "perplexity", "data: split.test, train: corpus"
    draft = _written(situation, table, named, list(_documents(situation, table)), [*models, "  steps: auto"], task)
    return replace(draft, continues=bool(draft.serve), otherwise="", serve_more="")


def scratch(situation: Situation, table: Table) -> Draft | None:
    """A model of the user's texts alone."""
    table = together(situation, table)
    if situation.verdict.step != SCRATCH or not _has_prose(table):
        return None
    models = ["pretrain:", "  objective: causal-lm", "  from: scratch", "  data: corpus"]
    models += ["  validation: split.validation", "  hidden_size: auto", "  steps: auto"]
    return Draft(
        "texts, from scratch",
        table,
        f"a small model that has read nothing but {table.text_bytes / 1e6:,.2g} MB of your texts",
        list(_documents(situation, table)),
        models,
        [
            "models: [pretrain]",
            "tasks: [{kind: perplexity, data: split.test, train: corpus}]",
            "gates: [{task: perplexity, model: pretrain, not_worse_than: 5-gram, margin: 0}]",
        ],
        "pretrain",
        continues=True,
        tokenizer="{kind: bpe, from: corpus}",
        doubts=["what some minutes train shows the way and is no model to rely on: `lmworks plan` says what one takes"],
    )


def _has_prose(table: Table) -> bool:
    says = table.shape != "events" or any(
        not UNNAMED.search(c.name) for c in table.columns if c.kind not in ("empty", "nested")
    )
    size = table.bytes if table.shape == "events" else table.text_bytes  # numbers are no text before they are told
    return table.shape != "nothing" and size >= LEAST_BYTES and says


def found(situation: Situation, table: Table) -> Draft | None:
    """Passages of all texts, found and quoted: nothing is trained, and no model writes."""
    if situation.answers.task == "chat" and situation.verdict.step != NONE:
        return None
    readable = [each for each in situation.seen.tables if each.shape not in ("events", "nothing")]
    if any(each.form in ("html", "faq") for each in readable):  # whose style sheets and scripts say nothing
        readable = [each for each in readable if not all(file.endswith((".css", ".js")) for file in each.files)]
    if sum(each.text_bytes for each in readable) < LEAST_TO_FIND:
        return None
    table = _joined(readable)
    count = sum(each.complete if _answers_questions(each) else each.records for each in readable)
    html = ", html: text" if "html" in {part.form for part in table.parts or [table]} else ""
    encoder = "minilm" if _has_time_to_embed(situation, table) else ""
    masked, is_public = hides(situation, table), situation.answers.privacy == "public"
    data = [
        f"# {count:,} records. Nothing learns from them{'' if masked else ' and nothing is masked'}.",
        "raw:",
        "  kind: ingest",
        "  sources:",
        *_sources(situation, table, lambda part: _searched(table, part, names=is_public)),
        *_unsaid(table, names=is_public),
        f"  licences: {{allow: [permissive, {flow(situation.answers.licence)}]}}",
        *(_masked(table, "redact") if masked else ()),
        f"clean: {{kind: normalise, from: {prepared(situation, table)}{html}}}",
        *_passages_commented(table, encoder),
    ]
    return Draft(
        "passages",
        table,
        f"passages of {count:,} records, found and quoted",
        data,
        serve="passages",
        serve_more=_not_found(table),
        packages=[encoder] if encoder else [],
        doubts=["how often the right passage is found is not measured before there are `questions`"],
    )


SMALL_COLLECTION, LEAST_SCORE = 100, 0.16
"""Passages, up to which this score is the least: of 11 articles of SQuAD, 26 to 53 passages each, it says "not found"
of 0.05 of the questions that they answer, and of 0.94 of those that they do not; 0.22 says so of 0.15 and 0.98. In six
other languages 0.16 says so of 0.07 and 0.93 (`benchmarks/knowledge/languages.py`)."""
PASSAGE_BYTES = 1_200
"""Of a passage, about."""


SECONDS_A_MEGABYTE, SHARE_TO_EMBED = 60, 0.25
"""Of a core for texts that all-MiniLM-L6-v2 reads (measured: 31 to 59), and the most of a build's time for them."""


def _has_time_to_embed(situation: Situation, table: Table) -> bool:
    """Whether an encoder, which finds prose that says the same in other words, can read all passages.

    It has read English. Names in source code say less to it: there it found no more than words do. Of few passages no
    least score has been measured for it.
    """
    count = max(table.records, table.text_bytes // PASSAGE_BYTES)
    is_prose = table.language == "en" and all(each.shape != "code" for each in table.parts or [table])
    seconds = SECONDS_A_MEGABYTE * table.text_bytes / 1e6
    return is_prose and count > SMALL_COLLECTION and seconds <= SHARE_TO_EMBED * situation.answers.minutes * 60


def _passages_commented(table: Table, encoder: str) -> Iterator[str]:
    yield "# Twenty `questions` of yours or more tell how often the right passage is found, and choose below what score"
    yield "# the documents hold no answer (docs/knowledge.md). Until then it is one that was measured on other texts."
    yield _passages(table, "clean", encoder)


def _passages(table: Table, documents: str, encoder: str = "") -> str:
    """Return the step that finds passages."""
    if encoder:
        return f"passages: {{kind: passages, from: {documents}, encoder: {encoder}}}"
    is_small = max(table.records, table.text_bytes // PASSAGE_BYTES) <= SMALL_COLLECTION
    return f"passages: {{kind: passages, from: {documents}{f', least_score: {LEAST_SCORE}' if is_small else ''}}}"


def _not_found(table: Table) -> str:
    """What stands behind the model in `serve`: what is said where no passage fits, in the language of the texts."""
    words = NOT_FOUND.get(table.language or "")
    return f", not_found: {flow(words)}" if words else ""


NOT_FOUND = {
    "cs": "Dokumenty o tom nic neříkají.",
    "da": "Dokumenterne siger intet om dette.",
    "de": "Dazu steht nichts in den Unterlagen.",
    "el": "Τα έγγραφα δεν λένε τίποτα για αυτό.",
    "es": "Los documentos no dicen nada sobre esto.",
    "fi": "Asiakirjat eivät kerro tästä mitään.",
    "fr": "Les documents n'en disent rien.",
    "hu": "A dokumentumok erről nem írnak semmit.",
    "id": "Dokumen-dokumen ini tidak menyebutkan apa pun tentang hal itu.",
    "it": "I documenti non dicono nulla al riguardo.",
    "nl": "De documenten zeggen hier niets over.",
    "nn": "Dokumenta seier ingenting om dette.",
    "no": "Dokumentene sier ingenting om dette.",
    "pl": "Dokumenty nic o tym nie mówią.",
    "pt": "Os documentos não dizem nada sobre isto.",
    "sv": "Dokumenten säger inget om detta.",
    "tr": "Belgelerde bu konuda hiçbir bilgi yok.",
}
"""What is said where no passage fits, in the language of the texts; English is the default."""


def together(situation: Situation, table: Table) -> Table:
    """Texts of all forms as one, or source code of all languages, which a company has side by side."""
    alike = [each for each in situation.seen.tables if each.shape == table.shape and not each.columns]
    return table if table.columns else _joined(alike)


def _joined(alike: Sequence[Table]) -> Table:
    """Tables as one, which keeps them as its parts; the first is what it is called by."""
    if len(alike) < 2:
        return alike[0]
    personal = Counter[str]()
    for each in alike:
        personal.update(each.personal)
    total = sum(each.bytes for each in alike)
    languages = {
        name: sum(each.languages.get(name, 0) * each.bytes for each in alike) / total
        for name in dict.fromkeys(name for each in alike for name in each.languages)
    }
    return replace(
        alike[0],
        parts=alike,
        files=[file for each in alike for file in each.files],
        records=sum(each.records for each in alike),
        bytes=total,
        text_bytes=sum(each.text_bytes for each in alike),
        personal=personal,
        languages=languages,
        subjects=list(dict.fromkeys(name for each in alike for name in each.subjects)),
        looked_at=sum(each.looked_at for each in alike),
    )


def _text_of(texts: Sequence[str]) -> dict[str, object]:
    return {"text_field": texts[0] if len(texts) == 1 else list(texts)} if texts else {}


def _searched(table: Table, part: Table, *, names: bool) -> dict[str, object]:
    """What a source of passages reads of a part. A question that nobody answered is no passage."""
    if part.shape == "conversations":
        return {"fields": "all"}
    required = [part.texts[-1]] if _answers_questions(part) and part.form != "faq" else []
    return _text_of(_said(table, part, names=names)) | {"required": required}


def _answers_questions(part: Table) -> bool:
    return is_pair(part) and is_dialogue(part)


def _said(table: Table, part: Table, *, names: bool) -> Sequence[str]:
    """Columns of a part by whose words somebody may look for a row: a term and its translation beside what explains it.

    What is an identifier in one part is one in all.
    """
    if not part.texts:
        return ()
    if _answers_questions(part):
        return part.texts
    identifiers = {column.name for each in table.parts for column in each.columns if column.kind == "id"}
    words = {column.name for column in part.columns if column.kind in ("name", "category")} - identifiers
    said = [column.name for column in part.columns if column.name in words or column.name in part.texts]
    return said if names else [name for name in said if name not in part.subjects and name not in part.unsure]


def _unsaid(table: Table, *, names: bool) -> Iterator[str]:
    """A comment on the columns of words that are not searched."""
    parts = [(part, _said(table, part, names=names)) for part in table.parts or [table]]
    left = [
        column.name
        for part, said in parts
        for column in part.columns
        if said
        and not _answers_questions(part)
        and column.name not in said
        and (column.kind in NAMING or column.name in part.subjects)
    ]
    if lost := list(dict.fromkeys(left)):
        more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
        yield f"  # Not searched, as identifiers, addresses or names of people: {', '.join(lost[:MOST_NAMED])}{more};"
        yield "  # name them in `text_field` if somebody looks for a row by them."


def _documents(situation: Situation, table: Table) -> Iterator[str]:
    fields = _text_of(table.texts)
    if table.shape == "events":
        fields = {"fields": "all"}
    yield from ingested(situation, table, **fields)
    has_html = "html" in {part.form for part in table.parts or [table]}
    html, last = ", html: text" if has_html else "", prepared(situation, table)
    if table.shape == "events":
        names = [column.name for column in table.columns if column.kind not in ("empty", "nested")]
        if kept := [each for each in names if table.column(each).is_contact or each in table.unsure]:
            yield f"# Left out, since they hold addresses or telephones, or may hold people's names: {', '.join(kept)}."
        names = [name for name in names if name not in kept]
        told = "; ".join(f"{name}: {{{name}}}" for name in names if not UNNAMED.search(name))
        yield "# What a row says; better words are yours to write. It is text: no pictures, no curves of sensors."
        if unnamed := [name for name in names if UNNAMED.search(name)]:
            yield f"# Left out, since braces, brackets, `:` and `!` mean something in a template: {', '.join(unnamed)}."
        if nested := [column.name for column in table.columns if column.kind == "nested"]:
            yield f"# Left out, since an object or a list may hold names and letters of people: {', '.join(nested)}."
            yield "# A path such as `{column.field}` tells one field of it."
        yield f"told: {{kind: tell, from: {last}, template: {flow(f'{told}.')}}}"
        last = "told"
    yield f"clean: {{kind: normalise, from: {last}{html}}}"
    least, records = (FEW_PARTS, table.text_bytes / PART_BYTES) if is_book(table) else (FEW, table.records)
    wanted = min(TEST_BYTES, TEST_BYTES_A_MINUTE * situation.answers.minutes)
    test = max(min(0.1, wanted / max(table.text_bytes, 1)), min(0.1, least / records))
    yield from split_of(replace(table, dates=[]) if table.records < 200 else table, "clean", round(test, 4))
    yield "corpus:"
    yield "  kind: curate"
    yield "  from: split.train"
    yield f"  filters: [{'' if table.shape in ('code', 'events') else 'length, repetition'}]"
    yield "  near_duplicates: {jaccard: 0.8}"
    yield "  avoid: [split.test, split.validation]"


TEMPLATES: dict[str, Sequence[Template]] = {
    "classify": (labels,),
    "extract": (spans,),
    "translate": (pairs,),
    "summarise": (pairs,),
    "chat": (conversations, found, pairs, continued, scratch),
    "write": (facts, pairs, continued, scratch),
    "search": (found,),
}
"""By task, the first that fits is taken."""
