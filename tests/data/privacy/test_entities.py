"""Persons, places and organisations by a token-classification model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from data_support import documents_of, payload_bytes, texts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tiny_encoders import write_classifier, write_encoder

from lmworks.data.personal.findings import Finding, join_overlaps
from lmworks.data.privacy.anonymise import AnonymiseConfig, anonymise
from lmworks.data.privacy.entities import find_entities, linked
from lmworks.data.shards.records import Document, Documents, write_shard
from lmworks.errors import LmworksError, UsageError
from lmworks.pipeline.stage import Handle, Result
from support import MemoryJournal, make_context

KINDS = ("person", "place", "organisation")
LABELS = {
    "jane": "B-PER", "doe": "I-PER", "bo": "B-PER", "paris": "B-LOC", "new": "B-LOC", "york": "I-LOC", "acme": "B-ORG",
    "corp": "I-ORG", "##ing": "B-ORG", "jo": "B-PER", "café": "B-LOC", "41": "B-LOC", "173": "I-LOC",
}  # fmt: skip


@pytest.fixture(autouse=True)
def privacy_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_PRIVACY_KEY", "a privacy key that is long enough")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classifier(tmp_path_factory.mktemp("ner") / "model", LABELS)


def found(model: Path, text: str, *kinds: Any) -> list[tuple[str, str]]:
    (spans,) = find_entities(model, kinds or KINDS, [text])
    return [(kind, text[start:end]) for kind, start, end in spans]


def run(folder: Path, documents: Documents, model: Path, **config: Any) -> tuple[Result, Path]:
    """Anonymise into `folder`/out."""
    entities = {"model": str(model), **config.pop("entities", {})}
    resolved = AnonymiseConfig(documents="raw", entities=entities, **config).resolve(folder)
    out = folder / "out"
    return anonymise(resolved, documents, None, out=out, context=make_context(folder)), out


def test_words_are_joined_to_names_up_to_the_next_that_begins(model: Path) -> None:
    text = "Jane Doe Bo met Acme Corp, in New York (Paris)."
    names = [("person", "Jane Doe"), ("person", "Bo"), ("organisation", "Acme Corp")]
    assert found(model, text) == [*names, ("place", "New York"), ("place", "Paris")]
    assert found(model, text, "person") == names[:2]


def test_a_word_has_the_label_of_its_first_token(model: Path) -> None:
    assert found(model, "Joing Doe") == [("person", "Joing Doe")]


def test_a_tokenizer_that_keeps_spaces_gives_the_same_stretches(tmp_path: Path) -> None:
    model = write_classifier(tmp_path, {"▁Paris": "B-LOC", "▁New": "B-LOC", "▁York": "I-LOC", ".": "O"}, spaces=True)
    assert found(model, "in Paris.. New York..", "place") == [("place", "Paris"), ("place", "New York")]


FILLER = st.text(st.sampled_from(list("xy .,\n\u00e9\u5b57\U0001f600\u0301\u200b")), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILLER, FILLER, st.integers(0, 90))
def test_a_name_is_found_once_and_exactly_wherever_it_stands(model: Path, before: str, after: str, words: int) -> None:
    start = before + "x " * words
    text = f"{start} Jane Doe {after}" + " x" * 40
    (spans,) = find_entities(model, KINDS, [text])
    assert spans == [("person", len(start) + 1, len(start) + 9)]


def test_texts_are_found_alike_alone_and_among_others(model: Path) -> None:
    written = ["x " * count + "Jane Doe, Paris" for count in range(0, 120, 7)] + ["", "Café"]
    assert find_entities(model, KINDS, written) == [find_entities(model, KINDS, [text])[0] for text in written]


def test_what_is_found_is_treated_by_kind(tmp_path: Path, model: Path) -> None:
    raw = documents_of(tmp_path / "raw", "Jane Doe of Acme Corp, Paris, jane@example.com", "No name", meta={"by": "Bo"})
    result, out = run(tmp_path, raw, model, actions={"place": "keep"})
    assert texts(out) == ["No name", "[PERSON] of [ORGANISATION], Paris, [EMAIL]"]
    assert {document.meta["by"] for document in Documents(out, "").iterate()} == {"[PERSON]"}
    assert result.counts["organisation redacted"] == 1
    result, out = run(tmp_path / "drop", raw, model, actions={"organisation": "drop"})
    assert result.counts["dropped for organisation"] == 1 and len(texts(out)) == 1


def test_a_pattern_goes_before_the_model(tmp_path: Path, model: Path) -> None:
    assert found(model, "from 41.173.96.26")[0] == ("place", "41")
    raw = documents_of(tmp_path / "raw", "from 41.173.96.26")
    _, out = run(tmp_path, raw, model)
    assert texts(out) == ["from [IP]"]
    guess = Finding("place", 0, 20, "x" * 20, guessed=True)
    (joined,) = join_overlaps([(0, Finding("email", 15, 25, "y" * 10)), (1, guess)])
    assert (joined.kind, joined.start, joined.end) == ("email", 0, 25)


def test_only_the_sources_that_are_named_are_searched(tmp_path: Path, model: Path) -> None:
    made = [Document(id=name, text=f"Jane Doe {name}", source=name, licence="MIT") for name in ("a", "b")]
    (tmp_path / "raw").mkdir()
    write_shard(tmp_path / "raw" / "part-00000.parquet", made)
    _, out = run(tmp_path, Documents(tmp_path / "raw", ""), model, entities={"sources": ["b"]})
    assert texts(out) == ["Jane Doe a", "[PERSON] b"]


def test_one_person_has_one_surrogate(tmp_path: Path, model: Path) -> None:
    raw = documents_of(tmp_path / "raw", "Jane Doe; Bo; Jane", "jane\ndoe in Paris at Acme Corp, PARIS")
    _, out = run(tmp_path, raw, model, action="surrogate")
    (first, second) = [document.text for document in Documents(out, "").iterate()]
    name, other, given = first.split("; ")
    assert name.split()[0] == given and other not in ("Bo", given)
    assert second.startswith(f"{name} in ")
    place, company, again = second.removeprefix(f"{name} in ").partition(" at ")[0], "Acme", second.rpartition(", ")[2]
    assert place == again and company not in second and "Paris" not in second


def test_a_model_of_the_recipe_looks_besides_for_what_it_was_taught(tmp_path: Path) -> None:
    labels = {"jane": "B-PERSON", "elm": "B-STREET_ADDRESS", "road": "I-STREET_ADDRESS", "gold": "B-CREDIT_CARD"}
    model = Handle(write_classifier(tmp_path / "model", labels), "digest")
    raw = documents_of(tmp_path / "raw", "Jane, Elm Road, jane@example.com, Gold")
    config = AnonymiseConfig(documents="raw", model="extractor", entities={"kinds": ["person", "address", "card"]})
    result = anonymise(config.resolve(tmp_path), raw, model, out=tmp_path / "out", context=make_context(tmp_path))
    assert texts(tmp_path / "out") == ["[PERSON], [ADDRESS], [EMAIL], [CARD]"]
    assert "recall of address" in {figure.name for figure in result.figures}
    moved = config.model_copy(update={"action": "surrogate"}).resolve(tmp_path)
    anonymise(moved, raw, model, out=tmp_path / "moved", context=make_context(tmp_path / "c"))
    (text,) = texts(tmp_path / "moved")
    assert "Elm" not in text and text.split(", ")[1][0].isdigit(), "a made-up street and number"


def test_one_model_is_named(tmp_path: Path) -> None:
    for fields in ({"entities": {"kinds": ["person"]}}, {"model": "extractor", "entities": {"model": "ner"}}):
        with pytest.raises(ValidationError, match="`entities` needs one model"):
            AnonymiseConfig.model_validate({"from": "raw", **fields})


def test_a_part_of_a_name_is_that_persons() -> None:
    text = "Doe and Jane Doe"
    assert [finding.whole for finding in linked(text, [("person", 0, 3), ("person", 8, 16)])] == ["Jane Doe"] * 2


def test_nothing_that_is_written_holds_a_name_and_a_killed_run_goes_on(tmp_path: Path, model: Path) -> None:
    (tmp_path / "raw").mkdir()
    for shard in range(3):
        made = [Document(id=f"{shard}{n}", text=f"Jane Doe {n}", source="s", licence="MIT") for n in range(5)]
        write_shard(tmp_path / "raw" / f"part-{shard:05d}.parquet", made)
    raw = Documents(tmp_path / "raw", "")
    result, out = run(tmp_path / "whole", raw, model)
    config = AnonymiseConfig(documents="raw", entities={"model": str(model)}).resolve(tmp_path)
    journal, stops = MemoryJournal(), iter([False] * 2)

    def stop() -> None:
        if next(stops, True):
            raise KeyboardInterrupt

    context = replace(make_context(tmp_path / "again", journal), check_stop=stop)
    with pytest.raises(KeyboardInterrupt):
        anonymise(config, raw, None, out=tmp_path / "again" / "out", context=context)
    assert sum("unit" in line for line in journal.lines) == 2
    scratch = b"".join(payload_bytes(tmp_path / "again").values())
    context = replace(context, check_stop=lambda: None, workers=2)
    anonymise(config, raw, None, out=tmp_path / "again" / "out", context=context)
    assert payload_bytes(tmp_path / "again" / "out") == payload_bytes(out)
    assert b"Jane" not in scratch + b"".join(payload_bytes(out).values()) + json.dumps(result.examples).encode()


def test_names_that_no_template_holds_are_not_said_to_be_measured(tmp_path: Path, model: Path) -> None:
    result, _ = run(tmp_path, documents_of(tmp_path / "raw", "A text. " * 20), model, actions={"place": "keep"})
    figures = {figure.name: figure for figure in result.figures}
    assert figures["recall of email"].value > 0.2
    assert not {"recall of person", "recall of place", "recall of organisation"} & figures.keys()
    assert "names of persons, places and organisations" in figures["recall of email"].method


def test_a_model_without_the_labels_is_refused(tmp_path: Path) -> None:
    model = write_classifier(tmp_path / "model", {"jane": "B-NAME", "paris": "LOC"})
    assert found(model, "in Paris Paris", "place") == [("place", "Paris Paris")]
    with pytest.raises(LmworksError, match="no label for organisation and person: its labels are O, B-NAME, LOC"):
        find_entities(model, KINDS, ["x"])
    encoder = write_encoder(tmp_path / "encoder", list(LABELS))
    with pytest.raises(LmworksError, match=r"no weights for classifier\.bias"):
        find_entities(encoder, KINDS, ["x"])
    config = AnonymiseConfig(documents="raw", entities={"model": "absent"})
    with pytest.raises(UsageError, match=r"entities\.model: .*absent has no config\.json"):
        config.resolve(tmp_path)
