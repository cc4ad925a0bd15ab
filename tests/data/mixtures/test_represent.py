"""Shares of documents against a stated target, and how sampling and repeating bring them nearer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from data_support import documents_of, payload_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lmworks.data.mixtures.raking import copies, effective_size, largest_sample, rake, total_variation, variation_margin
from lmworks.data.mixtures.represent import RepresentConfig, represent
from lmworks.data.records import Document, Documents, write_shard
from lmworks.errors import GateRefused, LmworksError
from lmworks.pipeline.stage import Result
from quick import examples
from support import make_context

EVEN = {"language": {"en": 0.5, "de": 0.5}}


def corpus(folder: Path) -> Documents:
    """120 documents in 3 shards: 90 English, 30 German; a third of both are of 2020, most others of 2021."""
    folder.mkdir()
    for shard in range(3):
        made = []
        for number in range(shard, 120, 3):
            german = number % 4 == 0
            text = f"{'Sie sagt' if german else 'She says' if number % 8 == 1 else 'They say'} it: {number}"
            year = "2020-05-01" if number % (3 if german else 2) == 0 else "2021" if number % 5 else None
            meta = {"region": "north" if number < 30 else "south"}
            language = "de" if german else "en"
            made.append(
                Document(
                    id=f"{number:032x}",
                    text=text,
                    source="s",
                    licence="MIT",
                    language=language,
                    created=year,
                    meta=meta,
                )
            )
        write_shard(folder / f"part-{shard:05d}.parquet", made)
    return Documents(folder, "")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return corpus(tmp_path_factory.mktemp("represent") / "in")


def run(folder: Path, documents: Documents, **values: Any) -> Result:
    config = RepresentConfig.model_validate({"from": "corpus", **values})
    return represent(config, documents, out=folder / "out", context=make_context(folder))


def listing(folder: Path) -> dict[str, dict[str, tuple[float, float, float]]]:
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for row in json.loads((folder / "out" / "representation.json").read_text()):
        shares = (round(row["before"], 3), round(row["after"], 3), round(row["target"], 3))
        found.setdefault(row["attribute"], {})[row["value"]] = shares
    return found


def languages(folder: Path) -> Counter[str | None]:
    return Counter(document.language for document in Documents(folder / "out", "").iterate())


def test_shares_are_measured_and_nothing_is_changed(documents: Documents, tmp_path: Path) -> None:
    target = {
        **EVEN,
        "year": {"2020": 0.5},
        "region": {"north": 0.4, "south": 0.6},
        "women": {"mentioned": 0.5},
    }
    result = run(tmp_path, documents, target=target, groups={"women": ["she", "her"]})
    assert listing(tmp_path) == {
        "language": {"en": (0.75, 0.75, 0.5), "de": (0.25, 0.25, 0.5)},
        "year": {"2020": (0.333, 0.333, 0.5), "other": (0.667, 0.667, 0.5)},
        "region": {"north": (0.25, 0.25, 0.4), "south": (0.75, 0.75, 0.6)},
        "women": {"mentioned": (0.125, 0.125, 0.5), "other": (0.875, 0.875, 0.5)},
    }
    (figure, *_) = result.figures
    assert (figure.name, figure.value, figure.n) == ("language total variation", 0.25, 120)
    assert figure.interval and figure.interval[0] < 0.25 < figure.interval[1]
    assert len(result.figures) == 4
    assert list(Documents(tmp_path / "out", "").iterate()) == list(documents.iterate())
    ElementTree.parse(tmp_path / "out" / "representation.svg")


def test_sampling_leaves_out_what_is_too_frequent(documents: Documents, tmp_path: Path) -> None:
    result = run(tmp_path, documents, target=EVEN, mitigate="sample")
    assert languages(tmp_path) == {"en": 30, "de": 30}
    before, after = result.figures
    assert (before.value, after.value) == (0.25, 0)
    assert "effective size 60" in after.method
    assert result.counts == {"documents": 60, "left out: more of its kind than the target wants": 60}
    assert [example["reason"] for example in result.examples] == [
        "left out: more of its kind than the target wants"
    ] * 3


def test_repeating_reads_what_is_rare_more_than_once(documents: Documents, tmp_path: Path) -> None:
    result = run(tmp_path, documents, target=EVEN, mitigate="repeat")
    assert languages(tmp_path) == {"en": 60, "de": 60}
    assert result.counts["repeated"] == 30
    ids = [document.id for document in Documents(tmp_path / "out", "").iterate()]
    assert ids.index(ids[-1]) < len(ids) - 30, "copies stand apart"
    # 60 documents once and 30 twice: (60 + 60)² / (60 · 1 + 30 · 4)
    assert "effective size 80" in result.figures[1].method


def test_repeats_have_a_limit_and_what_is_missed_is_shown(documents: Documents, tmp_path: Path) -> None:
    target = {"language": {"de": 0.9, "en": 0.1}}
    result = run(tmp_path, documents, target=target, mitigate="repeat", max_repeats=2)
    found = languages(tmp_path)
    assert found["de"] == 60 and abs(found["en"] - 12) <= 1
    assert result.figures[1].value == pytest.approx(0.9 - 60 / sum(found.values()))


def test_several_targets_are_met_together(documents: Documents, tmp_path: Path) -> None:
    target = {**EVEN, "region": "even", "year": {"2020": 0.4}}
    result = run(tmp_path, documents, target=target, mitigate="sample", least_kept=0.2)
    after = [figure.value for figure in result.figures if figure.name.endswith("after")]
    assert max(after) < 0.06 < min(figure.value for figure in result.figures if not figure.name.endswith("after"))


def test_topics_can_be_evened_out(tmp_path: Path) -> None:
    words = {"sea": "ship sail harbour wave anchor", "law": "court judge appeal statute verdict"}
    texts = [f"{words['sea']} {number}" for number in range(24)] + [f"{words['law']} {number}" for number in range(8)]
    (tmp_path / "in").mkdir()
    made = [Document(id=f"{number:032x}", text=text, source="s", licence="MIT") for number, text in enumerate(texts)]
    write_shard(tmp_path / "in" / "part-00000.parquet", made)
    run(tmp_path, Documents(tmp_path / "in", ""), target={"topic": "even"}, topics=2, mitigate="sample")
    kept = Counter("court" in document.text for document in Documents(tmp_path / "out", "").iterate())
    assert kept == {True: 8, False: 8}


def test_equal_input_gives_equal_bytes(documents: Documents, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        run(tmp_path / name, documents, target={**EVEN, "region": "even"}, mitigate="repeat")
    assert payload_bytes(tmp_path / "a" / "out") == payload_bytes(tmp_path / "b" / "out")


def test_a_target_that_cannot_be_met_is_refused(documents: Documents, tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match=r"no weights meet all targets; 'language' stays 20\.0% away"):
        run(tmp_path, documents, target={"language": {"fr": 0.2}}, mitigate="sample")
    assert listing_of_missing(documents, tmp_path)["fr"] == (0, 0, 0.2)


def listing_of_missing(documents: Documents, folder: Path) -> dict[str, tuple[float, float, float]]:
    run(folder, documents, target={"language": {"fr": 0.2}})
    return listing(folder)["language"]


def test_targets_that_say_nothing_clear_are_refused() -> None:
    with pytest.raises(ValidationError, match="add up to 1 at the most"):
        RepresentConfig.model_validate({"from": "corpus", "target": {"language": {"en": 0.7, "de": 0.7}}})
    with pytest.raises(ValidationError, match="group 'women' has no `target`"):
        RepresentConfig.model_validate({"from": "corpus", "target": EVEN, "groups": {"women": ["she"]}})


# ---------------------------------------------------------------- the mathematics

tables = st.tuples(st.integers(2, 4), st.integers(2, 4)).flatmap(
    lambda shape: st.tuples(
        st.just(shape),
        st.lists(st.integers(1, 60), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]),
        st.lists(st.integers(1, 20), min_size=shape[0], max_size=shape[0]),
        st.lists(st.integers(1, 20), min_size=shape[1], max_size=shape[1]),
    )
)


@settings(max_examples=50)
@given(tables)
def test_raking_meets_every_target_and_keeps_odds_ratios(drawn: Any) -> None:
    (rows, columns), counts, first, second = drawn
    cells = np.array([(row, column) for row in range(rows) for column in range(columns)])
    targets = {name: np.array(wanted) / sum(wanted) for name, wanted in (("row", first), ("column", second))}
    weights = rake(cells, np.array(counts), targets)
    table = (weights * counts).reshape(rows, columns) / sum(counts)
    assert np.allclose(table.sum(axis=1), targets["row"], atol=1e-5)
    assert np.allclose(table.sum(axis=0), targets["column"], atol=1e-5)
    # Scaling rows and columns alone: weights are a product of one factor a row and one a column.
    grid = np.log(weights.reshape(rows, columns))
    assert np.allclose(grid - grid[:1] - grid[:, :1] + grid[0, 0], 0, atol=1e-6)


@settings(max_examples=examples(50))
@given(tables)
def test_a_sample_meets_every_target_with_as_many_documents_at_least(drawn: Any) -> None:
    (rows, columns), counts, first, second = drawn
    cells, documents = np.array([(row, column) for row in range(rows) for column in range(columns)]), np.array(counts)
    targets = {name: np.array(wanted) / sum(wanted) for name, wanted in (("row", first), ("column", second))}
    weights = rake(cells, documents, targets)
    shares = largest_sample(cells, documents, targets, weights)
    assert shares.min() >= 0 and shares.max() <= 1 + 1e-9
    table = (shares * documents).reshape(rows, columns)
    assert np.allclose(table.sum(axis=1) / table.sum(), targets["row"], atol=1e-4)
    assert np.allclose(table.sum(axis=0) / table.sum(), targets["column"], atol=1e-4)
    assert table.sum() >= (weights / weights.max() * documents).sum() * (1 - 1e-6)


def rare(folder: Path, *more: tuple[str, str, int]) -> Documents:
    """Documents of which few are Georgian; what is more stands in combinations of its own."""
    cells = [("en", "t0", 53), ("ka", "t2", 39), ("ar", "t0", 40), ("ar", "t1", 71), ("ar", "t2", 28), *more]
    made = [
        Document(id=f"{number:032x}", text="x", source="s", licence="MIT", language=language, meta={"tag": tag})
        for number, (language, tag) in enumerate((lang, tag) for lang, tag, count in cells for _ in range(count))
    ]
    folder.mkdir()
    write_shard(folder / "part-00000.parquet", made)
    return Documents(folder, "")


SHARES = {"language": {"en": 0.3, "ka": 0.3}, "tag": "even"}


def test_one_document_of_a_rare_combination_does_not_cost_the_others(tmp_path: Path) -> None:
    for name, more in (("without", []), ("with", [("en", "t1", 1)])):
        documents = rare(tmp_path / name, *more)
        result = run(tmp_path / f"run {name}", documents, target=SHARES, mitigate="sample")
        assert abs(result.counts["documents"] - 130) <= 1
        assert languages(tmp_path / f"run {name}")["ka"] == 39, "the scarcest value is kept whole"
        assert all(figure.value < 0.01 for figure in result.figures if figure.name.endswith("after"))
        assert {example["reason"] for example in result.examples} == {
            "left out: more of its values together than the targets want"
        }


def test_a_combination_that_limits_a_sample_is_named(tmp_path: Path) -> None:
    cells = [("en", "t0", 2), ("ka", "t0", 98), ("en", "t1", 100)]
    made = [
        Document(id=f"{number:032x}", text="x", source="s", licence="MIT", language=language, meta={"tag": tag})
        for number, (language, tag) in enumerate((lang, tag) for lang, tag, count in cells for _ in range(count))
    ]
    (tmp_path / "in").mkdir()
    write_shard(tmp_path / "in" / "part-00000.parquet", made)
    target = {"language": {"en": 0.9, "ka": 0.1}, "tag": {"t0": 0.9, "t1": 0.1}}
    with pytest.raises(GateRefused, match=r"'en' with tag 't0' .2 documents. is kept whole and limits the rest"):
        run(tmp_path, Documents(tmp_path / "in", ""), target=target, mitigate="sample")


def test_the_attribute_that_no_document_can_meet_is_named() -> None:
    targets = {"language": np.array([1.0, 0.0]), "group": np.array([0.5, 0.5])}
    with pytest.raises(LmworksError, match=r"meet all targets; 'group' stays 50\.0% away"):
        rake(np.array([[0, 0]]), np.array([50]), targets)


def test_contradictory_targets_are_an_error() -> None:
    cells, wanted = np.array([(0, 0), (1, 1)]), np.array([0.9, 0.1])
    with pytest.raises(LmworksError, match="contradict each other"):
        rake(cells, np.array([5, 5]), {"one": wanted, "other": wanted[::-1]})


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0, 3)), min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_copies_are_within_one_of_the_weights(groups: list[tuple[int, float]], seed: int) -> None:
    cells = np.repeat(np.arange(len(groups)), [size for size, _ in groups])
    weights = np.array([weight for _, weight in groups])
    order = np.random.default_rng(seed).integers(0, 2**63, len(cells)).astype(np.uint64)
    taken = copies(cells, weights, order, seed)
    for cell, (size, weight) in enumerate(groups):
        mine = taken[cells == cell]
        assert abs(mine.sum() - size * weight) < 1 + 1e-6
        assert np.abs(mine - weight).max() < 1 + 1e-6


def test_distances_and_sizes() -> None:
    shares, target = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.2, 0.3])
    assert total_variation(shares, target) == pytest.approx(0.2)
    assert variation_margin(np.array([0.7, 0.3]), 400, 0) == pytest.approx(1.96 * (0.7 * 0.3 / 400) ** 0.5, rel=0.1)
    assert effective_size(np.array([1, 1, 0, 2])) == pytest.approx(16 / 6)


def test_a_target_that_leaves_few_is_refused_before_anything_is_written(tmp_path: Path, documents: Documents) -> None:
    fields = {"target": {"language": {"de": 0.9, "en": 0.1}}, "mitigate": "sample"}
    with pytest.raises(
        GateRefused, match=r"leaves 33 of 120 documents.*language 'de' is 25.0% .* 90.0%.*least_kept: 0.2"
    ):
        run(tmp_path / "a", documents, **fields)
    assert not list((tmp_path / "a").glob("out/*.parquet"))
    assert run(tmp_path / "b", documents, **fields, least_kept=0.27).counts["documents"] == 33
    assert run(tmp_path / "c", documents, target=EVEN, mitigate="sample").counts["documents"] == 60


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("她是港口唯一的女人", "mentioned"),
        ("彼女は港でただ一人", "mentioned"),
        ("ผู้หญิงคนเดียวในท่าเรือ", "mentioned"),
        ("她的朋友she来了", "mentioned"),
        ("यह औरत है", "mentioned"),
        ("औरतों ने कहा", "other"),
        ("the shed", "other"),
        ("ผู้หญิ", "other"),
    ],
)
def test_a_group_is_mentioned_where_no_spaces_are(tmp_path: Path, text: str, value: str) -> None:
    documents = documents_of(tmp_path / "in", text)
    run(
        tmp_path,
        documents,
        target={"women": {"mentioned": 0.5}},
        groups={"women": ["她", "彼女", "ผู้หญิง", "she", "औरत"]},
    )
    assert listing(tmp_path)["women"][value][0] == 1
