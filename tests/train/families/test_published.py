from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    MixtralConfig,
    MixtralForCausalLM,
    XLNetConfig,
    XLNetLMHeadModel,
)

from corpora import pack_chats, pack_texts, texts
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from lmworks.errors import LmworksError
from lmworks.model.folder import ModelFolder
from lmworks.model.published import load_published_decoder
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.configs.language_model import CausalLMConfig, DistillationConfig, SftConfig
from lmworks.train.contract import packed_batch
from lmworks.train.families.decoder import TrainablePublished
from lmworks.train.loop.train import train
from published import FAMILIES, SIZES, take, write_published
from support import make_context

SMALL = {
    "from": "base",
    "data": "x",
    "sequence_length": 64,
    "global_batch_tokens": 256,
    "micro_batch_rows": 2,
    "warmup_steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
}
OTHERS = [name for name in FAMILIES if not name.startswith("Llama")]


def base_of(family: str, folder: Path) -> tuple[ModelFolder, TokenizerFolder]:
    take(write_published(folder / "source", family), folder / "base")
    return ModelFolder(folder / "base", "base"), TokenizerFolder(folder / "base", "base")


@pytest.mark.whole
def test_a_gpt2_is_tuned_on_chats_and_loads_in_transformers_again(tmp_path: Path) -> None:
    base, tokenizer = base_of("GPT-2", tmp_path)
    rows = pack_chats(tmp_path / "chats", tokenizer, 64)
    config = SftConfig.model_validate({**SMALL, "steps": 30, "adamw_learning_rate": 0.02})
    train(config, base, rows, tokenizer, rows, None, out=tmp_path / "out", context=make_context(tmp_path))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.6 * losses[0]

    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    theirs = AutoTokenizer.from_pretrained(tmp_path / "out")
    engine = open_decoder(tmp_path / "out")
    question = [{"role": "user", "content": "What does CreateBucket do?"}]
    ids, _ = engine.tokenizer.encode_chat(question, True)
    asked = theirs.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
    assert theirs(asked, add_special_tokens=False).input_ids == ids
    assert model.generation_config.eos_token_id == [engine.tokenizer.end_of_text_id, engine.tokenizer.end_of_turn_id]
    stops = [engine.tokenizer.end_of_text_id, engine.tokenizer.end_of_turn_id]
    found = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False)
    answer = [token for token in found[0, len(ids) :].tolist() if token not in stops]
    (ours,) = engine.generate([ids], Sampling(max_tokens=12))
    assert ours.ids == answer and ours.text == engine.tokenizer.decode(answer)


@pytest.mark.whole
@pytest.mark.parametrize(("rate", "learned"), [(1e-9, False), (0.02, True)])
def test_a_published_model_teaches(rate: float, learned: bool, tmp_path: Path) -> None:
    """Itself, whose expectations it has until labels lead it away from them."""
    base, tokenizer = base_of("GPT-2", tmp_path)
    rows = pack_chats(tmp_path / "chats", tokenizer, 64)
    rates = {"learning_rate": rate, "adamw_learning_rate": rate}
    config = DistillationConfig.model_validate({**SMALL, **rates, "teacher": "base", "label_share": 1.0, "steps": 5})
    context = make_context(tmp_path)
    train(config, base, rows, tokenizer, rows, None, out=tmp_path / "out", context=context, teacher=base)
    lines = (tmp_path / "out" / "history.jsonl").read_text().splitlines()
    divergence = json.loads(lines[-1])["validation_divergence"]
    assert divergence > 0.1 if learned else abs(divergence) < 1e-5


def test_a_published_model_is_pretrained_further(tmp_path: Path) -> None:
    base, tokenizer = base_of("Pythia", tmp_path)
    rows = pack_texts(tmp_path / "texts", tokenizer, texts(), 64)
    config = CausalLMConfig.model_validate({**SMALL, "steps": 8, "optimizer": "adamw", "learning_rate": 0.01})
    train(config, base, rows, tokenizer, rows, None, out=tmp_path / "out", context=make_context(tmp_path))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "out" / "history.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("family", OTHERS)
def test_documents_in_a_packed_row_do_not_see_each_other(family: str, tmp_path: Path) -> None:
    base, tokenizer = base_of(family, tmp_path)
    begin = tokenizer.open().end_of_text_id
    batch = packed_batch(pack_texts(tmp_path / "texts", tokenizer, texts(), 64).open(), range(2))
    model = TrainablePublished(load_published_decoder(base.path), end_of_text=begin, data_type=torch.float32)
    with torch.no_grad():
        logits = model.hidden(batch) @ model.output_weight.T  # [B,T,V]
        for row, found in zip(batch.inputs, logits, strict=True):
            starts = sorted({0, *(row == begin).nonzero().flatten().tolist(), len(row)})
            for start, end in pairwise(starts):
                alone = AutoModelForCausalLM.from_pretrained(base.path)(row[None, start:end]).logits[0]
                assert float((found[start:end] - alone).abs().max()) < 1e-4


@pytest.mark.parametrize("family", OTHERS)
def test_likelihoods_and_answers_are_those_of_transformers(family: str, tmp_path: Path) -> None:
    base, tokenizer = base_of(family, tmp_path)
    engine, model = open_decoder(base.path), AutoModelForCausalLM.from_pretrained(base.path).eval()
    encoded = [
        tokenizer.open().encode(text) for text in ("Lists the monitors", "What does it do? This operation", "S3")
    ]
    with torch.no_grad():
        expected = [
            model(torch.tensor([ids])).logits[0].log_softmax(-1)[range(len(ids) - 1), ids[1:]] for ids in encoded
        ]
    for found, wanted in zip(engine.log_likelihoods(encoded, [1, 1, 1]), expected, strict=True):
        assert found == pytest.approx(wanted.tolist(), abs=1e-4)
    prompt, choices = encoded[0], encoded[1:]
    for found_sum, choice in zip(engine.score_choices(prompt, choices), choices, strict=True):
        assert found_sum == pytest.approx(sum(engine.log_likelihoods([[*prompt, *choice]], [len(prompt)])[0]), abs=1e-4)
    for ids, answer in zip(encoded, engine.generate(encoded, Sampling(max_tokens=8)), strict=True):
        greedy = model.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False, eos_token_id=-1)
        wanted_ids = greedy[0, len(ids) :].tolist()
        ends = {tokenizer.open().end_of_text_id, tokenizer.open().end_of_turn_id}
        cut = next((place for place, token in enumerate(wanted_ids) if token in ends), 8)
        assert answer.ids == wanted_ids[:cut]


def test_what_such_a_model_cannot_do_is_said(tmp_path: Path) -> None:
    base, tokenizer = base_of("GPT-2", tmp_path)
    rows = pack_texts(tmp_path / "texts", tokenizer, texts(), 128)
    config = SftConfig.model_validate({**SMALL, "sequence_length": 128, "steps": 1})
    with pytest.raises(LmworksError, match="reads rows of 64 tokens"):
        train(config, base, rows, tokenizer, None, None, out=tmp_path / "out", context=make_context(tmp_path))
    engine = open_decoder(base.path)
    with pytest.raises(LmworksError, match="a context of 64"):
        engine.generate([[5] * 64], Sampling(max_tokens=4))


@pytest.mark.parametrize(
    ("family", "setting"), [("Gemma 3", {"use_bidirectional_attention": True}), ("Pythia", {"is_causal": False})]
)
def test_a_model_that_reads_later_tokens_is_refused(family: str, setting: dict[str, bool], tmp_path: Path) -> None:
    """It would be asked for a token that it has read: its likelihoods could be as good as it likes."""
    folder = write_published(tmp_path / "model", family)
    load_published_decoder(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | setting))
    with pytest.raises(LmworksError, match="model reads later tokens, as its config"):
        load_published_decoder(folder)


def test_a_model_is_believed_by_what_it_reads_and_not_by_its_settings(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = XLNetConfig(vocab_size=64, d_model=32, n_layer=2, n_head=4, d_inner=48, initializer_range=0.2)
    XLNetLMHeadModel(config).save_pretrained(tmp_path)
    with pytest.raises(LmworksError, match="later tokens, and so earlier hidden states change by"):
        load_published_decoder(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["layers.0.input_layernorm.weight", "embed_out.weight"])
def test_a_model_whose_weights_give_no_numbers_is_refused(name: str, value: float, tmp_path: Path) -> None:
    """Nothing is greater than what is no number: it would pass every comparison."""
    folder = write_published(tmp_path / "model", "Pythia")
    file = folder / "model.safetensors"
    weights = load_file(file)
    (stored,) = (tensor for tensor in weights if tensor.endswith(name))
    weights[stored][-1] = value
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(LmworksError, match=r"model: the weights .*weight hold NaN or infinity"):
        load_published_decoder(folder)


def test_experts_and_short_reach_are_no_later_tokens(tmp_path: Path) -> None:
    """They round otherwise where other tokens stand behind, and see a part of what is before."""
    torch.manual_seed(0)
    sizes = {**SIZES, "num_key_value_heads": 2, "sliding_window": 4, "num_local_experts": 4}
    MixtralForCausalLM(MixtralConfig(**sizes, vocab_size=64)).save_pretrained(tmp_path)
    for data_type in ("float32", "bfloat16"):
        load_published_decoder(tmp_path, data_type)
