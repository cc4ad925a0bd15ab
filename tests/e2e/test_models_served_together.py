"""Several adapters on one base, from the documentation's recipe to the official client."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, start
from tiny import make_tiny_model

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "tune-chat.md"
SETTINGS = (
    *("plan.measure=false", "base.path=tiny"),
    *(f"{model}.{field}" for model in ("support", "legal") for field in ("steps=8", "learning_rate=0.02")),
    *(f"{model}.{field}" for model in ("support", "legal") for field in ("sequence_length=64", "threads=1")),
    *(f"{model}.{field}" for model in ("support", "legal") for field in ("data_type=float32", "compile=false")),
)


def test_the_recipe_of_the_page_is_built_served_and_asked(tmp_path: Path) -> None:
    from openai import NotFoundError, OpenAI

    (recipe,) = re.findall(r"```yaml\n(name: desks.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "recipe.yaml").write_text(recipe)
    make_tiny_model(tmp_path / "tiny")
    for name, answer in (("support", "Please restart it."), ("legal", "That depends.")):
        (tmp_path / name).mkdir()
        records = [{"prompt": f"What of case {number}?", "completion": answer} for number in range(40)]
        (tmp_path / name / "chats.jsonl").write_text("\n".join(map(json.dumps, records)))
    lmworks(tmp_path, "build", "recipe.yaml", *(word for setting in SETTINGS for word in ("--set", setting)))
    process = start(tmp_path, "serve", "--port", "0", "--json", "--unmeasured")
    try:
        assert process.stdout
        started = json.loads(process.stdout.readline())
        client = OpenAI(base_url=started["address"] + "v1", api_key=Path(started["key_file"]).read_text().strip())
        assert [model.id for model in client.models.list()] == started["models"]
        assert started["models"] == ["desks/support", "desks/legal", "desks/base"]
        answers = [
            client.chat.completions.create(
                model=name, messages=[{"role": "user", "content": "What of case 3?"}], max_tokens=8, temperature=0
            )
            for name in started["models"]
        ]
        assert [answer.model for answer in answers] == started["models"]
        assert len({answer.choices[0].message.content for answer in answers}) == 3
        with pytest.raises(NotFoundError):
            client.chat.completions.create(model="desks/tax", messages=[{"role": "user", "content": "?"}])
    finally:
        process.kill()
    full = recipe.replace("adapter: {rank: 16}, ", "")
    (tmp_path / "recipe.yaml").write_text(full)
    said = lmworks(tmp_path, "build", "recipe.yaml", *(word for each in SETTINGS for word in ("--set", each)), code=2)
    assert "serve.model: found support itself, legal on base, base itself" in said.stderr
    last = ("--set", "serve.model=support")
    lmworks(tmp_path, "build", "recipe.yaml", *(word for each in SETTINGS for word in ("--set", each)), *last)
    assert "found support on support, legal on base" in lmworks(tmp_path, "serve", "support", "legal", code=2).stderr
    assert "it is no model" in lmworks(tmp_path, "serve", "legal-chats", "legal", code=2).stderr
    assert "named twice" in lmworks(tmp_path, "serve", "legal", "legal", code=2).stderr
