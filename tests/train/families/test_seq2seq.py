"""Encoder-decoders: what they are trained on, that they learn, and that their folders are Hugging Face's."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from corpora import pack_texts, texts
from lmworks.data.tuning.conversations import Conversations, Record, conversation, write_conversations
from lmworks.engines.seq2seq import rewrite
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.tokens.kinds.pretrained import PretrainedConfig, pretrained
from lmworks.tokens.rows.pack import PackPairsConfig, pack_pairs
from lmworks.tokens.rows.shards import PackedRows, Shards
from lmworks.tokens.tokenizer import Tokenizer, TokenizerFolder
from lmworks.train.configs.seq2seq import SpanCorruptionConfig, TextToTextConfig
from lmworks.train.families.seq2seq import Pairs, TrainableSeq2Seq
from lmworks.train.loop.train import train
from lmworks.train.objectives.seq2seq import SpanCorruption, TextToText
from readers import write_rewriter
from support import make_context, reading

SMALL = {
    "from": "scratch",
    "data": "x",
    "sequence_length": 64,
    "global_batch_tokens": 1024,
    "micro_batch_rows": 8,
    "steps": 40,
    "warmup_steps": 2,
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
    "validation_rows": 8,
}
WORDS = {"one": "eins", "two": "zwei", "red": "rot", "green": "gruen", "house": "haus", "tree": "baum"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Conversations:
    draw, made = np.random.default_rng(0), []
    for number in range(64):
        chosen = draw.choice(list(WORDS), draw.integers(1, 5))
        target = " ".join(WORDS[word] for word in chosen)
        made.append(pair(f"p{number:02}", " ".join(chosen), target))
    made += [pair("q-long", "one " * 60, "eins"), pair("q-fits", "one", "eins")]
    return written(tmp_path_factory.mktemp("pairs"), made)


def pair(name: str, source: str, target: str) -> Record:
    return conversation(id=name, form="pair", question=source, answer=target, document=f"d{name}")


def written(folder: Path, made: list[Record]) -> Conversations:
    write_conversations(folder, made)
    return Conversations(folder, folder.name)


@pytest.fixture(scope="module")
def packed(pairs: Conversations, tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("packed")
    config = PackPairsConfig.model_validate({"from": "x", "sequence_length": 64})
    result = pack_pairs(config, pairs, tokenizer, out=folder, context=make_context(folder))
    assert (result.counts["pairs"], result.counts["dropped"]) == (65, 1)
    return Shards(folder, "packed")


def fresh(tokenizer: TokenizerFolder, rows: PackedRows, **more: Any) -> TrainableSeq2Seq:
    config = TextToTextConfig.model_validate({**SMALL, **more})
    model = TextToText.begin(config, None, rows, tokenizer.open(), compiled=False)
    assert isinstance(model, TrainableSeq2Seq)
    return model


def logits(model: TrainableSeq2Seq, batch: Pairs) -> torch.Tensor:
    model.learn(False, label_smoothing=0)
    with torch.no_grad():
        return model.hidden(batch) @ model.output_weight.T


def test_a_pair_longer_than_a_row_is_left_out_and_none_is_cut(
    packed: Shards, pairs: Conversations, tokenizer: TokenizerFolder
) -> None:
    rows, encoder = packed.open(), tokenizer.open()
    batch = TextToText(rows, reading(8)).measured(100)
    read = [
        (encoder.decode(source), encoder.decode(target))
        for source, target in zip(batch.sources, batch.targets, strict=True)
    ]
    kept = [each for each in pairs.iterate() if each["id"] != "q-long"]
    assert read == [tuple(message["content"] for message in each["messages"]) for each in kept]
    assert (packed.path / "ids.txt").read_text().split() == [each["document"] for each in kept]


def test_a_step_has_the_same_pairs_whenever_it_is_asked_and_those_of_like_length_together(packed: Shards) -> None:
    objective, again = (TextToText(packed.open(), reading(16, seed=3)) for _ in range(2))
    model: Any = None
    again.batch(7, model)
    one, two, other = objective.batch(2, model), again.batch(2, model), objective.batch(3, model)
    assert [row.tolist() for row in one.sources] == [row.tolist() for row in two.sources]
    assert [row.tolist() for row in one.sources] != [row.tolist() for row in other.sources]
    parts = list(one.split(4))
    lengths = [[len(row) for row in part.sources] for part in parts]
    assert [size for part in lengths for size in part] == sorted(len(row) for row in one.sources)


def test_steps_share_out_their_pairs_by_length_and_read_each_once(packed: Shards) -> None:
    objective, model = TextToText(packed.open(), reading(4, seed=3)), cast(Any, None)
    steps = [objective.batch(step, model).sources for step in range(16)]
    drawn = objective.batch_of(objective.rows.numbers(3, 0, 64), 0).sources
    assert sorted(row.tobytes() for row in chain(*steps)) == sorted(row.tobytes() for row in drawn)
    first = [len(batch[0]) // 4 for batch in steps]
    assert all(max(len(row) for row in batch) // 4 <= least + 1 for batch, least in zip(steps, first, strict=True))
    assert first != sorted(first)


def test_padding_changes_no_loss(packed: Shards, tokenizer: TokenizerFolder) -> None:
    rows = packed.open()
    model, objective = fresh(tokenizer, rows), TextToText(rows, reading(8))
    model.learn(False, label_smoothing=0)
    batch = objective.measured(8)
    together = objective.loss(model, batch)
    alone = [objective.loss(model, each) for each in batch.split(1)]
    assert together[0].item() == pytest.approx(sum(loss.item() for loss, _, _ in alone), rel=1e-5)
    assert together[1] == sum(weight for _, weight, _ in alone) == sum(len(row) + 1 for row in batch.targets)


@settings(max_examples=30)
@given(length=st.integers(16, 200), seed=st.integers(0, 5), step=st.integers(0, 5))
def test_what_a_sentinel_hides_stands_behind_it_in_the_target(length: int, seed: int, step: int) -> None:
    tokens = np.arange(3, length + 4)[None].repeat(4, axis=0)
    weights = np.ones_like(tokens)
    weights[1, length // 2 :] = 0
    rows = PackedRows(tokens, weights, length, 1000, "", 0)
    objective = SpanCorruption(rows, reading(4, seed))
    made = objective.batch(step, None)  # type: ignore[arg-type]
    again = SpanCorruption(rows, reading(4, seed)).batch(step, None)  # type: ignore[arg-type]
    assert [row.tolist() for row in made.sources] == [row.tolist() for row in again.sources]
    spans = max(1, round(max(1, round(length * 0.15)) / 3))
    for source, target, weight in zip(made.sources, made.targets, made.weights, strict=True):
        assert target[-1] == -1 - spans, "a last sentinel ends the target"
        hidden = {}
        for token in target[:-1].tolist():
            if token < 0:
                hidden[token] = found = []  # type: list[int]
            else:
                found.append(token)
        assert list(hidden) == [-1 - span for span in range(spans)] and all(hidden.values())
        restored = [each for token in source.tolist() for each in hidden.get(token, [token])]
        assert restored == list(range(3, length + 3))
        assert sum(map(len, hidden.values())) == max(1, round(length * 0.15))
        assert len(weight) == len(target)
    filled = [i for i, row in enumerate(rows.numbers(seed, step * 4, 4)) if row == 1]
    for i in filled:
        text = made.targets[i] >= 0
        assert (made.weights[i][text] == (made.targets[i][text] < 3 + length // 2)).all(), "filling is not trained"


def test_more_spans_than_sentinels_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 4096 tokens have 205 spans of noise"):
        SpanCorruptionConfig.model_validate({"from": "scratch", "data": "texts", "sequence_length": 4096})


def test_a_folder_of_ours_is_a_t5_with_equal_logits_and_tokens(
    packed: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    rows = packed.open()
    for tie in (False, True):
        model, folder = fresh(tokenizer, rows, tie_embeddings=tie), tmp_path / str(tie)
        source, target = "one red house", "eins rot haus"
        encoder = tokenizer.open()
        ours = logits(model, Pairs(*([np.array(encoder.encode(text))] for text in (source, target)), [np.ones(1)]))
        model.save(folder, tokenizer.path)
        theirs, known = T5ForConditionalGeneration.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
        asked, wanted = known(source, return_tensors="pt"), known(target, return_tensors="pt")
        assert asked.input_ids[0].tolist() == [*encoder.encode(source), known.eos_token_id], "the tokenizer ends it"
        with torch.no_grad():
            found = theirs(input_ids=asked.input_ids, labels=wanted.input_ids).logits
        assert torch.allclose(ours, found, atol=1e-5)
        written = theirs.generate(input_ids=asked.input_ids, max_new_tokens=12)[0, 1:].tolist()
        assert rewrite(model.module, [encoder.encode(source)], 12)[0] == [token for token in written if token != 2]
        config = theirs.config
        assert known.convert_ids_to_tokens(config.vocab_size - 1) == "<extra_id_0>"
        assert known("<extra_id_3>").input_ids[0] == model.sentinels[3] == config.vocab_size - 4
        assert (config.pad_token_id, config.decoder_start_token_id) == (0, 0)
        assert known.convert_ids_to_tokens([config.pad_token_id, config.eos_token_id]) == [
            known.pad_token,
            known.eos_token,
        ]
        assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is tie


@pytest.mark.parametrize("kind", ["relu", "gated-gelu"])
def test_a_published_t5_is_tuned_as_it_is(
    kind: str, packed: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    rows, encoder = packed.open(), tokenizer.open()
    shape = {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.1}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
    config = T5Config(vocab_size=encoder.vocab_size + 100, feed_forward_proj=kind, **shape, **ids)
    theirs = T5ForConditionalGeneration(config).eval()
    if kind == "gated-gelu":  # T5 1.1: the output matrix is its own, and nothing is scaled
        theirs.lm_head.weight = torch.nn.Parameter(torch.randn_like(theirs.lm_head.weight))
        config.scale_decoder_outputs = False
    theirs.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((tokenizer.path / "tokenizer.json").read_bytes())
    settings_ = TextToTextConfig.model_validate({**SMALL, "from": "base"})
    model = TextToText.begin(settings_, ModelFolder(tmp_path, ""), rows, encoder, compiled=False)
    batch = TextToText(rows, reading(8)).measured(1)
    with torch.no_grad():
        labels = torch.tensor([[*batch.targets[0], 1]])
        found = theirs(input_ids=torch.tensor([[*batch.sources[0], 1]]), labels=labels).logits
    assert torch.allclose(logits(model, batch), found, atol=1e-5)  # type: ignore[arg-type]
    model.save(tmp_path / "again", tokenizer.path)
    reloaded = T5ForConditionalGeneration.from_pretrained(tmp_path / "again").eval()
    with torch.no_grad():
        again = reloaded(input_ids=torch.tensor([[*batch.sources[0], 1]]), labels=labels).logits
    assert torch.equal(again, found)


def test_a_published_t5_without_a_row_to_spare_gets_rows_for_what_its_tokenizer_lacked(
    pairs: Conversations, tmp_path: Path
) -> None:
    folder = write_rewriter(tmp_path / "t5")
    words = T5ForConditionalGeneration.from_pretrained(folder).shared.weight.detach()
    taken = PretrainedConfig(path="t5").resolve(tmp_path)
    pretrained(taken, out=tmp_path / "tokenizer", context=make_context(tmp_path))
    tokenizer = TokenizerFolder(tmp_path / "tokenizer", "t")
    packing = PackPairsConfig.model_validate({"from": "x", "sequence_length": 64})
    pack_pairs(packing, pairs, tokenizer, out=tmp_path / "rows", context=make_context(tmp_path))
    packed, base = Shards(tmp_path / "rows", "rows"), ModelFolder(folder, "base")
    config = TextToTextConfig.model_validate({**SMALL, "from": "base", "steps": 2})
    model = TextToText.begin(config, base, packed.open(), tokenizer.open(), compiled=False)
    assert torch.equal(model.module.shared.weight[: len(words)], words)
    assert torch.allclose(model.module.shared.weight[len(words) :], words.mean(0), atol=1e-6)
    train(config, base, packed, tokenizer, packed, None, out=tmp_path / "tuned", context=make_context(tmp_path / "c"))
    known = AutoTokenizer.from_pretrained(tmp_path / "tuned", local_files_only=True)
    tuned = T5ForConditionalGeneration.from_pretrained(tmp_path / "tuned")
    assert known("<extra_id_0>").input_ids[0] == tuned.config.vocab_size - 1 >= tokenizer.open().vocab_size


def test_a_vocabulary_is_the_same_whatever_form_its_file_has(tmp_path: Path) -> None:
    path = write_rewriter(tmp_path / "t5") / "tokenizer.json"
    taken = PretrainedConfig(path="t5").resolve(tmp_path)
    pretrained(taken, out=tmp_path / "tokenizer", context=make_context(tmp_path))
    older = json.loads(path.read_text())
    older["model"]["merges"] = [" ".join(merge) for merge in older["model"]["merges"]]
    path.write_text(json.dumps(older))
    rows = PackedRows(np.zeros((1, 65)), np.ones((1, 65)), 64, 400, "", 0)
    config, base = TextToTextConfig.model_validate({**SMALL, "from": "base"}), ModelFolder(tmp_path / "t5", "base")
    TextToText.begin(config, base, rows, Tokenizer(tmp_path / "tokenizer"), compiled=False)


def test_a_base_with_another_vocabulary_is_refused(packed: Shards, tokenizer: TokenizerFolder, tmp_path: Path) -> None:
    rows = packed.open()
    fresh(tokenizer, rows).save(tmp_path, tokenizer.path)
    path = tmp_path / "tokenizer.json"
    theirs = json.loads(path.read_text())
    theirs["model"]["merges"].pop()
    path.write_text(json.dumps(theirs))
    config = TextToTextConfig.model_validate({**SMALL, "from": "base"})
    with pytest.raises(LmworksError, match="kind: pretrained"):
        TextToText.begin(config, ModelFolder(tmp_path, ""), rows, tokenizer.open(), compiled=False)


@pytest.mark.slow
def test_it_learns_from_a_base_that_was_pretrained_by_span_corruption(
    packed: Shards, pairs: Conversations, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    documents = pack_texts(tmp_path / "texts", tokenizer, texts(), 64)
    config = SpanCorruptionConfig.model_validate({**SMALL, "steps": 10})
    train(config, None, documents, tokenizer, documents, None, out=tmp_path / "base", context=make_context(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "base" / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.1
    assert 0 < lines[-1]["validation_loss"] < lines[0]["loss"]
    tune = TextToTextConfig.model_validate({**SMALL, "from": "base", "steps": 60, "label_smoothing": 0.1})
    context = make_context(tmp_path / "tune")
    base = ModelFolder(tmp_path / "base", "base")
    train(tune, base, packed, tokenizer, packed, pairs, out=tmp_path / "tuned", context=context)
    lines = [json.loads(line) for line in (tmp_path / "tuned" / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["validation_accuracy"] > 0.8
    samples = [json.loads(line) for line in (tmp_path / "tuned" / "samples.jsonl").read_text().splitlines()]
    assert samples[-1].keys() == {"step", "prompt", "text", "reference"}


def test_several_beams_find_no_less_likely_targets(packed: Shards, tokenizer: TokenizerFolder) -> None:
    rows = packed.open()
    model, encoder = fresh(tokenizer, rows), tokenizer.open()
    sources = [encoder.encode(text) for text in ("one", "two green trees and one house", "red")]
    greedy, beams = (rewrite(model.module, sources, 6, beams=count) for count in (1, 4))
    assert greedy == [rewrite(model.module, [source], 6)[0] for source in sources], "a batch changes nothing"
    for source, few, many in zip(sources, greedy, beams, strict=True):
        # All are cut at six tokens, so that means and sums agree on which is likelier.
        assert mean_log_p(model, source, many) >= mean_log_p(model, source, few) - 1e-4


def mean_log_p(model: TrainableSeq2Seq, source: list[int], target: list[int]) -> float:
    found = logits(model, Pairs([np.array(source)], [np.array(target)], [np.ones(1)]))[0, : len(target)]
    return float(found.log_softmax(-1).gather(-1, torch.tensor(target)[:, None]).mean())
