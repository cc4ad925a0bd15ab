"""Reports of small recipes, as their readers meet them: of what is served, and of data that was not looked at."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks
from published import write_published
from report_pages import Pages, too_long

pytestmark = pytest.mark.slow

WORDS = {"urgent": ("burst", "fire", "flood"), "calm": ("thanks", "greetings", "invoice")}
SERVED = """\
name: sorter
use_case: sorting letters
plan: {measure: false}
budget: {minutes: 2}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: LicenseRef-own, keep: [label]}]
    licences: {allow: [LicenseRef-own]}
  split: {kind: split, from: raw, by: id, test: 100, validation: 30}
  noise:
    kind: ingest
    sources: [{kind: files, path: noise, licence: CC-BY-NC-4.0, keep: [label]}]
    licences: {allow: [CC-BY-NC-4.0]}
models:
  good: {objective: bag-of-words, data: split.train}
  poor: {objective: bag-of-words, data: noise}
evaluate:
  models: [good, poor]
  tasks: [{kind: classification, data: split.test, train: split.train}]
  gates:
    - {task: classification, model: good, at_least: 0.5}
serve: {model: poor}
"""


def letters(folder: Path, name: str, count: int, right: float) -> None:
    """Letters whose words tell their label in so many of all; the digits of their numbers do not."""
    draw = random.Random(0)
    lines = []
    for number in range(count):
        label = ("urgent", "calm")[number % 2]
        said = WORDS[label if draw.random() < right else ("calm", "urgent")[number % 2]]
        text = f"{draw.choice(said)} {draw.choice(said)} {name}{number * 7919 % 1009}"
        lines.append(json.dumps({"text": text, "label": label}))
    (folder / name).mkdir()
    (folder / name / "lines.jsonl").write_text("\n".join(lines) + "\n")
    (folder / ".lmworks-id-key").write_text("0" * 64)


def build(folder: Path, recipe: str, *options: str) -> str:
    (folder / "recipe.yaml").write_text(recipe)
    return lmworks(folder, "build", "recipe.yaml", *options).stdout


def pages(folder: Path, name: str) -> Pages:
    found = Pages((folder / ".lmworks" / "reports" / f"{name}.html").read_text(encoding="utf-8"))
    assert too_long(found) == {}
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("served")
    letters(folder, "letters", 400, right=0.9)
    letters(folder, "noise", 100, right=0.5)
    return folder, build(folder, SERVED)


def test_a_manager_reads_of_the_model_that_is_served_and_not_of_the_best(served: tuple[Path, str]) -> None:
    page = pages(served[0], "sorter").of("manager")
    assert "No: poor is worse than bag-of-words, the best of 2 baselines: 0." in page
    assert "No gate was asked of poor." in page and "Yes" not in page
    assert "not shown to be better than chance: poor has 0." in page, "the gravest of what speaks against it"
    assert "more verdicts speak against it" in page or "more verdict speaks against it" in page
    assert "poor is right in " in page and "good is right" not in page
    assert "poor is shown to be better than every simple baseline in 0 of 1 task." in page


def test_the_terminal_ends_with_the_model_that_is_served(served: tuple[Path, str]) -> None:
    said = served[1]
    assert "Classification split test: poor 0." in said and "good 0." not in said
    assert "No: poor is worse than bag-of-words, the best of 2 baselines" in said
    assert "next: lmworks open  (the report says what to do)" in said


def test_a_card_begins_with_all_that_speaks_against_its_model(served: tuple[Path, str]) -> None:
    card = (served[0] / ".lmworks" / "reports" / "sorter-poor-card.md").read_text()
    head = card.partition("## What it is")[0]
    assert "not shown to be better than chance: poor has 0." in head and "good is ahead of poor: " in head


def test_yes_is_said_of_a_served_model_that_passed_its_own_gates(served: tuple[Path, str]) -> None:
    build(served[0], SERVED.replace("{model: poor}", "{model: good}"))
    page = pages(served[0], "sorter").of("manager")
    assert "Yes: good is better than the baseline majority: 0." in page and "poor" not in page
    assert "Gate passed by good (classification at least 0.5" in page
    assert "of 100 answers of good: good and bad answers" in page
    samples = pages(served[0], "sorter").unfolded.partition("Good and bad answers")[2]
    assert "classification-split-test : good" in samples and "poor" not in samples.partition("How it was made")[0]
    assert "good is shown to be better than every simple baseline in 1 of 1 task." in page, "but for itself"
    assert "majority 0." in page and "bag-of-words 0.9" not in page and "the same on every item" not in page
    conditions = (served[0] / ".lmworks" / "reports" / "sorter-good-card.md").read_text()
    assert "weights 32 bits (good, poor)" in conditions, "the commonest label has none"


def test_where_nothing_is_served_the_best_is_judged_and_that_is_said(served: tuple[Path, str]) -> None:
    said = build(served[0], SERVED.replace("serve: {model: poor}\n", ""))
    assert "The recipe serves no model: judged is the best of each task." in pages(served[0], "sorter").of("manager")
    assert "Classification split test: good 0." in said and "next: lmworks open" in said


SIDE = """\
name: side
use_case: sorting letters
plan: {measure: false}
budget: {minutes: 2}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: LicenseRef-own, keep: [label, name], subject_field: customer}]
    licences: {allow: [LicenseRef-own]}
  split: {kind: split, from: raw, by: id, test: 60, validation: 20}
  private: {kind: anonymise, from: FROM, action: redact, people: [name]}
models:
  bag: {objective: bag-of-words, data: TRAIN}
evaluate:
  models: [bag]
  tasks: [{kind: classification, data: private, train: split.train}]
serve: {model: bag}
"""


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    lines = [
        {
            "text": f"{('flood', 'thanks')[number % 2]} number {number}, write to jane{number}@example.org",
            "label": ("urgent", "calm")[number % 2],
            "name": f"Jane Roe{number}",
            "customer": f"K-{number % 50}",
        }
        for number in range(200)
    ]
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "lines.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path


def test_what_a_model_learned_from_is_not_said_to_be_masked_if_other_texts_were(customers: Path) -> None:
    build(customers, SIDE.replace("FROM", "split.test").replace("TRAIN", "split.train"))
    page = pages(customers, "side").of("protection")
    assert "200 documents of 1 source; no step looked for personal data in all that bag learned from." in page
    assert "No step looked for personal data in split.train." in page and "found and treated" not in page
    assert 'lmworks data find "NAME" knows only what private masked' in page
    assert "with questions and answers of 1 task" in page
    build(customers, SIDE.replace("FROM", "raw").replace("TRAIN", "private"))
    page = pages(customers, "side").of("protection")
    assert "pieces of personal data found in what models learned from." in page and "no step looked" not in page


def test_every_model_is_named_beside_what_it_learned_from_the_served_one_first(customers: Path) -> None:
    more = "".join(f"  bag{n}: {{objective: bag-of-words, data: split.validation}}\n" for n in range(8))
    recipe = SIDE.replace("FROM", "split.test").replace("  bag: {objective: bag-of-words, data: TRAIN}\n", more)
    build(customers, recipe.replace("[bag]", "[bag7]").replace("model: bag", "model: bag7"))
    page = pages(customers, "side")
    told = page.of("protection").partition("Which models learned from them ")[2]
    assert told.startswith("bag7 learned from split.validation (20 documents) (card)") and "bag4 learned from" in told
    assert "The cards of 2 more models say what they learned from: bag5 and bag6." in told
    assert "side-bag6-card.md" in page.links


def test_after_an_erasure_the_report_says_what_was_erased(customers: Path) -> None:
    build(customers, SIDE.replace("FROM", "split.test").replace("TRAIN", "split.train"))
    lmworks(customers, "erase", "K-7", "--apply", "--certificate", "certificate.json", code=None)
    lmworks(customers, "report", "recipe.yaml")
    page = pages(customers, "side")
    manager, protection = page.of("manager"), page.of("protection")
    assert "No: its models were erased and are to be built again." in manager and "raw, split" in manager
    assert "Erased so far: 4 documents." in protection and "All texts read were erased" in protection
    assert "Deleted because they contained erased text, and to be built again: raw, " in page.of("engineer")


BASE = """\
name: tuned
use_case: a base as it is
plan: {measure: false}
budget: {minutes: 2}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: LicenseRef-own}]
    licences: {allow: [LicenseRef-own]}
models:
  base: {objective: pretrained, path: base, licence: CC-BY-NC-SA-4.0}
evaluate:
  models: [base]
  tasks: [{kind: perplexity, data: raw}]
"""


def test_the_licence_of_a_base_stands_beside_those_of_sources_and_scores_are_no_answers(customers: Path) -> None:
    write_published(customers / "base", "Llama")
    build(customers, BASE)
    page = pages(customers, "tuned")
    protection = page.of("protection")
    assert "base (weights) CC-BY-NC-SA-4.0 not known" in protection
    assert "What base learned from is not known here" in protection
    assert "with questions and answers" not in protection and "no task kept answers" in page.of("manager")
