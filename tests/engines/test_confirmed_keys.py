"""A recipe sends no other environment variable than those named for it, until the user confirms variable and host."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from address import KEY, at_address
from e2e.small_recipe import lmworks
from lmworks import graph
from lmworks.cli.running import confirm_key
from lmworks.engines.rented.address import RentedModelConfig
from lmworks.engines.rented.client import Client
from lmworks.engines.rented.confirmed import confirm, refusal
from lmworks.errors import UsageError
from lmworks.recipe.file import load_recipe

SECRET = "wJalrXUtnFEMI/K7MDENG"
RECIPE = """\
name: sums
use_case: sums
plan: {{measure: false}}
data:
  raw:
    kind: ingest
    sources: [{{kind: files, path: sums, licence: MIT, fields: all}}]
    licences: {{allow: [permissive]}}
  chats: {{kind: conversations, from: raw}}
models:
  hosted:
    {{objective: rented, address: "{address}", model: adder, licence: LicenseRef-test, key_variable: {variable},
     unencrypted: true}}
evaluate:
  models: [hosted]
  tasks: [{{kind: exact-answer, data: chats, train: chats, limit: 2, max_tokens: 8}}]
"""


def project(folder: Path, address: str, variable: str) -> Path:
    (folder / "sums").mkdir(exist_ok=True)
    rows = [{"prompt": f"What is {a} plus 1?", "completion": str(a + 1)} for a in range(4)]
    (folder / "sums" / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(address=address, variable=variable))
    return recipe


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("command", ["plan", "check", "build"])
@pytest.mark.whole
def test_another_variable_is_refused_before_anything_is_sent(tmp_path: Path, command: str) -> None:
    with at_address() as address:
        project(tmp_path, address.url, "AWS_SECRET_ACCESS_KEY")
        told = lmworks(tmp_path, command, "recipe.yaml", code=2).stderr
        assert not address.asked
    host = address.url.removesuffix("/v1")
    assert "recipe.yaml:" in told and "key_variable" in told
    assert f"lmworks confirm-key AWS_SECRET_ACCESS_KEY {host}" in told, "what to type"
    assert SECRET not in told


@pytest.mark.whole
def test_what_is_confirmed_once_is_sent_to_that_host_alone(tmp_path: Path) -> None:
    with at_address() as address:
        recipe = project(tmp_path, address.url, "AWS_SECRET_ACCESS_KEY")
        host = address.url.removesuffix("/v1")
        confirmed = lmworks(tmp_path, "confirm-key", "AWS_SECRET_ACCESS_KEY", host).stdout
        planned = lmworks(tmp_path, "plan", "recipe.yaml").stdout
        assert f"hosted: sends the key in AWS_SECRET_ACCESS_KEY to {host}" in planned
        assert json.loads(lmworks(tmp_path, "plan", "recipe.yaml", "--json").stdout)["keys"][0]["host"] == host
        assert load_recipe(recipe, graph.CLASSES)
    (kept,) = (tmp_path / "state" / "lmworks" / "confirmed-keys").iterdir()
    assert str(kept) in confirmed and SECRET not in kept.read_text()
    for other in ("http://127.0.0.1:1/v1", address.url.replace("http:", "https:"), "http://evil.example/v1"):
        project(tmp_path, other, "AWS_SECRET_ACCESS_KEY")
        with pytest.raises(UsageError, match="confirm-key"):
            load_recipe(recipe, graph.CLASSES)
    project(tmp_path, address.url, "SSH_PASSPHRASE")
    with pytest.raises(UsageError, match="confirm-key SSH_PASSPHRASE"):
        load_recipe(recipe, graph.CLASSES)


def test_a_folder_brings_no_confirmation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = project(tmp_path, "https://evil.example/v1", "AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    confirm("AWS_SECRET_ACCESS_KEY", "evil.example")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with pytest.raises(UsageError, match="confirm-key"):
        load_recipe(recipe, graph.CLASSES)


def test_a_variable_named_for_recipes_needs_no_word_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMWORKS_KEY_ADDER", KEY)
    recipe = project(tmp_path, "https://api.example.com/v1", "LMWORKS_KEY_ADDER")
    assert load_recipe(recipe, graph.CLASSES)


def test_the_client_itself_sends_no_other_variable() -> None:
    fields = {"address": "https://evil.example/v1", "model": "m", "licence": "LicenseRef-x"}
    config = RentedModelConfig.model_validate({**fields, "key_variable": "AWS_SECRET_ACCESS_KEY"})
    with pytest.raises(UsageError, match=r"confirm-key AWS_SECRET_ACCESS_KEY evil\.example"):
        Client(config)


@pytest.mark.parametrize(
    "given", [(SECRET, "evil.example"), ("AWS_SECRET_ACCESS_KEY", ""), ("lower_case", "api.example.com")]
)
def test_what_is_no_name_of_a_variable_or_no_host_is_not_confirmed(tmp_path: Path, given: tuple[str, str]) -> None:
    told = lmworks(tmp_path, "confirm-key", *given, code=2).stderr
    assert "not its value" in told and SECRET not in told


def test_a_password_of_mlflow_goes_to_no_server_that_a_recipe_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = logged_to(tmp_path, "https://evil.example")
    load_recipe(recipe, graph.CLASSES)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with pytest.raises(UsageError, match=r"log_to\.mlflow: found MLFLOW_TRACKING_PASSWORD") as raised:
        load_recipe(recipe, graph.CLASSES)
    assert SECRET not in str(raised.value)
    confirm("MLFLOW_TRACKING_PASSWORD", "evil.example")
    load_recipe(recipe, graph.CLASSES)


@pytest.mark.parametrize("place", ["HTTP://127.0.0.1:8790", "Https://evil.example", " http://evil.example", "x://y.z"])
def test_every_place_with_a_scheme_is_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    with pytest.raises(UsageError, match=r"log_to\.mlflow: found MLFLOW_TRACKING_PASSWORD"):
        load_recipe(logged_to(tmp_path, place), graph.CLASSES)


@pytest.mark.parametrize("place", ["runs", "file:///tmp/runs", "FILE:///tmp/runs", "sqlite:///runs.db"])
def test_a_folder_or_a_file_needs_no_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRET)
    assert load_recipe(logged_to(tmp_path, place), graph.CLASSES)


def test_a_password_that_mlflow_keeps_in_a_file_needs_the_same_word(tmp_path: Path) -> None:
    kept = tmp_path / ".mlflow" / "credentials"
    kept.parent.mkdir()
    kept.write_text(f"[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = {SECRET}\n")
    recipe = logged_to(tmp_path, "https://evil.example")
    with pytest.raises(UsageError, match=r"confirm-key MLFLOW_TRACKING_PASSWORD evil\.example") as raised:
        load_recipe(recipe, graph.CLASSES)
    assert str(kept) in str(raised.value) and SECRET not in str(raised.value)
    confirm("MLFLOW_TRACKING_PASSWORD", "evil.example")
    assert load_recipe(recipe, graph.CLASSES)


def logged_to(folder: Path, place: str) -> Path:
    recipe = project(folder, "https://api.example.com/v1", "LMWORKS_KEY_ADDER")
    text = recipe.read_text().replace(
        "evaluate:\n",
        f"  own: {{objective: causal-lm, from: scratch, data: raw, log_to: {{mlflow: '{place}'}}}}\n"
        "tokenizer: {kind: bpe, vocab_size: 300, from: raw}\nevaluate:\n",
    )
    recipe.write_text(text)
    return recipe


NO_HOSTS = [
    *(
        "sk-abcdefghijklmnop",
        "http://",
        "../../x",
        "u:p@api.openai.com",
        "https://u:p@api.openai.com",
        "[",
        "https://[",
    ),
    *(
        "api.openai.com/v1",
        "api.openai.com:99999",
        "api.openai.com:x",
        "sk-abcdef:443",
        "sk://abcdefghijkl",
        "AKIA.0f9e8d",
    ),
    *(" api.openai.com", "api.openai.com\n", "a..com", "-a.com", ".com", "https://..", "https://evil.example\\@x.com"),
]


@pytest.mark.parametrize("typed", NO_HOSTS)
def test_what_is_no_host_is_neither_confirmed_nor_shown(
    tmp_path: Path, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as raised:
        confirm_key("OPENAI_API_KEY", typed)
    assert "lmworks confirm-key OPENAI_API_KEY api.openai.com" in str(raised.value)
    shown = str(raised.value).replace("confirm-key OPENAI_API_KEY api.openai.com", "") + "".join(capsys.readouterr())
    assert typed == "[" or typed.strip() not in shown
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("api.openai.com", "https://api.openai.com/v1"),
        ("API.OpenAI.com:8443", "https://api.openai.com:8443/v1"),
        ("https://api.openai.com/v1", "https://api.openai.com"),
        ("localhost:5000", "https://localhost:5000"),
        ("127.0.0.1", "https://127.0.0.1/v1"),
        ("[::1]:8000", "https://[::1]:8000/v1"),
        ("http://mlflow:5000", "http://mlflow:5000"),
    ],
)
def test_a_host_is_confirmed_alone_or_in_an_address(typed: str, address: str) -> None:
    confirm_key("OPENAI_API_KEY", typed)
    assert not refusal("OPENAI_API_KEY", address)


@pytest.mark.parametrize(
    "address", ["https://mlflow:5000", "http://mlflow:5000", "https://evil.example", "https://[::1]"]
)
def test_what_a_refusal_says_to_type_confirms(address: str) -> None:
    found = re.search(r"`lmworks confirm-key OPENAI_API_KEY (\S+)`", refusal("OPENAI_API_KEY", address))
    assert found
    confirm_key("OPENAI_API_KEY", found[1])
    assert not refusal("OPENAI_API_KEY", address)
