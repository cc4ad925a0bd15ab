"""A model at an address in a recipe: measured, judging and teaching, by answers that are kept with their date."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from address import KEY, VARIABLE, Address, at_address
from e2e.small_recipe import lmworks, made, start
from live_server import KEY as OWN_KEY
from live_server import MODEL, serving
from lmworks.engines.open import open_decoder
from lmworks.engines.request import Sampling
from tiny import make_tiny_model

pytestmark = pytest.mark.slow

SUMS = """\
name: sums
use_case: sums, and who adds best
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: sums, licence: MIT, fields: all}]
    licences: {allow: [permissive]}
  chats: {kind: conversations, from: raw}
  drafts: {kind: answers, model: hosted, data: chats, samples: 2, limit: 6, max_tokens: 8}
  ruled:
    kind: constitution
    from: drafts
    rules: [{kind: principle, rule: The answer is short., model: hosted}]
models:
  hosted:
    {objective: rented, address: "ADDRESS", model: NAME, licence: LicenseRef-test, key_variable: LMWORKS_KEY_HOSTED}
evaluate:
  models: [hosted]
  tasks:
    - {kind: exact-answer, data: chats, train: chats, limit: 9, max_tokens: 8, pattern: '(\\d+)$'}
    - {kind: exact-answer, data: chats, train: chats, limit: 9, max_tokens: 8, pattern: '(\\d+)$', prompt: few-shot}
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)


@pytest.fixture
def address() -> Iterator[Address]:
    with at_address() as found:
        yield found


def project(folder: Path, address: str, recipe: str = SUMS, name: str = "adder") -> Path:
    (folder / "sums").mkdir(parents=True)
    rows = [{"prompt": f"What is {a} plus {b}?", "completion": str(a + b)} for a in range(2, 8) for b in range(3)]
    (folder / "sums" / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "recipe.yaml").write_text(recipe.replace("ADDRESS", address).replace("NAME", name))
    return folder


def figures(folder: Path) -> list[dict[str, Any]]:
    places = sorted((folder / ".lmworks" / "artifacts" / "evaluate-exact-answer").glob("*/payload/figures.json"))
    return [json.loads(place.read_text())[0] for place in places]


def test_it_is_measured_teaches_and_judges_and_is_paid_once(tmp_path: Path, address: Address) -> None:
    folder = project(tmp_path, address.url)
    planned = lmworks(folder, "plan", "recipe.yaml").stdout
    assert "9 requests and 72 answer tokens at most" in planned and not address.asked

    lmworks(folder, "build", "recipe.yaml")
    asked = len(address.asked)
    distinct = {json.dumps(each, sort_keys=True) for each in address.asked}
    assert asked == len(distinct), "nothing is asked twice"

    plain, shown = sorted(figures(folder), key=lambda each: each["conditions"]["shots"])
    assert plain["value"] == shown["value"] == 1 and plain["n"] == 9 and shown["conditions"]["shots"] == 5
    told = plain["conditions"]["engine"]
    assert "adder-2026-11-01" in told and address.url in told and time.strftime("%Y-", time.gmtime()) in told
    assert address.url in lmworks(folder, "show", "evaluate/exact-answer-chats/hosted").stdout

    (place,) = (folder / ".lmworks" / "artifacts" / "answers").glob("*/payload/conversations.jsonl")
    said = [json.loads(line)["messages"][-1]["content"] for line in place.read_text().splitlines()]
    assert len(said) == 12 and all(each.startswith("It is") for each in said)
    (place,) = (folder / ".lmworks" / "artifacts" / "constitution").glob("*/payload/preferences.jsonl")
    for pair in map(json.loads, place.read_text().splitlines()):
        assert len(pair["chosen"][0]["content"]) < len(pair["rejected"][0]["content"]), "the judge likes short answers"
        assert pair["decided"] == {"The answer is short.": 1.0}

    lmworks(folder, "build")
    assert len(address.asked) == asked, "a rebuild asks nothing"
    stored = [path for path in (folder / ".lmworks").rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not stored, "the key stands nowhere"


NARROW = SUMS.replace(SUMS[SUMS.index("  drafts:") : SUMS.index("models:")], "").replace("limit: 9, ", "")


def test_another_metric_asks_nothing_and_rebuild_asks_anew(tmp_path: Path, address: Address) -> None:
    folder = project(tmp_path, address.url, NARROW)
    lmworks(folder, "build", "recipe.yaml")
    asked = len(address.asked)
    said = lmworks(folder, "build", "recipe.yaml", "--set", "evaluate.tasks.0.compare=letters").stderr
    assert "evaluate/exact-answer-chats/hosted" in made(said) and len(address.asked) == asked
    time.sleep(1.1)  # dates are to the second
    lmworks(folder, "build", "--rebuild", "hosted")
    assert len(address.asked) == 2 * asked


def test_what_was_answered_before_a_stop_is_not_asked_again(tmp_path: Path, address: Address) -> None:
    folder = project(tmp_path, address.url, NARROW)
    lmworks(folder, "build", "recipe.yaml", "--until", "hosted")
    address.asked.clear()
    address.seconds = 0.5
    process = start(folder, "build", "recipe.yaml")
    while len(address.asked) < 6:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130 and len(address.asked) < 18
    address.seconds = 0.0
    lmworks(folder, "build", "recipe.yaml")
    distinct = {json.dumps(each, sort_keys=True) for each in address.asked}
    assert len(address.asked) == len(distinct) == 36


def test_nothing_is_sent_that_costs_more_than_is_allowed(tmp_path: Path, address: Address) -> None:
    prices = "usd_per_million_prompt_tokens: 3, usd_per_million_answer_tokens: 15, most_usd: 0.001, "
    folder = project(tmp_path, address.url, NARROW.replace("{objective", "{" + prices + "objective"))
    said = lmworks(folder, "build", "recipe.yaml", code=3).stderr
    assert "nothing was sent" in said and len(address.asked) == 1  # whether it is there


DEAR = NARROW[: NARROW.rindex("    -")].replace(
    "{objective", "{usd_per_million_prompt_tokens: 0, usd_per_million_answer_tokens: 1000000, most_usd: 150, objective"
)
"""A dollar a token, and 18 answers of 8 tokens."""


def test_what_is_asked_again_is_paid_for_and_bounded(tmp_path: Path, address: Address) -> None:
    folder = project(tmp_path, address.url, DEAR)
    lmworks(folder, "build", "recipe.yaml", "--until", "hosted")
    address.always = "fails"
    for _ in range(2):  # the second build knows what the first has spent
        said = lmworks(folder, "build", "recipe.yaml", code=3).stderr
        assert re.search(r"most_usd is 150, but this may cost \$1\d\d\.00; nothing (more )?was sent", said)
        assert 1 < len(address.asked) <= 5
    address.always = ""
    lmworks(folder, "build", "recipe.yaml", "--set", "models.hosted.most_usd=1000")
    assert len(address.asked) <= 5 + 18


def test_a_server_that_counts_more_than_was_asked_for_is_stopped_at_the_bound(tmp_path: Path, address: Address) -> None:
    folder = project(tmp_path, address.url, DEAR)
    lmworks(folder, "build", "recipe.yaml", "--until", "hosted")
    address.counts = 100
    said = lmworks(folder, "build", "recipe.yaml", code=3).stderr
    assert "the answers so far are kept" in said.lower() and len(address.asked) < 10


def test_a_server_that_repeats_the_key_gets_it_into_no_file(tmp_path: Path) -> None:
    with at_address(model=f"adder-{KEY}", says=f"You are {KEY}, or {KEY[::-1]}") as address:
        folder = project(tmp_path, address.url, NARROW)
        said = lmworks(folder, "build", "recipe.yaml")
    ways = [way.encode() for way in (KEY, KEY[::-1])]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if any(way in path.read_bytes() for way in ways)]
    assert KEY not in said.stdout + said.stderr and "adder-‹key›" in said.stderr


@pytest.mark.parametrize("needs", ["privacy: confidential", "privacy: secret", "residency: on-premise"])
def test_protected_texts_are_sent_to_no_other_machine(tmp_path: Path, needs: str) -> None:
    recipe = NARROW + f"needs: {{{needs}}}\n"
    folder = project(tmp_path, "https://api.example.com/v1", recipe)
    said = lmworks(folder, "plan", "recipe.yaml", code=2).stderr
    assert "models.hosted.address" in said and needs.split()[1] in said and "confidential: true" in said
    allowed = recipe.replace("{objective", "{confidential: true, objective")
    project(tmp_path / "allowed", "https://api.example.com/v1", allowed)
    project(tmp_path / "here", "http://127.0.0.1:9/v1", recipe)
    for place in ("allowed", "here"):
        lmworks(tmp_path / place, "plan", "recipe.yaml")


def test_a_task_of_likelihoods_is_not_asked_of_it(tmp_path: Path, address: Address) -> None:
    folder = project(
        tmp_path, address.url, NARROW[: NARROW.index("  tasks:")] + "  tasks: [{kind: last-word, data: raw}]\n"
    )
    said = lmworks(folder, "plan", "recipe.yaml", code=2).stderr
    assert "hosted (rented model); the task last-word needs a decoder" in said
    text = NARROW.replace("max_tokens: 8, pattern", "prompt: text, max_tokens: 8, pattern", 1)
    said = lmworks(project(tmp_path / "text", address.url, text), "plan", "recipe.yaml", code=2).stderr
    assert "evaluate.tasks.0.prompt" in said and not address.asked


def test_lmworks_own_server_says_what_its_engine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, OWN_KEY)
    engine = open_decoder(make_tiny_model(tmp_path / "tiny"))
    with serving(engine) as live:
        folder = project(tmp_path / "project", f"{live.url}/v1", NARROW[: NARROW.rindex("    -")], MODEL)
        lmworks(folder, "build", "recipe.yaml")
    (place,) = (folder / ".lmworks" / "artifacts" / "evaluate-exact-answer").glob("*/payload/items.jsonl")
    items = [json.loads(line) for line in place.read_text().splitlines()]
    prompts = [engine.encode([{"role": "user", "content": item["prompt"]}]) for item in items]
    expected = [each.text.strip() for each in engine.generate(prompts, Sampling(8))]
    assert [item["answer"] for item in items] == expected


def test_an_address_is_asked_what_a_built_model_was(tmp_path: Path, address: Address) -> None:
    text = NARROW[: NARROW.rindex("    -")]
    rented = text[text.index("  hosted:\n") : text.index("evaluate:")]
    text = text.replace(rented, "  own: {objective: pretrained, path: tiny, licence: MIT}\n")
    folder = project(tmp_path, address.url, text.replace("[hosted]", "[own]"))
    make_tiny_model(folder / "tiny")
    lmworks(folder, "build", "recipe.yaml")
    said = lmworks(folder, "compare", "own", f"{address.url}#adder", "--key-variable", VARIABLE).stdout
    assert "rented-adder is ahead of own: +1.000 exact match" in " ".join(said.split()) and len(address.asked) == 19
    again = lmworks(folder, "compare", "own", f"{address.url}#adder", "--key-variable", VARIABLE).stdout
    assert again == said and len(address.asked) == 19
    said = lmworks(folder, "compare", "own", address.url, code=2).stderr
    assert "which model there?" in said


def test_erasing_a_record_deletes_what_was_sent_and_answered_of_it(tmp_path: Path, address: Address) -> None:
    folder = project(tmp_path, address.url, NARROW[: NARROW.rindex("    -")])
    lmworks(folder, "build", "recipe.yaml")
    (place,) = (folder / ".lmworks" / "artifacts" / "evaluate-exact-answer").glob("*/payload/items.jsonl")
    erased = json.loads(place.read_text().splitlines()[0])
    said = lmworks(folder, "erase", erased["id"], "--apply").stdout
    assert f"the text was sent to {address.url} and cannot be called back" in said and "weights" not in said
    kept = [path for path in (folder / ".lmworks").rglob("*") if path.is_file()]
    assert not [path for path in kept if erased["prompt"].encode() in path.read_bytes()]
    assert not [path for path in kept if path.name in ("answers.jsonl", "prompts.jsonl")]


def test_what_a_model_says_of_an_erased_person_is_not_kept_when_it_is_asked_anew(
    tmp_path: Path, address: Address
) -> None:
    address.says = "Philippa Quillfeather says 4"
    folder = project(tmp_path, address.url, NARROW[: NARROW.rindex("    -")])
    of_her = {"prompt": "What does Philippa Quillfeather get for 2 and 2?", "completion": "4"}
    with (folder / "sums" / "sums.jsonl").open("a") as rows:
        rows.write(json.dumps(of_her) + "\n")
    lmworks(folder, "build", "recipe.yaml")
    lmworks(folder, "erase", "Philippa Quillfeather", "--apply", "--certificate", "erased.json")
    asked = len(address.asked)
    said = lmworks(folder, "build", "recipe.yaml")
    assert len(address.asked) > asked
    kept = [path for path in (folder / ".lmworks").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"Quillfeather" in path.read_bytes()]
    assert "answers held what was erased" in said.stdout + said.stderr


def test_a_person_whom_only_a_models_answers_name_is_erased_and_not_kept_again(
    tmp_path: Path, address: Address
) -> None:
    address.says = "Philippa Quillfeather says 4"
    unruled = SUMS[: SUMS.index("  ruled:")] + SUMS[SUMS.index("models:") :]
    folder = project(tmp_path, address.url, unruled)
    lmworks(folder, "build", "recipe.yaml")
    wanted = ("erase", "Philippa Quillfeather", "--certificate", "erased.json")
    told = lmworks(folder, *wanted[:2]).stdout
    assert "holds value 1 of 1; a text that a model wrote does, and is included" in told and "drafts" in told
    assert "raw" not in [line.partition(" ")[0] for line in told.splitlines()], "it has read no answer"
    done = lmworks(folder, *wanted, "--apply").stdout
    assert "nothing was found in what was searched" in done
    address.says = "4, says Philippa Quillfeather"
    lmworks(folder, "build", "recipe.yaml", code=None)
    kept = [path for path in (folder / ".lmworks").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"Quillfeather" in path.read_bytes()]
