"""Which engine answers for a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmworks.engines.open import engine_named, open_decoder
from lmworks.model.folder import name_engine
from lmworks.registry import UnknownKind
from tiny import make_tiny_model


def test_an_engine_of_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path)
    assert engine_named(folder) == "torch"
    name_engine(folder, "torhc")
    with pytest.raises(UnknownKind, match="no engine 'torhc'; did you mean 'torch'"):
        open_decoder(folder)
