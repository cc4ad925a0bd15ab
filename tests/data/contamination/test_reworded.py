"""Items in other words are listed as suspected, with the record that says the same, and nothing else is."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_support import documents_of

from data.tiny_encoders import write_encoder
from lmworks.data.contamination.reworded import Suspect, find_reworded
from lmworks.data.contamination.search import SearchConfig, contamination_search
from lmworks.errors import UsageError
from lmworks.evaluate.contamination import Contamination, judged, verdict_text
from lmworks.recipe.schema import RewordedConfig
from support import make_context

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("an", "el", "ir", "om", "ud")]
ITEM = WORDS[:10]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One to which texts of the same words say the same, in any order."""
    return write_encoder(tmp_path_factory.mktemp("models") / "encoder", [*WORDS, "."], positions=128)


def other(seed: int, count: int = 10) -> str:
    return " ".join(random.Random(seed).choices(WORDS[10:], k=count))


def mixed(words: list[str]) -> str:
    return " ".join(random.Random(1).sample(words, len(words)))


def find(encoder: Path, tmp_path: Path, questions: dict[str, str], texts: dict[str, str]) -> dict[str, Suspect]:
    pq.write_table(pa.table({"id": list(texts), "text": list(texts.values())}), tmp_path / "t.parquet")
    config = RewordedConfig(encoder=encoder.name, cosine=0.95)
    return find_reworded(questions, [tmp_path / "t.parquet"], encoder.parent, config, lambda: None)


def test_an_item_in_another_order_is_found_whole_and_as_a_sentence_of_a_text(encoder: Path, tmp_path: Path) -> None:
    inside = f"{other(1)}. {mixed(ITEM)}. {other(2)}."
    items = {"item": " ".join(ITEM), "clean": other(3)}
    noise = {f"n{number}": other(100 + number, 30) for number in range(60)}
    assert set(find(encoder, tmp_path, items, {**noise, "said": inside})) == {"item"}
    assert find(encoder, tmp_path, items, {**noise, "said": inside})["item"].record == "said"
    assert find(encoder, tmp_path, items, {**noise, "alone": mixed(ITEM)})["item"].record == "alone"
    assert find(encoder, tmp_path, items, noise) == {}


def test_an_item_of_several_sentences_is_found_among_others(encoder: Path, tmp_path: Path) -> None:
    first, second = ITEM[:5], ITEM[5:]
    said = f"{other(1, 8)}. {mixed(first)}. {mixed(second)}. {other(2, 8)}."
    noise = {f"n{number}": other(100 + number, 30) for number in range(60)}
    found = find(encoder, tmp_path, {"item": f"{' '.join(first)}. {' '.join(second)}."}, {**noise, "said": said})
    assert found["item"].record == "said" and found["item"].cosine > 0.99


def test_items_of_few_words_and_of_none_are_not_sought(encoder: Path, tmp_path: Path) -> None:
    assert find(encoder, tmp_path, {"short": " ".join(ITEM[:3]), "empty": ""}, {"a": mixed(ITEM[:3])}) == {}
    assert find(encoder, tmp_path, {}, {"a": "b"}) == {}
    assert find(encoder, tmp_path, {"item": " ".join(ITEM)}, {}) == {}


def test_a_suspicion_is_told_beside_the_verdict_and_changes_none(encoder: Path, tmp_path: Path) -> None:
    data = documents_of(tmp_path / "data", " ".join(ITEM), other(999))
    noise = [other(number, 30) for number in range(60)]
    text = documents_of(tmp_path / "text", *noise, f"{other(8)}. {mixed(ITEM)}.")
    (tmp_path / "out").mkdir()
    shutil.copytree(encoder, tmp_path / "encoder")
    reworded = RewordedConfig(encoder="encoder", cosine=0.95)
    search = SearchConfig(data="d", texts=["t"], reworded=reworded).resolve(tmp_path)
    assert search.encoder_digest
    contamination_search(search, data, [text], out=tmp_path / "out", context=make_context(tmp_path / "b"))
    lines = {
        line["id"]: line for line in map(json.loads, (tmp_path / "out" / "verdicts.jsonl").read_text().splitlines())
    }
    same, clean, learned = f"{0:032x}", f"{1:032x}", f"{60:032x}"
    assert lines[same]["question"] == "not found" and lines[same]["suspected"]["record"] == learned
    assert "suspected" not in lines[clean]
    found = Contamination(tmp_path / "out", "c")
    told = judged([{"id": same}, {"id": clean}], found)
    assert [item["contamination"] for item in told] == ["clean", "clean"] and told[0]["suspected_in"] == learned
    assert "1 may stand there in other words, which nobody judged" in verdict_text(told, found)


def test_an_encoder_that_is_not_there_is_refused_before_the_build(tmp_path: Path) -> None:
    search = SearchConfig(data="d", texts=[], reworded=RewordedConfig(encoder="absent"))
    with pytest.raises(UsageError, match=r"evaluate\.reworded\.encoder: .*absent has no config\.json"):
        search.resolve(tmp_path)
