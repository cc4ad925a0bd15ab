"""What is served is what was made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lmworks.errors import LmworksError
from lmworks.pipeline.store import Store
from lmworks.release import serving
from lmworks.release.serving import serve_artifacts
from lmworks.serve.content import PageContent


@pytest.mark.parametrize("file", ["history.jsonl", "config.json"])
def test_a_model_with_a_flipped_bit_is_not_served(built: Store, tmp_path: Path, file: str) -> None:
    store = Store(shutil.copytree(built.root, tmp_path / "store"))
    model = store.named("finetune")
    path = model.payload / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    with pytest.raises(LmworksError, match=f"{file}: differs from its digest .*--rebuild finetune"):
        serve_artifacts(store, [model], port=0, as_json=True)


def test_a_sound_model_is_served_though_its_page_cannot_say_what_an_altered_file_said(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(shutil.copytree(built.root, tmp_path / "store"))
    (store.named("corpus").payload / "part-00000.parquet").unlink()
    shown: list[PageContent] = []
    monkeypatch.setattr(serving, "_run", lambda served, *_, **__: shown.extend(served.pages))
    monkeypatch.setattr(serving, "open_engine", lambda *_, **__: None)
    serve_artifacts(store, [store.named("finetune")], port=0, as_json=True)
    (page,) = shown
    assert page.name == "handbook/finetune" and page.figures == () and page.licences == ()
    assert page.advice == ("What is known of this model cannot be told: a file behind it was altered or is lost.",)
    assert "part-00000.parquet: No such file" in capfd.readouterr().err and str(tmp_path) not in str(page)
