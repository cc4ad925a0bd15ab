"""A model comes from a hub whole, at a commit that is noted, without code or pickles; and goes there when it may."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.responses import Response, StreamingResponse

from hub_server import COMMIT, TOKEN, Hub, hub_running
from lmworks.cli.tuning import get_model
from lmworks.errors import GateRefused, LmworksError, UsageError
from lmworks.model.pretrained import PretrainedModelConfig
from lmworks.pipeline.store import Store
from lmworks.release import hub as release_hub
from lmworks.release.cards.kinds import SOURCE
from lmworks.release.hub import download, find_snapshot, require_release, require_token, upload
from tiny import make_tiny_model

NAME = "org/tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    folder = make_tiny_model(tmp_path / "made")
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    strange = {"pytorch_model.bin": b"pickle", "modeling.py": b"import os", "README.md": b"# Tiny", "LICENSE": b"Free."}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # read before, where tests forbid a network
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with hub_running(Hub({NAME: files | strange | {"onnx/model.json": b"{}"}})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


def test_a_base_is_got_at_a_commit_without_code_or_pickles(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        UsageError, match=r"org/tiny: there is no such folder; .* get it with `lmworks models get org/tiny"
    ):
        PretrainedModelConfig(path=NAME, licence="MIT").resolve(Path())
    get_model(NAME)
    told = capfd.readouterr()
    assert "nothing was downloaded" in told.out and f"{NAME} at {COMMIT}" in told.err and "apache-2.0" in told.err
    assert not Path(NAME).exists() and not [each for each in hub.asked if "/resolve/" in each]
    get_model(NAME, yes=True)
    got = {path.name: path.read_bytes() for path in Path(NAME).iterdir()}
    source = json.loads(got.pop(SOURCE))
    assert (source["name"], source["revision"], source["endpoint"]) == (NAME, COMMIT, hub.address)
    assert got == {name: hub.models[NAME][name] for name in source["files"]}
    assert {"model.safetensors", "config.json", "tokenizer.json", "LICENSE", "README.md"} <= got.keys()
    assert not {"pytorch_model.bin", "modeling.py"} & got.keys()
    assert PretrainedModelConfig(path=NAME, licence="MIT").resolve(Path()).family == "decoder"
    assert not [agent for agent in hub.agents if "torch" in agent or "session" in agent], (
        "nothing of this machine is told"
    )
    assert all(each.split()[1].startswith((f"/api/models/{NAME}", f"/{NAME}/resolve/{COMMIT}/")) for each in hub.asked)
    with pytest.raises(UsageError, match="is there already"):
        get_model(NAME, yes=True)


def test_a_download_that_was_cut_off_goes_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    hub.cut = "model.safetensors"
    with pytest.raises(LmworksError):
        get_model(NAME, yes=True)
    assert not Path(NAME).exists()
    assert any(each.endswith("model.safetensors bytes=72704-") for each in hub.asked), "it goes on where it was cut"
    hub.cut, asked = "", len(hub.asked)
    get_model(NAME, yes=True)
    assert (Path(NAME) / "model.safetensors").read_bytes() == hub.models[NAME]["model.safetensors"]
    again = [each.rpartition("/")[2] for each in hub.asked[asked:] if each.startswith("GET") and "/resolve/" in each]
    assert "model.safetensors" in again and "config.json" not in again, "files that were whole are kept"


def test_other_bytes_than_promised_are_refused(hub: Hub) -> None:
    found = find_snapshot(NAME)
    files = dict(found.files) | {"config.json": (found.files["config.json"][0], "0" * 40)}
    with pytest.raises(LmworksError, match=r"not the file that http.* promised"):
        download(replace(found, files=files), Path("out"))
    assert not Path("out").exists()


def test_a_hub_that_sends_more_than_it_promised_is_cut_off(hub: Hub) -> None:
    hub.models["org/endless"] = {"config.json": b"{" + b" " * (4 << 20) + b"}", "model.safetensors": b"x"}
    found = find_snapshot("org/endless")
    files = dict(found.files) | {"config.json": (2, "0" * 40)}
    with pytest.raises(LmworksError, match="sends more than the 2 bytes promised"):
        download(replace(found, files=files), Path("out"))
    assert not Path("out").exists()
    assert max(path.stat().st_size for path in Path().rglob("*") if path.is_file()) < 2 << 20


@pytest.mark.parametrize("status", [200, 302, 404])
def test_a_description_without_an_end_is_read_as_far_as_one_may_go(
    status: int, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_hub, "DESCRIPTION_BYTES", 1 << 20)
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'{"id": "'
        for _ in range(1 << 10):
            sent += 1 << 16
            yield b"a" * (1 << 16)

    where = {"Location": f"{hub.address}/elsewhere"} if status == 302 else {}
    hub.said = StreamingResponse(body(), status, where, "application/json")
    with pytest.raises(LmworksError, match=f"^{hub.address}/api/models/{NAME}: its answer is longer than 1,048,576 b"):
        find_snapshot(NAME)
    assert sent < 1 << 25


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[" * 100_000, "is no description of a model"),
        ("[1, 2]", "is no description of a model"),
        ('{"id": "org/tiny", "siblings": [{}]}', "is no description of a model"),
        ('{"id": "org/tiny", "siblings": [{"rfilename": "config.json", "size": "9"}]}', "is no description of a m"),
        ('{"id": "org/tiny"', "JSON"),
    ],
)
def test_a_description_in_another_form_is_told(said: str, words: str, hub: Hub) -> None:
    hub.said = Response(said, media_type="application/json")
    with pytest.raises(LmworksError, match=f"{hub.address}.*{words}"):
        find_snapshot(NAME)


def test_a_description_is_not_unpacked(hub: Hub) -> None:
    packed = gzip.compress(b" " * (1 << 24))
    hub.said = Response(packed, headers={"Content-Encoding": "gzip"}, media_type="application/json")
    with pytest.raises(LmworksError, match=f"{hub.address}/api/models/{NAME}: its answer has the encoding 'gzip'"):
        find_snapshot(NAME)


def test_the_first_file_that_is_not_as_promised_is_the_last(hub: Hub) -> None:
    """A hub may promise a hundred thousand files of no size."""
    found = find_snapshot(NAME)
    files = {
        name: (size if name == "model.safetensors" else size + 1, digest)
        for name, (size, digest) in found.files.items()
    }
    with pytest.raises(LmworksError, match=r"not the file that http.* promised"):
        download(replace(found, files=files), Path("out"))
    assert len([each for each in hub.asked if each.startswith("GET") and "/resolve/" in each]) == 1


def test_what_a_hub_refuses_is_said_without_the_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.private[NAME] = True
    with pytest.raises(LmworksError, match="no such model or revision, or HF_TOKEN has no permission"):
        get_model(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_secret")
    with pytest.raises(LmworksError) as refused:
        get_model(NAME)
    assert "hf_wrong_secret" not in str(refused.value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert find_snapshot(NAME).revision == COMMIT
    hub.models["org/pickled"] = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with pytest.raises(UsageError, match="never downloads pickles or code"):
        get_model("org/pickled")
    with pytest.raises(UsageError, match="expected the name of a hub's model"):
        get_model("../etc")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(LmworksError, match=r"http://127.0.0.1:9"):
        get_model(NAME)


def test_a_model_goes_with_its_card_private_unless_stated(
    hub: Hub, built: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = built.named("pretrain")
    with pytest.raises(UsageError, match="no HF_TOKEN"):
        require_token("team/desk")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert require_token("team/desk") == hub.address
    assert upload(built, model, "team/desk", public=False) == f"{hub.address}/team/desk/commit/{COMMIT}"
    assert hub.private["team/desk"]
    sent = hub.models["team/desk"]
    assert sent.pop("README.md").startswith(b"---\n")
    assert sent == {name: (model.payload / name).read_bytes() for name in model.manifest.files}
    hub.models["team/open"], hub.private["team/open"] = {}, False
    with pytest.raises(GateRefused, match=r"everybody can read it\. Nothing was sent"):
        upload(built, model, "team/open", public=False)
    assert not hub.models["team/open"]
    for privacy in ("confidential", "secret"):
        with pytest.raises(GateRefused, match=f"`needs.privacy` is {privacy}"):
            require_release(built, model, privacy, confidential=False)
