"""What is served is what was made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmworks.errors import GateRefused, LmworksError
from lmworks.pipeline.store import Store
from lmworks.release import serving
from lmworks.release.serving import serve_artifacts, serve_folder
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
    monkeypatch.setattr(serving, "open_engine", lambda *_, **__: SimpleNamespace(quotes=False))
    serve_artifacts(store, [store.named("finetune")], port=0, as_json=True)
    (page,) = shown
    assert page.name == "handbook/finetune" and page.figures == () and page.licences == ()
    assert page.advice == ("lmworks cannot describe this model: a file with facts about it was altered or is lost.",)
    assert "part-00000.parquet: No such file" in capfd.readouterr().err and str(tmp_path) not in str(page)


def test_a_language_model_that_no_task_measured_is_served_only_if_you_say_so(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, shown = Store(shutil.copytree(built.root, tmp_path / "store")), list[PageContent]()
    record = store.builds.get("handbook")
    assert record
    steps = {name: step for name, step in record.steps.items() if not name.startswith("evaluate/")}
    store.builds.save("handbook", record.model_copy(update={"steps": steps}))
    monkeypatch.setattr(serving, "_run", lambda served, *_, **__: shown.extend(served.pages))
    monkeypatch.setattr(serving, "open_engine", lambda *_, **__: SimpleNamespace(context_length=64, quotes=False))
    model = store.named("finetune")
    with pytest.raises(GateRefused) as refused:
        serve_artifacts(store, [model], port=0, as_json=True)
    first, second = str(refused.value).splitlines()
    assert first == "finetune: no task has measured how well it answers"
    assert second.endswith("and build again, or type: lmworks serve finetune --unmeasured")
    serve_artifacts(store, [model], port=0, as_json=True, unmeasured=True)
    assert shown[0].advice == ["Check every answer: no task has measured how good the answers are."]


@pytest.mark.parametrize(("kind", "writes"), [("Qwen3ForCausalLM", True), ("BertForSequenceClassification", False)])
def test_a_folder_of_a_published_language_model_is_unmeasured_and_one_that_sorts_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, writes: bool
) -> None:
    shown: list[PageContent] = []
    monkeypatch.setattr(serving, "_run", lambda served, *_, **__: shown.extend(served.pages))
    monkeypatch.setattr(serving, "open_engine", lambda *_, **__: SimpleNamespace(context_length=64, quotes=False))
    monkeypatch.setattr(serving, "stored_parameters", lambda folder: 9)
    model_type = kind.partition("For")[0].lower()
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [kind], "model_type": model_type}))
    if writes:
        with pytest.raises(GateRefused, match=r"no build here has measured how well it answers\n.* --unmeasured"):
            serve_folder(tmp_path, port=0, as_json=True)
        assert not shown
    serve_folder(tmp_path, port=0, as_json=True, unmeasured=writes)
    assert len(shown) == 1
