"""A tiny model, and documents and conversations to evaluate it on."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluate.evaluated import make_conversations, make_documents
from lmworks.data.shards.records import Documents
from lmworks.data.tuning.conversations import Conversations
from lmworks.model.folder import ModelFolder
from tiny import make_tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return ModelFolder(make_tiny_model(tmp_path_factory.mktemp("model") / "m"), "model")


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    """Seven documents of two services; the last is longer than the model's context of 128 tokens."""
    texts = [f"S3 Op{number}\n\nReturns the naïve bucket {number}. 日本" for number in range(6)]
    return make_documents(tmp_path / "test", [*texts, "SQS Long\n\n" + "ab " * 200])


@pytest.fixture
def conversations(tmp_path: Path) -> Conversations:
    return make_conversations(tmp_path / "questions")
