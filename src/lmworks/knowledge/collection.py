"""A collection of passages on disk: a table of passages, and a BM25 index of their terms.

Files of a collection: `passages.parquet` (a row per passage), `collection.json` (settings of its search),
`stop-words.json` (words that are left out of questions, except English ones), and `index/` (arrays and JSON of the
package `bm25s`). No pickle is written or read. With an encoder, `vectors.npy` has a vector per passage, and `encoder/`
has the model that made the vectors.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.data.personal.hidden import hide
from lmworks.data.shards.records import as_array, read_columns, write_table
from lmworks.errors import LmworksError
from lmworks.knowledge.embedding import ENCODER, VECTORS, embed
from lmworks.knowledge.terms import stop_words_of, terms_of
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.files import canonical_json, write_atomically
from lmworks.terminal import shown

if TYPE_CHECKING:
    from bm25s import BM25

PASSAGES, FACTS, INDEX, STOP_WORDS = "passages.parquet", "collection.json", "index", "stop-words.json"
SETTINGS = "params.index.json"

NOTHING = "not found: no passage has a word of the question"
NOT_ENOUGH = "not found: no passage fits the question well enough; the nearest are"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of a document, with all facts that a citation needs."""

    document: str
    """Id of its document."""
    start: int
    """Offset of its first character in the document."""
    title: str
    """Title of its document. Empty if none is known."""
    text: str
    source: str
    licence: str
    """Licence as an SPDX expression."""
    path: str
    """Path of its document below the source's root, as `Collection.passage` shows it. Empty if none is known."""
    link: str
    """Address at which readers find its document. Empty if none is known."""

    @property
    def searched(self) -> str:
        """Text with which a question is compared: title and passage."""
        return f"{self.title}\n{self.text}"


@dataclass(frozen=True)
class Found:
    """Result of a search for a question."""

    passages: Sequence[Passage]
    """Passages found, the best first."""
    scores: Sequence[float]
    """Score of each passage, from 0 to 1 (see `Collection.scores`)."""
    is_enough: bool
    """Whether the best score is high enough for the collection to hold an answer."""

    def citations(self) -> list[dict[str, Any]]:
        """Return each passage as JSON, with its number, which counts from 1."""
        both = zip(self.passages, self.scores, strict=True)
        return [{"number": n, "score": round(score, 4), **asdict(each)} for n, (each, score) in enumerate(both, 1)]

    def as_json(self) -> dict[str, Any]:
        return {"found": self.is_enough, "passages": self.citations()}

    def as_text(self) -> str:
        """Return the passages for people to read. If none is good enough, the first line says so."""
        lines = [] if self.is_enough else [NOTHING if not self.passages else NOT_ENOUGH]
        for number, (each, score) in enumerate(zip(self.passages, self.scores, strict=True), 1):
            named = (each.title, each.link or each.path, each.source, each.licence)
            place = "  ".join(_named(name) for name in named if name)
            lines += ["", f"[{number}] {place}  (document {each.document}, score {score:.2f})"]
            lines += [f"    {line}" for line in each.text.splitlines() if line.strip()]
        return "\n".join(lines).strip("\n")


class Collection:
    """A written collection of passages that is open for search."""

    def __init__(self, folder: Path) -> None:
        """Open a collection. Raises LmworksError if the folder holds none."""
        self._folder = folder
        self._require()
        facts: dict[str, float] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        self.least_score = float(facts["least_score"])
        self._cosine_weight = float(facts.get("cosine_weight", 0))
        self._vectors = np.load(folder / VECTORS, mmap_mode="r") if self._cosine_weight else None
        words = folder / STOP_WORDS
        self._stop_words = frozenset(json.loads(words.read_text(encoding="utf-8")) if words.exists() else ())
        self._table = read_columns(folder / PASSAGES)
        self._index: BM25 = _bm25().load(folder / INDEX, mmap=True)
        frequency = np.diff(self._index.scores["indptr"])
        number = len(self._table)
        self._weights: NDArray[np.float64] = _weight(number, frequency)
        """Weight of each term: its inverse document frequency."""
        self._unknown = float(_weight(number, np.ones(1))[0])
        """Weight of a term that is in no passage: the weight of a term that is in only one passage."""

    def __len__(self) -> int:
        return len(self._table)

    def _require(self) -> None:
        if not (self._folder / FACTS).exists():
            raise LmworksError(
                f"{self._folder}: this folder holds no passages. A step of kind `passages` makes them. If there were "
                "some, an erasure or `lmworks gc` deleted them: build again, and open the new folder"
            )

    def scores(self, question: str) -> NDArray[np.float64]:
        """Return each passage's score, from 0 to 1: its word score, plus the weighted cosine if there are vectors.

        The sum is divided by its largest possible value.
        """
        by_words = self._by_words(question)
        if self._vectors is None:
            return by_words
        (vector,) = embed(self._folder / ENCODER, [question])
        cosines = np.maximum(self._vectors @ vector, 0)
        found: NDArray[np.float64] = (by_words + self._cosine_weight * cosines) / (1 + self._cosine_weight)
        return found

    def _by_words(self, question: str) -> NDArray[np.float64]:
        """Return each passage's BM25 score, divided by the weight of all terms of the question, known or unknown.

        So a question scores low if its rarest words are in no passage, even if many other words are. Stop words do not
        count: documents seldom have question words such as "cuánto", which would weigh as much as the rarest words.
        """
        terms = list(dict.fromkeys(terms_of(question, self._stop_words)))
        ids = [number for term in terms if (number := self._index.vocab_dict.get(term)) is not None]
        most = self._weights[ids].sum() + self._unknown * (len(terms) - len(ids))
        if not ids:
            return np.zeros(len(self))
        found: NDArray[np.float64] = self._index.get_scores_from_ids(ids).astype(np.float64) / most
        return found

    def search(self, question: str, number: int = 5) -> Found:
        """Return the passages with the best scores for a question. A passage of score 0 is left out.

        Raises LmworksError if the collection was deleted after it was opened, so that erased texts are not shown.
        """
        self._require()
        scores = self.scores(question)
        best = np.argsort(-scores, kind="stable")[:number]
        best = best[scores[best] > 0]
        passages = [self.passage(int(each)) for each in best]
        return Found(passages, scores[best].tolist(), bool(len(best) and scores[best[0]] >= self.least_score))

    def passage(self, number: int) -> Passage:
        """Return a passage by its row. Personal data in its path is hidden, since no step masks names of files."""
        found = {each.name: self._table.column(each.name)[number].as_py() for each in fields(Passage)}
        return Passage(**{**found, "path": hide(found["path"])})

    def column(self, name: str) -> list[Any]:
        """Return a column of the table as a list."""
        return list(self._table.column(name).to_pylist())


def write_passages(folder: Path, passages: Sequence[Passage]) -> None:
    """Write the table, the index and the stop words."""
    columns = {
        each.name: as_array([getattr(passage, each.name) for passage in passages])
        if each.name != "start"
        else pa.array([passage.start for passage in passages], pa.int64())
        for each in fields(Passage)
    }
    write_table(folder / PASSAGES, pa.table(columns))
    vocabulary: dict[str, int] = {}
    ids = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms_of(each.searched)] for each in passages]
    index = _bm25()(method="lucene")
    index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
    index.save(folder / INDEX, show_progress=False)
    settings = json.loads((folder / INDEX / SETTINGS).read_text(encoding="utf-8"))
    del settings["version"]  # of the package: manifests record it, and equal passages make equal files
    write_atomically(folder / INDEX / SETTINGS, canonical_json(settings) + "\n")
    if words := stop_words_of([each.text for each in passages]):
        write_atomically(folder / STOP_WORDS, canonical_json(words) + "\n")


def write_facts(folder: Path, least_score: float, cosine_weight: float = 0) -> None:
    """Write the search's settings, which complete a collection. A cosine weight needs vectors and an encoder."""
    facts = {"least_score": least_score} | ({"cosine_weight": cosine_weight} if cosine_weight else {})
    write_atomically(folder / FACTS, canonical_json(facts) + "\n")


def _named(name: str) -> str:
    """Return a name in quotes on one line, so that a foreign name cannot look like another fact or citation."""
    return shown(json.dumps(" ".join(name.split()), ensure_ascii=False))


def _weight(passages: int, frequency: NDArray[Any]) -> NDArray[np.float64]:
    """Return the non-negative inverse document frequency (as in Lucene; Robertson and Zaragoza 2009, section 3.1)."""
    found: NDArray[np.float64] = np.log1p((passages - frequency + 0.5) / (frequency + 0.5))
    return found


def _bm25() -> type[BM25]:
    from bm25s import BM25

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it would log each empty question
    return BM25  # type: ignore[no-any-return]
