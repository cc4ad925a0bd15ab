"""Several adapters on one base: each answers as it does alone, whoever asks beside it."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
from safetensors.torch import load_file

from live_server import KEY, MODEL, Live, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_adapted, open_decoder
from lmworks.engines.protocol import Writing
from lmworks.engines.request import Generation, Sampling
from lmworks.errors import LmworksError
from lmworks.model.folder import save_model
from model.test_folder import SHAPE, random_decoder
from tiny import make_adapted, make_tiny_model

ADAPTERS: Mapping[str, dict[str, Any]] = {
    "legal": {"rank": 4},
    "medical": {"rank": 2},
    "support": {"rank": 8, "alpha": 4, "targets": ["q_proj", "down_proj"]},
}
QUESTIONS = [f"What does {word} do?" for word in "abcdef"]


@pytest.fixture(scope="module", params=[False, True], ids=["Llama", "Qwen2, with biases"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Base and adapted models, each whole in a folder."""
    root = tmp_path_factory.mktemp("models")
    base = make_tiny_model(root / "base", context_length=512, qkv_bias=request.param)
    return {MODEL: base} | {name: make_adapted(base, root / name, **each) for name, each in ADAPTERS.items()}


def together(folders: Mapping[str, Path]) -> DecoderEngine:
    adapters = {name: None if name == MODEL else folder / "adapter" for name, folder in folders.items()}
    return open_adapted(folders[MODEL], adapters)


@pytest.fixture(scope="module")
def live(folders: dict[str, Path]) -> Iterator[Live]:
    with serving(together(folders), *ADAPTERS) as server:
        yield server


def alone(folder: Path, question: str, sampling: Sampling) -> Generation:
    engine = open_decoder(folder)
    prompt, _ = engine.tokenizer.encode_chat([{"role": "user", "content": question}], add_generation_prompt=True)
    return engine.generate([prompt], sampling)[0]


def test_the_models_are_listed_and_another_is_refused(live: Live) -> None:
    client = live.client()
    assert [model.id for model in client.models.list()] == [MODEL, *ADAPTERS]
    assert client.models.retrieve("legal").id == "legal"
    with pytest.raises(openai.NotFoundError, match="no model 'tax' on this server") as raised:
        client.chat.completions.create(model="tax", messages=[{"role": "user", "content": "?"}])
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert raised.value.type == "invalid_request_error"


@pytest.mark.parametrize("drawn", [{"temperature": 0}, {"temperature": 1.0, "seed": 3}], ids=["likeliest", "drawn"])
def test_all_at_once_each_answers_as_it_does_alone(
    folders: dict[str, Path], live: Live, drawn: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Every model is asked the same questions at the same time: nothing that one has read may reach another."""

    async def ask_all() -> dict[tuple[str, str], Any]:
        async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key=KEY) as client:

            async def ask(name: str, question: str) -> Any:
                messages: Any = [{"role": "user", "content": question}]
                return await client.chat.completions.create(model=name, messages=messages, max_tokens=12, **drawn)

            pairs = [(name, question) for question in QUESTIONS for name in folders]
            return dict(zip(pairs, await asyncio.gather(*(ask(*pair) for pair in pairs)), strict=True))

    with caplog.at_level(logging.INFO, "lmworks.access"):
        answers = asyncio.run(ask_all())
    for (name, question), answer in answers.items():
        assert answer.model == name
        expected = alone(folders[name], question, Sampling(12, **drawn))
        assert answer.choices[0].message.content == expected.text, (name, question)
    said = {tuple(answers[name, each].choices[0].message.content for each in QUESTIONS) for name in folders}
    assert len(said) == len(folders), "models that say the same would prove nothing"
    logged = [record.getMessage().split()[-1] for record in caplog.records if record.name == "lmworks.access"]
    assert {name: logged.count(name) for name in folders} == dict.fromkeys(folders, len(QUESTIONS))


def test_requests_that_join_and_leave_do_not_change_those_of_other_models(folders: dict[str, Path]) -> None:
    engine = together(folders)
    prompts = [[0, *range(3, 3 + length)] for length in (9, 9, 30, 2)]
    batch = engine.batch(rows=3)
    asked = [(name, prompt) for prompt in prompts for name in folders]
    samplings = [Sampling(4 + 3 * (index % 5), temperature=1.0, seed=index) for index in range(len(asked))]
    requests = [
        batch.add(Writing(prompt, sampling), name) for (name, prompt), sampling in zip(asked, samplings, strict=True)
    ]
    while batch.busy:
        batch.step()
    whole = {name: open_decoder(folder) for name, folder in folders.items()}
    for (name, prompt), sampling, request in zip(asked, samplings, requests, strict=True):
        assert request.ids == whole[name].generate([prompt], sampling)[0].ids, name


def test_likelihoods_are_those_of_the_base_while_adapters_are_beside_it(folders: dict[str, Path]) -> None:
    engine = together(folders)
    batch = engine.batch(rows=2)
    batch.add(Writing([0, 5, 9], Sampling(4)), "legal")
    batch.step()
    base = open_decoder(folders[MODEL])
    assert engine.log_likelihoods([[0, 5, 9, 7]], [1]) == base.log_likelihoods([[0, 5, 9, 7]], [1])


@pytest.mark.slow
def test_the_weights_of_the_base_are_held_once(folders: dict[str, Path]) -> None:
    def stored(file: Path) -> int:
        return sum(tensor.nbytes for tensor in load_file(file).values())

    adapters = sum(stored(folders[name] / "adapter" / "adapter_model.safetensors") for name in ADAPTERS)
    base = stored(folders[MODEL] / "model.safetensors")
    with multiprocessing.get_context("spawn").Pool(1) as fresh:  # where no other test has left tensors
        held = fresh.apply(held_by_an_engine, (folders,))
    assert 0 < held <= 1.1 * (base + adapters) < 2 * base


def held_by_an_engine(folders: dict[str, Path]) -> int:
    """Bytes of all tensors that are there because of it."""

    def held() -> int:
        gc.collect()
        storages = [each.untyped_storage() for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())

    before, engine = held(), together(folders)
    return held() - before if engine.adapters else 0


def test_an_adapter_of_another_base_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    for layers, fault in ((1, r"of another base: this one has no model\.layers\.1\."), (2, r": A and B of \[\[")):
        other = tmp_path / str(layers)
        save_model(random_decoder(replace(SHAPE, num_layers=layers)), other, folders[MODEL])
        with pytest.raises(LmworksError, match=fault):
            open_adapted(other, {"legal": folders["legal"] / "adapter"})


def test_a_base_of_an_earlier_release_whose_prompt_is_in_no_weight_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    prompted = shutil.copytree(folders[MODEL], tmp_path / "prompted")
    (prompted / "adapter").mkdir()
    (prompted / "adapter" / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING"}')
    with pytest.raises(LmworksError, match="its adapter is PROMPT_TUNING, of an earlier release"):
        open_adapted(prompted, {"legal": folders["legal"] / "adapter"})
