from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from live_server import Live, serving
from lmworks.engines.decoder import DecoderEngine
from lmworks.engines.open import open_decoder
from tiny import make_tiny_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("served") / "model", context_length=2048)


@pytest.fixture(scope="session")
def engine(model_folder: Path) -> DecoderEngine:
    return open_decoder(model_folder)


@pytest.fixture(scope="session")
def live(engine: DecoderEngine) -> Iterator[Live]:
    with serving(engine) as server:
        yield server


@pytest.fixture(scope="session")
def client(live: Live) -> openai.OpenAI:
    return live.client()
