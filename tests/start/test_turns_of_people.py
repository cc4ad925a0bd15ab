"""Conversations whose speakers are people: what is said of them, what is masked, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e2e.small_recipe import lmworks
from lmworks.start.look import look
from lmworks.start.write import seen_in_words
from start.test_start import ENOUGH, company, rows, started


def people_talk(by: str, says: str, count: int = 70, **beside: list[str]) -> list[dict[str, Any]]:
    """Conversations whose speakers are called by people's names; `beside` has what else a turn says, by its place."""
    families = ("Souza", "Lima", "Nunes", "Prado", "Rocha", "Viana", "Alves")
    found = []
    for n in range(count):
        guest, host = f"Ana {families[n % 7]} {'ABCDEFGHIJ'[n // 7 % 10]}.", f"Rui {families[n % 5]}"
        said = [f"Onde fica a sala {n}?", f"A sala {n} fica no piso {n % 4}.", f"E a sala {n + 1}?", "Ao lado dela."]
        turns = [
            {by: (guest, host)[k % 2], says: text, **{name: values[k % 2] for name, values in beside.items()}}
            for k, text in enumerate(said)
        ]
        found.append(
            {"cliente": {"id": f"C-{n}", "nome": guest}, "dia": f"2026-03-{1 + n % 28:02}", "mensagens": turns}
        )
    return found


@pytest.mark.parametrize("by", ["de", "von", "från", "da", "od", "from"])
def test_speakers_by_names_are_said_whatever_their_field_is_called(by: str, tmp_path: Path) -> None:
    rows(tmp_path, "a.jsonl", people_talk(by, "texto"))
    seen = look(tmp_path)
    (said,) = seen_in_words(seen)
    assert f"mensagens.*.{by} says who speaks" in said
    assert list(seen.tables[0].subjects) == ["cliente.nome", f"mensagens.*.{by}"]


@pytest.mark.parametrize(("what", "task"), [("code", "write")])
def test_a_recipe_without_passages_promises_none(what: str, task: str, tmp_path: Path) -> None:
    folder = company(tmp_path / "own", what)
    started(folder, task=task)
    head = [line for line in (folder / "recipe.yaml").read_text().splitlines() if line.startswith("#")]
    (verdict,) = (line for line in head if line.startswith("# Verdict"))
    words = "a published model is measured as it is; nothing is trained, and nothing is served"
    assert verdict == f"# Verdict: no training. {words}"
    assert not any("has no passages" in line for line in head)


def test_a_list_of_things_is_no_conversation(tmp_path: Path) -> None:
    things = ("Caneta", "Papel", "Livro", "Mesa", "Cadeira", "Porta", "Janela", "Copo", "Prato")
    found = [
        {"dia": f"2026-03-{1 + n % 28:02}", "valor": n, "itens": [
            {"artigo": things[(n + k) % 9], "texto": f"entregue na sala {n} do piso {k}"} for k in range(3)
        ]}
        for n in range(70)
    ]  # fmt: skip
    rows(tmp_path, "a.jsonl", found)
    assert "who speaks" not in "".join(seen_in_words(look(tmp_path)))


def test_rows_are_told_without_the_names_and_letters_inside_of_them(tmp_path: Path) -> None:
    rows(
        tmp_path / "own",
        "a.jsonl",
        [row | {"nota": n % 5, "canal": "loja"} for n, row in enumerate(people_talk("de", "texto"))],
    )
    recipe = started(tmp_path / "own", task="write", **ENOUGH)
    told: Any = recipe.data["told"]
    assert "{canal}" in told.template and "cliente" not in told.template and "mensagens" not in told.template
    private: Any = recipe.data["private"]
    assert private.people == ["cliente.nome", "mensagens.*.de"]
    assert "Left out" in (tmp_path / "own" / "recipe.yaml").read_text()


@pytest.mark.slow
def test_a_role_beside_the_names_makes_conversations_that_are_built(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    roles, notes = ["cliente", "atendente"], ["lida hoje", "por escrito"]
    rows(folder, "a.jsonl", people_talk("de", "texto", 420, papel=roles, nota=notes))
    recipe = started(folder, task="chat", **ENOUGH)
    train: Any = recipe.data["train"]
    assert train.roles == {"cliente": "user", "atendente": "assistant"}
    assert sorted(train.ignore) == ["cliente", "messages.*.de", "messages.*.nota"]
    with (folder / "recipe.yaml").open("a") as written:
        written.write("plan: {measure: false}\n")
    lmworks(folder, "build", "recipe.yaml", "--until", "validation")
    head = [line for line in (folder / "recipe.yaml").read_text().splitlines() if line.startswith("#")]
    verdict = next(line for line in head if "Verdict" in line)
    assert verdict == "# Verdict: adapt. sft, LoRA on an open model"
