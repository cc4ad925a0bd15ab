"""Every call of every engine computes where it is told, and gives what it gives on the processor; the server, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from elsewhere import close_to
from engine_bench import CALLS, DRAWN, DRAWS, MODELS, PROMPTS, make_folders, open_for
from live_server import MODEL, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_adapted, open_decoder
from lmworks.engines.protocol import Writing
from lmworks.engines.published import PublishedEngine
from lmworks.engines.request import Sampling
from lmworks.engines.seq2seq import rewrite
from lmworks.errors import LmworksError
from lmworks.model.published import load_published


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_folders(tmp_path_factory.mktemp("models"))


def test_every_call_of_an_engine_stands_here() -> None:
    public = {name for name, value in vars(DecoderEngine).items() if callable(value) and not name.startswith("_")}
    assert public - {"conditions"} == CALLS.keys(), "a new call of the engine is tried on another device, too"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("call", [*CALLS, *DRAWS])
def test_calls_give_what_they_give_on_the_processor(
    model: str, call: str, folders: dict[str, Path], another_device: torch.device
) -> None:
    ask = {**CALLS, **DRAWS}[call]
    here, there = (open_for(call, model, folders, device) for device in ("cpu", "auto"))
    assert here.model.output_weight.device.type == "cpu" and there.model.output_weight.device == another_device
    if model == "published" and call == "drawn":
        assert isinstance(there, PublishedEngine)
        there.generate(PROMPTS, DRAWN)  # `transformers` draws from the device's own numbers
        return
    assert ask(there) == close_to(ask(here), 1e-4)


def test_adapters_on_one_base_answer_as_they_do_on_the_processor(
    folders: dict[str, Path], another_device: torch.device
) -> None:
    adapters = {"base": None, "lora": folders["lora"] / "adapter", "other": folders["other"] / "adapter"}
    answers = []
    for device in ("cpu", "auto"):
        engine = open_adapted(folders["plain"], adapters, device)
        batch = engine.batch(4, 40)
        requests = [batch.add(Writing(PROMPTS[0], Sampling(6)), name) for name in ("lora", "base", "other", "lora")]
        while batch.busy:
            batch.step()
        answers.append([request.ids for request in requests])
    assert answers[0] == answers[1] and answers[0][0] != answers[0][1]


def test_an_encoder_decoder_rewrites_as_it_does_on_the_processor(
    tmp_path: Path, folders: dict[str, Path], another_device: torch.device
) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    from lmworks.model.published import save_published

    torch.manual_seed(3)
    shape = {"d_model": 16, "d_kv": 4, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=320, eos_token_id=2, decoder_start_token_id=0, **shape))
    save_published(t5, tmp_path / "t5", folders["plain"])
    for beams in (1, 3):
        here = load_published(tmp_path / "t5", "AutoModelForSeq2SeqLM")
        there = load_published(tmp_path / "t5", "AutoModelForSeq2SeqLM").to(another_device)
        assert rewrite(there, PROMPTS, 6, beams) == rewrite(here, PROMPTS, 6, beams)


def test_the_server_answers_from_another_device(folders: dict[str, Path], another_device: torch.device) -> None:
    question: Any = [{"role": "user", "content": "What does CreateBucket do?"}]
    answers = []
    for device in ("cpu", "auto"):
        engine = open_decoder(folders["plain"], device=device)
        with serving(engine) as server:
            client = server.client()
            whole = client.chat.completions.create(model=MODEL, messages=question, max_tokens=8, temperature=0)
            stream = client.chat.completions.create(model=MODEL, messages=question, max_tokens=8, stream=True, seed=3)
            pieces = "".join(part.choices[0].delta.content or "" for part in stream if part.choices)
        answers.append((whole.choices[0].message.content, pieces))
    assert answers[0] == answers[1]


def test_a_device_that_is_not_there_is_refused(folders: dict[str, Path], another_device: torch.device) -> None:
    for asked in ("cuda", "elsewhere:1", "gpu", "xpu:0"):
        with pytest.raises(LmworksError, match=rf"device: {asked}, but torch finds cpu and elsewhere \(1 of it\) here"):
            open_decoder(folders["plain"], device=asked)
    assert open_decoder(folders["plain"], device="elsewhere:0").model.output_weight.device == another_device


def test_without_an_accelerator_the_processor_is_taken(folders: dict[str, Path]) -> None:
    assert open_decoder(folders["plain"]).model.output_weight.device == torch.device("cpu")
    with pytest.raises(LmworksError, match=r"device: cuda, but torch finds cpu here; take one of those, or auto"):
        open_decoder(folders["plain"], device="cuda")
