"""Learning from what a larger model expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from corpora import make_tokenizer, pack_chats
from lmworks.errors import LmworksError
from lmworks.model.config import DecoderConfig, loss_chunk
from lmworks.model.decoder import Decoder
from lmworks.model.folder import ModelFolder, save_model
from lmworks.tokens.rows.shards import Shards
from lmworks.tokens.tokenizer import TokenizerFolder
from lmworks.train.arithmetic.losses import chunked_divergence
from lmworks.train.configs.language_model import DistillationConfig, SftConfig
from lmworks.train.loop.train import train
from lmworks.train.memory import flops_per_token, training_memory
from support import make_context

SETTINGS = {
    **{"from": "student", "teacher": "teacher", "data": "x", "sequence_length": 48, "global_batch_tokens": 192},
    **{"micro_batch_rows": 2, "warmup_steps": 2, "steps": 40, "data_type": "float32", "threads": 1, "compile": False},
    **{"checkpoint_steps": 5, "validation": "x", "validation_steps": 10, "validation_rows": 8, "seed": 3},
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TokenizerFolder:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def rows(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return pack_chats(tmp_path_factory.mktemp("chats"), tokenizer, 48)


def make_model(folder: Path, tokenizer: TokenizerFolder, width: int, seed: int) -> ModelFolder:
    shape = DecoderConfig(
        **{"vocab_size": tokenizer.open().vocab_size, "hidden_size": width, "num_layers": 1, "num_heads": 2},
        **{"num_key_value_heads": 1, "head_size": width // 2, "intermediate_size": 2 * width, "context_length": 48},
    )
    decoder = Decoder(shape)
    decoder.initialise(torch.Generator().manual_seed(seed))
    with torch.no_grad():
        decoder.lm_head.weight.normal_(0, 0.2, generator=torch.Generator().manual_seed(seed))
    save_model(decoder, folder, tokenizer.path)
    return ModelFolder(folder, folder.name)


@pytest.fixture(scope="module")
def models(tokenizer: TokenizerFolder, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFolder, ModelFolder]:
    folder = tmp_path_factory.mktemp("models")
    return make_model(folder / "student", tokenizer, 16, 0), make_model(folder / "teacher", tokenizer, 32, 1)


def run(
    folder: Path,
    models: tuple[ModelFolder, ModelFolder],
    rows: Shards,
    tokenizer: TokenizerFolder,
    **more: Any,
) -> list[dict[str, Any]]:
    config = DistillationConfig.model_validate({**SETTINGS, **more})
    student, teacher = models
    context = make_context(folder)
    train(config, student, rows, tokenizer, rows, None, out=folder / "out", context=context, teacher=teacher)
    return [json.loads(line) for line in (folder / "out" / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_divergence_and_its_gradients_are_the_papers(reverse: bool, temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    count = loss_chunk(7) + 5  # more than one chunk
    hidden, matrix, taught, other = (
        torch.randn(shape, generator=generator) for shape in ((count, 4), (7, 4), (count, 6), (7, 6))
    )
    weights = torch.rand(count, generator=generator)
    inputs = [hidden.requires_grad_(), matrix.requires_grad_()]
    found = chunked_divergence(hidden, matrix, taught, other, weights, temperature=temperature, reverse=reverse)
    p, q = (((states @ each.T) / temperature).softmax(-1) for states, each in ((hidden, matrix), (taught, other)))
    first, second = (p, q) if reverse else (q, p)
    plain = temperature**2 * (weights * F.kl_div(second.log(), first, reduction="none").sum(-1)).sum()
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)
    expected = torch.autograd.grad(plain, inputs)
    for gradient, other_gradient in zip(torch.autograd.grad(found, inputs), expected, strict=True):
        torch.testing.assert_close(gradient, other_gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("divergence", ["forward", "reverse"])
@pytest.mark.slow
def test_a_student_comes_to_expect_what_its_teacher_does(
    models: tuple[ModelFolder, ModelFolder], rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path, divergence: str
) -> None:
    more = {"divergence": divergence, "temperature": 1.0}
    taught = run(tmp_path / "taught", models, rows, tokenizer, label_share=0.0, **more)
    alone = run(tmp_path / "alone", models, rows, tokenizer, label_share=1.0, **more)
    assert taught[-1]["validation_divergence"] < 0.8 * taught[0]["divergence"]
    assert taught[-1]["validation_divergence"] < 0.8 * alone[-1]["validation_divergence"]
    assert taught[-1]["validation_loss"] == pytest.approx(taught[-1]["validation_divergence"], rel=1e-4)


def test_by_labels_alone_it_is_tuning(
    models: tuple[ModelFolder, ModelFolder], rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    taught = run(tmp_path / "taught", models, rows, tokenizer, label_share=1.0, steps=5)
    fields = {name: value for name, value in SETTINGS.items() if name != "teacher"} | {"steps": 5}
    config = SftConfig.model_validate(fields)
    context = make_context(tmp_path / "tuned")
    train(config, models[0], rows, tokenizer, rows, None, out=tmp_path / "tuned" / "out", context=context)
    lines = (tmp_path / "tuned" / "out" / "history.jsonl").read_text().splitlines()
    assert [line["loss"] for line in taught] == pytest.approx([json.loads(line)["loss"] for line in lines], rel=1e-4)


def test_a_teacher_of_other_tokens_is_refused(
    models: tuple[ModelFolder, ModelFolder], rows: Shards, tokenizer: TokenizerFolder, tmp_path: Path
) -> None:
    stranger = make_model(tmp_path / "stranger", tokenizer, 32, 1)
    path = stranger.path / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "chat_template": settings["chat_template"] + " "}))
    with pytest.raises(LmworksError, match="has another tokenizer"):
        run(tmp_path, (models[0], stranger), rows, tokenizer)


def test_a_teacher_is_counted() -> None:
    config = DistillationConfig.model_validate({**SETTINGS, "judge_parameters": 1_000_000})
    shape = DecoderConfig(
        **{"vocab_size": 300, "hidden_size": 16, "num_layers": 1, "num_heads": 2, "num_key_value_heads": 1},
        **{"head_size": 8, "intermediate_size": 32, "context_length": 48},
    )
    alone = SftConfig.model_validate({name: value for name, value in SETTINGS.items() if name != "teacher"})
    beside, plain = (training_memory(shape, each, 300, 0)["weights"] for each in (config, alone))
    assert beside == plain + 4_000_000 and flops_per_token(config, shape) == flops_per_token(alone, shape) + 2_000_000
    with pytest.raises(ValueError, match="processes must be 1"):
        DistillationConfig.model_validate({**SETTINGS, "processes": 2})
