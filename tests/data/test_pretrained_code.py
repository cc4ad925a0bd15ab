"""Code that lies in a model's folder is never run, and nobody is asked whether to."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from tiny_encoders import SPECIAL, write_encoder

import lmworks
from lmworks.data.base.pretrained import load
from lmworks.errors import LmworksError

CODE = """\
import pathlib
pathlib.Path(__file__).with_name("ran").touch()
from transformers import BertConfig, BertModel
class Config(BertConfig):
    model_type = "own"
class Model(BertModel):
    config_class = Config
"""


def test_the_code_of_a_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    folder = write_encoder(tmp_path / "model", [*SPECIAL, "a"])
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(CODE.replace("__file__", repr(str(folder / "x"))))
    with pytest.raises(LmworksError, match="cannot be loaded as AutoModel"):
        load(folder, "AutoModel")
    assert not (folder / "ran").exists()


def test_every_call_that_could_run_code_of_a_folder_says_that_it_may_not() -> None:
    silent, calls = [], 0
    source = Path(lmworks.__file__).parent
    for path in sorted([*source.rglob("*.py"), *(source.parent / "lmworks_api_docs").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _named(node.func) in ("from_pretrained", "from_config", "pipeline"):
                calls += 1
                said = [each.value for each in node.keywords if each.arg == "trust_remote_code"]
                if not (said and isinstance(said[0], ast.Constant) and said[0].value is False):
                    silent.append(f"{path.relative_to(source.parent)}:{node.lineno}")
    assert not silent
    assert calls


def _named(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))
