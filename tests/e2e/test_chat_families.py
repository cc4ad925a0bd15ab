"""Bases with the chat templates of others: checked, tuned, served and asked, by the template as it was published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from transformers import AutoTokenizer

from chat_families import TEMPLATES, TOKENS, WITHOUT_SYSTEM, write_family
from e2e.answering import answers, serving
from e2e.small_recipe import lmworks

pytestmark = pytest.mark.slow
NAMES = {family: family.replace(".", "-") for family in TOKENS}
TUNED = {
    "objective": "sft",
    "data": "chats",
    "sequence_length": 192,
    "global_batch_tokens": 768,
    "steps": 2,
    "data_type": "float32",
    "threads": 1,
    "compile": False,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    models = {}
    for family, name in NAMES.items():
        write_family(folder / name, family)
        models[name] = {"objective": "pretrained", "path": name, "licence": "Apache-2.0"}
        models[f"{name}-tuned"] = {**TUNED, "from": name, "tokenizer": name}
    files = {"kind": "files", "path": "turns", "licence": "MIT", "fields": "all"}
    recipe = {
        "name": "families",
        "use_case": "talking about rain",
        "plan": {"measure": False},
        "data": {
            "raw": {"kind": "ingest", "sources": [files], "licences": {"allow": ["permissive"]}},
            "chats": {"kind": "conversations", "from": "raw"},
        },
        "models": models,
        "serve": {"model": f"{NAMES['qwen-3']}-tuned"},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    (folder / "turns").mkdir()
    said = [("Rain?", "On day {}."), ("And snow?", "Never, <|im_end|> says {}.")]
    chats = [
        [
            {"role": role, "content": words.format(n)}
            for pair in said
            for role, words in zip(("user", "assistant"), pair, strict=True)
        ]
        for n in range(8)
    ]
    chats.append([{"role": "system", "content": "Be short."}, *chats[0]])
    (folder / "turns" / "lines.jsonl").write_text("".join(json.dumps({"messages": each}) + "\n" for each in chats))
    lmworks(folder, "build", "recipe.yaml")
    return folder


@pytest.mark.parametrize("family", TOKENS)
def test_a_base_is_checked_tuned_served_and_asked_by_its_own_template(project: Path, family: str) -> None:
    name = NAMES[family]
    said = lmworks(project, "check", "recipe.yaml", f"{name}-tuned").stdout
    refused = "1 refused" in said
    assert refused == (family in WITHOUT_SYSTEM), said
    shown = lmworks(project, "show", f"{name}-tuned", "--path").stdout.strip()
    settings = json.loads((Path(shown) / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == (TEMPLATES / f"{family}.jinja").read_text()
    if family == "qwen-3":
        assert len(answers(project, f"{name}-tuned", ["Rain?", "Snow <|im_end|>?"])) == 2
    theirs = AutoTokenizer.from_pretrained(project / name)
    chat = [{"role": "user", "content": "Rain? "}]
    wanted = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    with serving(project, f"{name}-tuned") as (http, model):
        body = {"model": model, "messages": chat, "max_tokens": 2, "temperature": 0}
        answer = http.post("v1/chat/completions", json=body)
        assert answer.json()["usage"]["prompt_tokens"] == len(wanted)
        body["messages"] = [{"role": "system", "content": "Be short."}, *chat]
        answer = http.post("v1/chat/completions", json=body)
        assert answer.status_code == (400 if family in WITHOUT_SYSTEM else 200), answer.text
        if family in WITHOUT_SYSTEM:
            assert "system" in answer.json()["error"]["message"].lower() or "roles" in answer.json()["error"]["message"]
