"""Bits per byte are those of the model's own probabilities, every token once."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from evaluated import items_of, make_documents
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, normalizers

from lmworks.data.shards.records import Documents
from lmworks.engines.open import open_decoder
from lmworks.errors import LmworksError, Stopped, UsageError
from lmworks.evaluate.contamination import NOT_SEARCHED
from lmworks.evaluate.tasks import perplexity
from lmworks.evaluate.tasks.perplexity import (
    PerplexityConfig,
    disjoint_windows,
    evaluate_perplexity,
    evaluate_perplexity_ngram,
    evaluate_perplexity_xz,
    windows,
)
from lmworks.model.folder import ModelFolder
from lmworks.pipeline.files import digest_file
from lmworks.pipeline.stage import Context, Result
from support import MemoryJournal, make_context
from tiny import make_tiny_model


def run(model: ModelFolder, data: Documents, out: Path, context: Context | None = None, **config: object) -> Result:
    out.mkdir(exist_ok=True)
    made = PerplexityConfig(data="test", **config)  # type: ignore[arg-type]
    return evaluate_perplexity(made, model, data, out=out, context=context or make_context(out / "work"))


@given(st.integers(1, 500), st.integers(2, 64), st.data())
def test_windows_score_every_token_once_with_enough_before_it(length: int, context: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, context - 1))
    scored: list[int] = []
    for start, end, first in windows(length, context, stride):
        assert 0 <= start < max(first, 1) and end - start <= context
        assert start == 0 or first - start >= context - stride
        scored += range(first, end)
    assert scored == list(range(1, length))


def test_nothing_to_measure_is_told(model: ModelFolder, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("")
    with pytest.raises(LmworksError, match="there is nothing to measure"):
        run(model, Documents(tmp_path, "test"), tmp_path / "out")


def test_bits_are_those_of_the_models_probabilities(model: ModelFolder, documents: Documents, tmp_path: Path) -> None:
    result = run(model, documents, tmp_path / "out", stride=100)
    engine = open_decoder(model.path)
    for document, item in zip(documents.iterate(), items_of(tmp_path / "out"), strict=True):
        ids = [0, *engine.tokenizer.encode(document.text)]
        bits = 0.0
        for place in range(1, len(ids)):
            # A token beyond the first window of 128 stands in the window that ends at the next multiple of the stride.
            end = 128 if place < 128 else min(len(ids), 128 + (place - 128) // 100 * 100 + 100)
            before = ids[max(0, end - 128) : place]
            (found,) = engine.log_likelihoods([[*before, ids[place]]], [len(before)])
            bits -= found[0] / math.log(2)
        assert item["bits"] == pytest.approx(bits, rel=1e-5)
        assert (item["bytes"], item["tokens"]) == (len(document.text.encode()), len(ids) - 1)
    bits_per_byte, per_token = result.figures
    items = items_of(tmp_path / "out")
    total = sum(item["bits"] for item in items)
    assert bits_per_byte.value == pytest.approx(total / sum(item["bytes"] for item in items))
    assert per_token.value == pytest.approx(2 ** (total / sum(item["tokens"] for item in items)))
    read = per_token.conditions
    assert read and (read.context_length, read.stride, read.data_type, per_token.n) == (128, 100, "float32", 7)
    for figure in result.figures:
        assert figure.interval and figure.interval[0] <= figure.value <= figure.interval[1]


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(documents: Documents, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = torch.zeros_like(weights["lm_head.weight"])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _, per_token = run(ModelFolder(folder, ""), documents, tmp_path / "out").figures
    assert per_token.value == pytest.approx(len(weights["lm_head.weight"]), rel=1e-5)


def test_stopped_work_goes_on_with_the_next_chunk(
    model: ModelFolder, documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perplexity, "DOCUMENTS_AT_ONCE", 3)
    run(model, documents, tmp_path / "whole")
    journal, calls = MemoryJournal(), [0]

    def stop_at_third() -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise Stopped("asked to stop")

    context = make_context(tmp_path, journal)
    with pytest.raises(Stopped):
        run(model, documents, tmp_path / "parts", Context(context.scratch, journal, context.progress, stop_at_third))
    assert [record["chunk"] for record in journal.records()] == [0, 1]
    path = context.scratch / journal.records()[0]["file"]
    scored = path.read_bytes()
    path.write_text('{"id":"kept","digest":"","cluster":"","bits":1,"bytes":1,"tokens":1,"unit":0}\n')
    before = journal.lines[0]["sha256"]
    journal.lines[0]["sha256"] = digest_file(path)
    run(model, documents, tmp_path / "parts", context)
    assert [item["id"] for item in items_of(tmp_path / "parts")] == ["kept", "03", "04", "05", "06"]
    assert items_of(tmp_path / "parts")[1:] == items_of(tmp_path / "whole")[3:]
    journal.lines[0]["sha256"] = before
    path.write_bytes(scored.replace(b"1", b"5", 1))  # one bit
    run(model, documents, tmp_path / "parts", context)
    assert items_of(tmp_path / "parts") == items_of(tmp_path / "whole"), "the damaged chunk is scored again"


def test_three_quarters_of_the_context_are_the_usual_stride(
    model: ModelFolder, documents: Documents, tmp_path: Path
) -> None:
    (figure, _) = run(model, documents, tmp_path / "out").figures
    assert figure.conditions and figure.conditions.stride == 96


def test_the_data_type_is_the_configs(model: ModelFolder, documents: Documents, tmp_path: Path) -> None:
    whole, half = (
        run(model, documents, tmp_path / kind, data_type=kind).figures[0] for kind in ("float32", "bfloat16")
    )
    assert whole.conditions and half.conditions
    assert (whole.conditions.data_type, half.conditions.data_type) == ("float32", "bfloat16")
    assert whole.value != half.value == pytest.approx(whole.value, rel=0.02)


def test_a_stride_must_leave_context(model: ModelFolder, documents: Documents, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stride: 128 is not below the model's context of 128"):
        run(model, documents, tmp_path / "out", stride=128)


def test_a_tokenizer_that_loses_text_is_refused(documents: Documents, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "m")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.save(str(folder / "tokenizer.json"))
    with pytest.raises(LmworksError, match="document 00: its tokens do not give its text back"):
        run(ModelFolder(folder, ""), documents, tmp_path / "out")


def test_baselines_score_the_same_documents(documents: Documents, tmp_path: Path) -> None:
    train = make_documents(tmp_path / "train", ["S3 Op\n\nReturns the bucket."] * 4 + ["SQS Long\n\nab ab ab"])
    config, context = PerplexityConfig(data="test", train="train"), make_context(tmp_path)
    (ngram,) = evaluate_perplexity_ngram(config, documents, train, out=tmp_path, context=context).figures
    assert [(item["id"], item["bytes"]) for item in items_of(tmp_path)] == [
        (document.id, len(document.text.encode())) for document in documents.iterate()
    ]
    (after,) = evaluate_perplexity_xz(config, documents, train, out=tmp_path, context=context).figures
    assert len(items_of(tmp_path)) == documents.count()
    assert (after.name, after.n, ngram.name) == ("bits_per_byte", 7, "bits_per_byte")
    assert 0 < ngram.value < 8 and 0 < after.value < 8
    assert ngram.contamination == after.contamination == NOT_SEARCHED


def test_a_limit_draws_the_same_documents_for_models_and_baselines(
    model: ModelFolder, documents: Documents, tmp_path: Path
) -> None:
    def asked(folder: Path, limit: int) -> list[set[str]]:
        folder.mkdir()
        config = PerplexityConfig(data="data", train="data", limit=limit)
        stages = [(evaluate_perplexity, (model, documents)), (evaluate_perplexity_ngram, (documents, documents))]
        for number, (stage, read) in enumerate(stages):
            stage(config, *read, folder / str(number), make_context(folder))
        return [{item["digest"] for item in items_of(folder / str(number))} for number in range(len(stages))]

    few, more = asked(tmp_path / "few", 2), asked(tmp_path / "more", 4)
    assert few[0] == few[1] and more[0] == more[1] and few[0] < more[0] and [len(few[0]), len(more[0])] == [2, 4]


def test_a_limit_draws_as_many_documents_of_each_service_as_of_the_others(tmp_path: Path) -> None:
    texts = [*(f"large page {number}" for number in range(30)), *(f"small page {number}" for number in range(3))]
    documents = make_documents(tmp_path, texts)
    config = PerplexityConfig(data="data", train="data", limit=8)
    evaluate_perplexity_ngram(config, documents, documents, tmp_path / "out", make_context(tmp_path))
    assert Counter(item["cluster"] for item in items_of(tmp_path / "out")) == {"large": 5, "small": 3}


def test_models_of_different_contexts_are_measured_at_one(documents: Documents, tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "m", context_length=64)
    model = ModelFolder(make_tiny_model(tmp_path / "larger", context_length=128), "d")
    short, limited = (
        run(each, documents, tmp_path / each.path.name / "out", context_length=64)
        for each in (ModelFolder(folder, "d"), model)
    )
    assert short.figures == limited.figures and context_of(short) == 64
    whole = run(model, documents, tmp_path / "whole")
    assert context_of(whole) == 128 and whole.figures[0].value != limited.figures[0].value
    with pytest.raises(UsageError, match="context_length: 65 is above the model's context of 64 tokens"):
        run(ModelFolder(folder, "d"), documents, tmp_path / "beyond", context_length=65)


def context_of(result: Result) -> int | None:
    assert result.figures[0].conditions
    return result.figures[0].conditions.context_length


def test_windows_side_by_side_are_those_of_lm_eval(model: ModelFolder, documents: Documents, tmp_path: Path) -> None:
    """`max_length` 31 there: each token once, of all windows but the first behind one token, the last one filled up."""
    assert list(disjoint_windows(70, 32, 31)) == [(0, 32, 1), (31, 63, 32), (38, 70, 63)]
    result = run(model, documents, tmp_path / "out", windows="disjoint", context_length=32)
    sliding = run(model, documents, tmp_path / "sliding", context_length=32)
    engine = open_decoder(model.path)
    for document, item in zip(documents.iterate(), items_of(tmp_path / "out"), strict=True):
        ids, bits, place = [0, *engine.tokenizer.encode(document.text)], 0.0, 1
        while place < len(ids):
            end = min(place + 31, len(ids))
            begin = place - 1 if end - place == 31 else max(0, end - 32)
            (found,) = engine.log_likelihoods([ids[begin:end]], [place - begin])
            bits, place = bits - math.fsum(found) / math.log(2), end
        assert item["bits"] == pytest.approx(bits, rel=1e-5) and item["tokens"] == len(ids) - 1
    assert "disjoint windows of 32 tokens" in result.figures[0].method
    assert "sliding windows of 32 tokens by 24" in sliding.figures[0].method
    assert "<|endoftext|> before its beginning alone" in result.figures[0].method
    one, other = (each.figures[0].conditions for each in (result, sliding))
    assert one and other and one.decoding != other.decoding
    begun = run(model, documents, tmp_path / "begun", before="nothing")
    assert begun.figures == run(model, documents, tmp_path / "usual").figures, "something tells the first token"
