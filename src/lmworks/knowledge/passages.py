"""The step `passages`: documents cut into passages that can be found and cited."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from lmworks.data.base.text import fold
from lmworks.data.base.words import borders
from lmworks.data.shards.records import Document, Documents, read_shard, write_ids
from lmworks.data.shards.steps import keep_beside
from lmworks.data.tuning.conversations import Conversations, question_of, references_of, wanted_answer
from lmworks.errors import UsageError
from lmworks.knowledge.collection import Collection, Passage, write_facts, write_passages
from lmworks.knowledge.cut import CHARACTERS_A_WORD, passages_in
from lmworks.knowledge.embedding import ENCODER, VECTORS, as_file, embed, files_of
from lmworks.knowledge.terms import terms_of
from lmworks.lazy import np
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.files import write_atomically
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.pipeline.statistics import share
from lmworks.pipeline.units import link
from lmworks.recipe.schema import Device, Effect, Expected, Reference, StepConfig

LEAST_SCORE = 0.22
"""Default minimum score: `chosen_score` on questions of six SQuAD 2.0 articles (`benchmarks/knowledge/squad.py`)."""
LEAST_SCORE_WITH_ENCODER = 0.27
"""The same default with an encoder: all-MiniLM-L6-v2, `cosine_weight` 0.4 (`benchmarks/knowledge/encoder.py`)."""
AT = (1, 5, 20)
"""Numbers of best passages for which the hit rate is measured."""
FEWEST = 20
"""Minimum number of questions. With fewer, one question would move each share by more than five points."""


TITLE_CHARACTERS = 300
"""Maximum number of characters of a title, which precedes each passage. Titles of papers have up to about 200."""
LINK_CHARACTERS = 2_000
"""Maximum number of characters of a link, as in browsers and servers."""


@dataclass(frozen=True)
class Passages(Handle):
    """Handle of a folder that a `Collection` can open."""

    holds: ClassVar[str] = "passages"


class PassagesConfig(StepConfig):
    """Cut documents into passages and index them, to find the passages that fit a question."""

    makes: ClassVar[str] = "passages"
    packages: ClassVar[tuple[str, ...]] = ("bm25s", "stopwordsiso")
    expects: ClassVar[Expected] = {"encoder": ("encoder",)}
    kind: Literal["passages"] = "passages"
    documents: Reference = Field(alias="from", description="Documents to cut.")
    words: int = Field(
        default=200,
        ge=20,
        description="Maximum number of words of a passage without its heading. Five such passages and a question fit a "
        f"context of 2,048 tokens. A longer paragraph is cut at sentences. In texts of very long words, "
        f"{CHARACTERS_A_WORD} characters count as a word.",
    )
    least_words: int = Field(
        default=40, ge=0, description="Minimum number of words. Shorter paragraphs, such as headings, join the next."
    )
    title: str = Field(
        default="title",
        description=f"Field with a document's title, which `ingest` must `keep`. The title's first {TITLE_CHARACTERS} "
        "characters are searched and shown.",
    )
    link: str = Field(
        default="url",
        description="Field with the document's address for readers, which `ingest` must `keep`. An address of more "
        f"than {LINK_CHARACTERS:,} characters is left out.",
    )
    encoder: Reference | None = Field(
        None,
        description="Model of the recipe that makes sentence vectors, or a name of `lmworks models`, such as `minilm`. "
        "It also finds passages that use other words than the question, and detects more questions without an answer. "
        "Off by default, because it takes 30 to 60 ms of a core once per passage, and 10 ms per question.",
    )
    cosine_weight: float = Field(
        default=0.4,
        gt=0,
        description="Weight of the cosine between question and passage. It is added to the word score of 0 to 1. With "
        "all-MiniLM-L6-v2, 0.4 found most passages for questions of six articles of SQuAD 2.0, and 0.3 to 1 nearly "
        "as many. Another encoder may need another weight.",
    )
    device: Annotated[Device, Effect.SPEED | Effect.MEMORY] = Field(
        default="auto", description="Device of the encoder. `auto` takes `budget.device`. Questions use the CPU."
    )
    questions: Reference | None = Field(
        None,
        description="Conversations on which lmworks chooses `least_score` and measures the search. Use validation "
        "questions, never test questions. By default the search is not measured.",
    )
    least_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Minimum score of the best passage. Below it, lmworks says that the documents hold no answer. By "
        f"default it is chosen on `questions`. Without them it is {LEAST_SCORE:g}, or {LEAST_SCORE_WITH_ENCODER:g} "
        "with an encoder, as measured on articles of Wikipedia. Choose it on your own questions.",
    )
    largest_false_share: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Maximum share of answerable `questions` that get no answer. lmworks chooses the highest score "
        "threshold that keeps to it. A larger share detects more questions without an answer.",
    )


@stage(version=5, reads=("documents", "encoder"), judges="questions")
def passages(
    config: PassagesConfig,
    documents: Documents,
    encoder: ModelFolder | None,
    questions: Conversations | None,
    out: Path,
    context: Context,
) -> Result:
    """Write a `Collection`. With questions, measure how often the right passage is found, and choose the minimum score.

    Raises UsageError if no document has a word, or if there are too few questions.
    """
    found, counts = list[Passage](), Counter[str](documents=0)
    for document in documents.iterate():
        context.check_stop()
        found += (cut := _cut(config, document))
        counts["documents"] += 1
        counts["documents without a word"] += not cut
    if not found:
        raise UsageError(f"{config.documents}: no document holds a word, so there is nothing to search")
    write_passages(out, found)
    write_ids(out, sorted({each.document for each in found}))
    if encoder:
        _write_vectors(config, documents, encoder, out, context)
    counts["passages"] = len(found)
    usual, weight = (LEAST_SCORE_WITH_ENCODER, config.cosine_weight) if encoder else (LEAST_SCORE, 0)
    least = usual if config.least_score is None else config.least_score
    write_facts(out, least, weight)
    figures: list[Figure] = []
    if questions:
        tried = try_questions(Collection(out), questions.iterate(), counts)
        if len(tried) < FEWEST:
            raise UsageError(
                f"{config.questions}: only for {len(tried)} questions the document with the answer is known; expected "
                f"{FEWEST} or more. It is known if a conversation's `document` is one of the documents, or if only one "
                "of them holds the answer in whole words. Name other conversations, or leave `questions` out"
            )
        if config.least_score is None:
            least = chosen_score(tried, config.largest_false_share)
            write_facts(out, least, weight)
        figures = list(_figures(tried, least, is_chosen=config.least_score is None))
    losses = {"documents without a word", *(name for name in counts if name.startswith("questions left out"))}
    return Result(figures=figures, counts=+counts, losses=losses & (+counts).keys())


def _write_vectors(
    config: PassagesConfig, documents: Documents, encoder: ModelFolder, out: Path, context: Context
) -> None:
    """Write the vectors of all passages, in order, and the encoder, which also makes the vectors of questions.

    The vectors of each shard are kept beside the artifact, so that a later build only reads new shards.
    """
    one_process = replace(context, workers=1)  # the model computes in threads of its own
    how = (encoder.digest, config.words, config.least_words, config.title, CHARACTERS_A_WORD, TITLE_CHARACTERS)
    embedding = partial(_embed_shard, config, encoder.path)
    folder = keep_beside(documents.shards(), embedding, one_process, "embedded", *how)
    parts = [np.load(path) for path in sorted(folder.glob("*.npy"))]
    write_atomically(out / VECTORS, as_file(np.concatenate([each for each in parts if len(each)])))
    for path in files_of(encoder.path):
        link(path, out / ENCODER / path.name)


def _embed_shard(config: PassagesConfig, encoder: Path, shard: Path) -> Iterator[tuple[str, bytes]]:
    texts = [each.searched for document in read_shard(shard) for each in _cut(config, document)]
    yield "npy", as_file(embed(encoder, texts, config.device))


def _cut(config: PassagesConfig, document: Document) -> list[Passage]:
    """Return the passages of a document, without passages that have no word, since no question finds them."""

    def told(name: str) -> str:
        value = document.value(name)
        return str(value) if isinstance(value, str | int) else ""

    title, address = told(config.title), told(config.link)
    return [
        Passage(
            document=document.id,
            start=start,
            title=title[:TITLE_CHARACTERS],
            text=document.text[start:end],
            source=document.source,
            licence=document.licence,
            path=str(document.meta.get("path", "")),
            link=address if len(address) <= LINK_CHARACTERS else "",
        )
        for start, end in passages_in(document.text, config.words, config.least_words)
        if terms_of(document.text[start:end])
    ]


class Tried(NamedTuple):
    """Search result for a question whose document with the answer is known."""

    document: str
    rank: int
    """Rank of the best passage that holds the answer, from 0."""
    best: float
    """Score of the best passage."""
    best_elsewhere: float
    """Score of the best passage of other documents, as if the answer were absent."""


def try_questions(collection: Collection, questions: Iterator[Mapping[str, Any]], counts: Counter[str]) -> list[Tried]:
    """Search for each question whose answer is known to be in one document. Others are counted.

    This is the document that the question was made from, or else the only document with the answer in whole words.
    """
    owners = np.array(collection.column("document"))
    known, texts = {*owners.tolist()}, [fold(text) for text in collection.column("text")]
    tried: list[Tried] = []
    for record in questions:
        answers = {*map(fold, references_of(record)), fold(wanted_answer(record))} - {""}
        whole = re.compile("|".join(map(borders, answers)))
        holds = np.array([any(answer in text for answer in answers) and bool(whole.search(text)) for text in texts])
        document = record.get("document")
        if document not in known:
            if len(holding := {*owners[holds].tolist()}) != 1:
                where = "several documents" if holding else "no document"
                counts[f"questions left out: their answer stands in {where}"] += 1
                continue
            (document,) = holding
        own = owners == document
        right = own & holds if (own & holds).any() else own
        scores = collection.scores(question_of(record))
        elsewhere = scores[~own].max(initial=0.0)
        order = np.argsort(-np.where(scores > 0, scores, -1.0 * right), kind="stable")  # none is found that has no term
        tried.append(Tried(str(document), int(right[order].argmax()), float(scores.max()), float(elsewhere)))
    counts["questions"] = len(tried)
    return tried


def chosen_score(tried: Sequence[Tried], largest_false_share: float) -> float:
    """Return the highest score threshold that lets at most this share of the questions go without an answer."""
    scores = sorted(each.best for each in tried)
    return math.floor(10_000 * scores[int(largest_false_share * len(scores))]) / 10_000


def _figures(tried: Sequence[Tried], least: float, *, is_chosen: bool) -> Iterator[Figure]:
    of = [each.document for each in tried]
    how = f"least score {least:g}{', chosen on these questions' if is_chosen else ''}"
    for number in AT:
        method = f"questions of which one of the {number} best passages holds the answer"
        yield _share(f"hit_rate_at_{number}", [each.rank < number for each in tried], of, method)
    said = "questions that are said to have no answer here"
    absent, present = f"{said}, each searched without its document; {how}", f"{said}, though their document is; {how}"
    yield _share("absent_told", [each.best_elsewhere < least for each in tried], of, absent)
    yield _share("falsely_not_found", [each.best < least for each in tried], of, present)


def _share(name: str, values: Sequence[bool], clusters: Sequence[str], method: str) -> Figure:
    found = share(np.array(values, float), clusters)
    how = f"{method}; 95 % {found.method}, {len(set(clusters))} documents"
    return Figure(name=name, value=found.value, n=len(values), method=how, interval=found.interval, doubt=found.doubt)
