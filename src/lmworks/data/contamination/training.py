"""An index of the text that models learn from, in which each evaluation seeks its items.

It proposes, and the text itself decides (`search`): of each shard it keeps a set of numbers, and an item whose numbers
are not in it stands in none of the shard's texts. The numbers are keyed hashes of runs of 6 words, of any 3 runs that
begin at consecutive words the least one (winnowing: Schleimer, Wilkerson and Aiken 2003), so that two texts with 8
words on end in common have one of them in common. Without the key, which lies where that of document ids does, nobody
can try out whether a sentence was learned from; of 32 bits each, numbers of different runs are alike now and then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import Field

from lmworks.data.contamination.index import save_column
from lmworks.data.contamination.plain import compared_words
from lmworks.data.duplicates.minhash import begins, hash_windows
from lmworks.data.identity import ID_KEY, derived_key, load_id_key
from lmworks.data.records import Documents, read_columns, write_ids
from lmworks.data.steps import Parts, Tally, map_units
from lmworks.data.words import Words, mixed_bits
from lmworks.errors import LmworksError
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.files import canonical_json, digest_once, write_atomically
from lmworks.pipeline.keys import key_config
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.pipeline.units import Origin
from lmworks.recipe.schema import BesideRecipe, Reference

RUN_WORDS, RUNS = 6, 3
SHORTEST = RUN_WORDS + RUNS - 1
"""Words of the shortest text that is sought: fewer are found in other texts by chance. Brown et al. (2020, appendix C)
took no fewer than 8 either."""
RECORDS_AT_ONCE = 2000
TEXTS = "texts.json"


class KeyedConfig(BesideRecipe):
    """What is made with the key that document ids are made with."""

    id_key_digest: str = Field(default="", description="Digest of the key; set by `resolve`.")

    def resolve(self, folder: Path) -> Self:
        return super().resolve(folder).model_copy(update={"id_key_digest": ID_KEY.digest(folder)})

    def prepare(self, folder: Path) -> bool:
        load_id_key(folder)
        return not self.id_key_digest


class IndexConfig(KeyedConfig):
    """The text that is indexed; made by the graph."""

    text: Reference = Field(description="Documents, conversations or preferences that a model learns from.")


class Texts(NamedTuple):
    """Texts that models learn from."""

    owners: Sequence[str]
    """The id of each one's record."""
    texts: Any
    """A pyarrow string array."""


@stage(version=5, reads="text")
def contamination_index(config: IndexConfig, text: Handle, out: Path, context: Context) -> Result:
    """Index each shard by itself, so that a later build takes those of shards that did not change."""
    files = files_of(text)
    settings = key_config(config)
    # What an erasure leaves of an index it tells by Parquet shards: a file of lines is indexed anew.
    origins = [Origin((digest_once(file),), settings) if file.suffix == ".parquet" else None for file in files]
    work = partial(_index_file, run_keys(config.folder), out)
    tally = map_units(list(enumerate(files)), work, out, context, parts=(), threads=True, origins=origins)
    ids = text.path / "ids.txt"
    if ids.exists():
        write_ids(out, ids.read_text(encoding="utf-8").split())
    write_atomically(out / TEXTS, canonical_json({"texts": tally.counts["texts"]}) + "\n")
    return Result(counts=tally.counts)


def count_texts(index: Handle) -> int:
    """How many texts were indexed."""
    return int(json.loads((index.path / TEXTS).read_text(encoding="utf-8"))["texts"])


def files_of(text: Handle) -> list[Path]:
    """The files with the records of a step; none for records of a kind that is not known here."""
    lines = [text.path / name for name in ("conversations.jsonl", "preferences.jsonl")]
    return [path for path in lines if path.exists()] or Documents(text.path, text.digest).shards()


def texts_in(file: Path) -> Iterator[Texts]:
    """The texts of one file: each document, each conversation, each prompt with an answer; their turns on end."""
    if file.suffix == ".parquet":
        table = read_columns(file, ["id", "text"])
        texts = table.column("text").combine_chunks()
        yield Texts(table.column("id").to_pylist(), texts if isinstance(texts, pa.Array) else pa.array([], pa.string()))
        return
    with file.open(encoding="utf-8") as lines:
        while some := list(islice(lines, RECORDS_AT_ONCE)):
            pairs = [(str(record["id"]), text) for record in map(json.loads, some) for text in _in_turn(record)]
            yield Texts([owner for owner, _ in pairs], pa.array([text for _, text in pairs], pa.string()))


def _in_turn(record: dict[str, Any]) -> Iterator[str]:
    """Turns one after the other, so that nothing hides by being spread over them."""
    for field in ("messages", "chosen", "rejected"):
        if turns := record.get(field):
            yield "\n".join(str(turn["content"]) for turn in [*record.get("prompt", ()), *turns])


def run_keys(folder: Path) -> tuple[int, int]:
    """Two numbers of 64 bits that the hashes of an index are made with, of the key in or for a folder."""
    digest = derived_key(load_id_key(folder), "training index")
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _index_file(keys: tuple[int, int], out: Path, numbered: tuple[int, Path]) -> tuple[Parts, Tally]:
    number, file = numbered
    tally, found = Tally(), [np.zeros(0, np.uint32)]
    for texts in texts_in(file):
        tally.counts["texts"] += len(texts.texts)
        for words in compared_words(texts.texts):
            found.append(_once(marks(words, keys)[0]))
    tally.files.append(index_file(out, number))
    save_column(tally.files[0], _once(np.concatenate(found)))
    tally.counts["bytes"] += tally.files[0].stat().st_size
    return {}, tally


def _once(numbers: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Sorted, each once: `np.unique` takes three times as long."""
    numbers = np.sort(numbers)
    return numbers[np.flatnonzero(np.diff(numbers, prepend=numbers[:1] ^ 1))] if len(numbers) else numbers


def index_file(folder: Path, number: int) -> Path:
    """The numbers of one file of training text, sorted."""
    return folder / f"{number:05d}.npy"


def marks(words: Words, keys: tuple[int, int]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The least number of every `RUNS` consecutive runs of one text, and how many each text has [N].

    A text has one for each of its words but the last `SHORTEST` - 1.
    """
    hashes, counts = hash_windows(words, RUN_WORDS)
    first, second = (np.uint64(key) for key in keys)
    numbers = (mixed_bits(mixed_bits(hashes ^ first) + second) >> np.uint64(32)).astype(np.uint32)
    number = len(numbers) - RUNS + 1
    if number <= 0:
        return np.zeros(0, np.uint32), np.zeros(len(counts), np.int64)
    least = np.minimum.reduce([numbers[start : start + number] for start in range(RUNS)])
    return least[begins(counts, RUNS)[:number]], np.maximum(counts - RUNS + 1, 0)


def open_index(index: Handle, text: Handle) -> Iterator[tuple[Path, NDArray[np.uint32]]]:
    """Each file of the text with its numbers. Raises LmworksError if one is missing."""
    for number, file in enumerate(files_of(text)):
        path = index_file(index.path, number)
        if not path.exists():
            raise LmworksError(f"{index.path}: {path.name} is missing, the index of {file}; build it again")
        yield file, np.load(path, mmap_mode="r")
