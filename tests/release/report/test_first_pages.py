"""The first pages of a report answer what their readers ask; the questions were written before the pages."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from data_store import EMAILS
from small_store import build_store, make_nodes, write_sources

from lmworks.data.personal.findings import ELSEWHERE
from lmworks.evaluate.gates import Outcome
from lmworks.evaluate.primary import PrimaryAnswer
from lmworks.pipeline.store import Store
from lmworks.recipe.yaml import read_yaml
from lmworks.release.built import Built
from lmworks.release.inspect.verdicts import against_first, measured
from lmworks.release.report import manager
from lmworks.release.report.report import render, write_report
from report_pages import Pages, said_twice, too_long, words

QUESTIONS: dict[str, dict[str, str]] = read_yaml(Path(__file__).with_name("questions.yaml").read_text(), "").value


def pages(store: Store) -> Pages:
    return Pages(write_report(store).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small(built: Store) -> Pages:
    return pages(built)


@pytest.fixture(scope="module")
def data(data_store: Store) -> Pages:
    return pages(data_store)


Answered = Callable[[str, Built, str, Built], bool]
"""The reader's page of the small build, that build, her page of the build of every data step, and that."""


def seconds(built: Built) -> float:
    return sum(artifact.manifest.run.seconds for artifact in built.artifacts.values())


def processor(built: Built) -> str:
    return built.artifacts["pretrain"].manifest.run.processor


def versions(built: Built) -> dict[str, str]:
    return built.artifacts["pretrain"].manifest.libraries


ANSWERS: dict[str, dict[str, Answered]] = {
    "manager": {
        "allowed": lambda page, built, _, __: (
            "Nothing speaks for it yet, and a baseline wins in 1 of 2 tasks." in page and "No gate says" in page
        ),
        "purpose": lambda page, built, _, __: (
            built.use_case in page and all(each.task in page for each in measured(built))
        ),
        "quality": lambda page, built, _, __: "finetune reaches 0.391 ROUGE-L (more is better)" in page,
        "baseline": lambda page, built, _, __: "copy-nearest has 0.412" in page and "copy-nearest 0.412 no " in page,
        "certainty": lambda page, built, _, __: "95 % sure that it is between" in page and "from 1,140 items" in page,
        "cost": lambda page, built, _, __: (
            f"{seconds(built):.1f} s of computing" in page
            and "Money and energy were not metered" in page
            and processor(built) in page
        ),
        "promised": lambda page, built, _, __: bool(
            re.search(r"3 of 5 predictions .* time of data .* not 83 min", page)
        ),
        "wrong": lambda page, built, _, __: "How often it is wrong, no task counts" in page and "bad answers" in page,
        "unknown": lambda page, built, _, __: "fairness between groups" in page and "no training was repeated" in page,
        "next": lambda page, built, _, __: "A recipe names nobody" in page and "what to try next" in page,
    },
    "data protection": {
        "sources": lambda page, built, data, _: "handbook" in page and "13 documents of 1 source;" in page,
        "licences": lambda page, built, data, _: "handbook CC-BY-4.0 13" in page and "CC-BY-4.0 or MIT" in data,
        "people": lambda page, built, data, _: (
            "no source says whom a text is about" in page and "named by patient" in data
        ),
        "masked": lambda page, built, data, _: "no step anonymises" in page and "redacted" in data and "email" in data,
        "recall": lambda page, built, data, more: all(
            f"{figure.value:.3f}" in data
            for figure in more.artifacts["private"].manifest.figures
            if figure.name == "recall of email"
        ),
        "not_sought": lambda page, built, data, _: "names that no field states, date" in data and "health" in data,
        "place": lambda page, built, data, more: (
            str(built.store.root) in page
            and "Could not be read: 1 record," in page
            and ("every user" in page or "its owner" in page)
        ),
        "weights": lambda page, built, data, _: "finetune learned from" in page and "corpus (" in page,
        "erasure": lambda page, built, data, _: (
            'lmworks erase "NAME" --apply' in page
            and 'lmworks data find "NAME"' in data
            and "Nobody was erased" in page
        ),
        "repeats": lambda page, built, data, _: "not measured; lmworks trace" in page and "lmworks gc --apply" in page,
    },
    "engineer": {
        "reproduce": lambda page, built, _, __: built.command in page,
        "machine": lambda page, built, _, __: (
            processor(built) in page and f"torch {versions(built)['torch']}" in page and "seeds 0" in page
        ),
        "stale": lambda page, built, _, __: "No step is missing or stale." in page,
        "plan": lambda page, built, _, __: bool(re.search(r"Unlike the plan: time of data is \S+ s, and 83 min", page)),
        "doubt": lambda page, built, _, __: "Trainings: finetune (underfit)" in page,
        "figures": lambda page, built, _, __: "finetune 0.391 ROUGE-L 0.370 to 0.414 1,140 0.06" in page,
        "conditions": lambda page, built, _, __: (
            "Not comparable: pretrain and finetune" in page and "512 tokens" in page
        ),
        "contamination": lambda page, built, _, __: (
            "Contamination is not known of all items of " in page
            and "1,140 – not known 512 tokens, 1 items were longer" in page
        ),
        "worst": lambda page, built, _, __: "Worst: documentation-questions-test (copy-nearest has 0.412)" in page,
        "try_next": lambda page, built, _, __: "What would help finetune" in page,
    },
}


def test_thirty_questions_were_written_down() -> None:
    assert [len(asked) for asked in QUESTIONS.values()] == [10, 10, 10]
    assert {reader: list(asked) for reader, asked in QUESTIONS.items()} == {
        reader: list(answers) for reader, answers in ANSWERS.items()
    }


@pytest.mark.parametrize(("reader", "asked"), [(reader, each) for reader in QUESTIONS for each in QUESTIONS[reader]])
def test_a_reader_finds_the_answer_on_her_page(
    reader: str, asked: str, small: Pages, data: Pages, built: Store, data_store: Store
) -> None:
    section = {"data protection": "protection"}.get(reader, reader)
    page, other = small.of(section), data.of(section)
    found = ANSWERS[reader][asked](page, Built.open(built), other, Built.open(data_store))
    assert found, f"{QUESTIONS[reader][asked]}\n{page}\n{other}"


def test_first_pages_take_a_minute_and_the_report_ten(small: Pages, data: Pages) -> None:
    for page in (small, data):
        assert too_long(page) == {}
        assert words(page.unfolded) <= 3000


def test_nothing_is_said_twice(small: Pages, data: Pages) -> None:
    assert said_twice(small.blocks) == [] and said_twice(data.blocks) == []


def test_every_link_leads_to_a_place_or_to_a_file_beside_the_page(small: Pages, built: Store) -> None:
    for address in small.links:
        if address.startswith("#"):
            assert address[1:] in small.ids
        else:
            assert (built.root / "reports" / address).is_file()
    assert {"handbook-data.html", "handbook-finetune-card.md"} <= set(small.links)


@pytest.fixture
def until_corpus(tmp_path: Path) -> Iterator[Store]:
    write_sources(tmp_path / "sources")
    yield build_store(tmp_path, make_nodes(tmp_path, until="corpus"))


def test_nothing_is_told_of_what_never_ran(until_corpus: Store) -> None:
    text = write_report(until_corpus).read_text()
    page = Pages(text)
    assert page.of("manager").startswith("Manager No: no model is built yet.")
    for never in (
        "time of pretrain",
        "Training",
        "All figures",
        "Good and bad",
        "Leading figures",
        "Which models",
        "threads 2",
    ):
        assert never not in text, never
    assert "Not built yet: questions, tokenizer, pretrain/data, pretrain/validation and " in page.of("engineer")
    assert "Finish the build: lmworks build" in page.of("manager")


def test_personal_data_in_answers_is_hidden(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    for step in ("finetune", "evaluate/documentation-questions-test/finetune"):
        for path in store.named(step).payload.glob("*.jsonl"):
            path.write_text(path.read_text().replace("Returns", f"Ask {EMAILS[0]}; returns"))
    text = render(Built.open(store))
    assert "Ask ‹email hidden›; returns" in text and EMAILS[0] not in text


def test_texts_that_the_recipe_calls_confidential_are_called_so_where_data_protection_is_told(
    until_corpus: Store, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    for privacy, told in (("internal", ""), ("secret", "According to its recipe, the texts are secret. ")):
        recipe.write_text(f"name: handbook\nuse_case: asking\nneeds: {{privacy: {privacy}}}\n")
        page = pages(until_corpus).of("protection")
        assert f"Data protection {told}13 documents of 1 source; no step looked for personal data in them." in page


@pytest.mark.parametrize(
    ("passed", "verdict"),
    [
        ((True, True), "Yes, for what its recipe asks: it passed all 2 gates, and a baseline wins in 1 of 2 tasks."),
        ((True, False), "No: 1 of its 2 gates failed, so it is not released."),
        ((), "Not yet: the gates of its recipe are not tried."),
    ],
)
def test_the_manager_is_told_by_the_gates(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: tuple[bool, ...], verdict: str
) -> None:
    one = Built.open(built)
    outcomes = [
        {"model": "finetune", "digest": None, "passed": each, "sentence": f"finetune gate {number}: {each}"}
        for number, each in enumerate(passed)
    ]
    monkeypatch.setattr("lmworks.release.report.manager.NODE", "pretrain")
    monkeypatch.setattr(
        "lmworks.release.report.manager.outcomes",
        lambda _: [Outcome(**each) for each in outcomes],
    )
    page = Pages(render(one)).of("manager")
    assert verdict in page
    if False in passed:
        assert "finetune gate 1: False" in page and "gate 0" not in page


def test_what_is_known_of_other_seeds_is_not_said_to_be_unknown(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    path = store.named("evaluate/documentation-questions-test").payload / "comparison.json"
    found = json.loads(path.read_text())
    found["verdicts"].append("over 3 seeds, a, b, c have 0.1 to 0.2 ROUGE-L, standard deviation 0.05")
    path.write_text(json.dumps(found))
    page = Pages(render(Built.open(store))).of("manager")
    assert "no training was repeated" not in page and "by more than their seed: see the spread over seeds" in page


def test_what_a_search_of_the_training_text_found_is_not_said_to_be_unknown(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Built.open(built)
    best = next(each for each in measured(one) if each.task.startswith("documentation"))
    searched = replace(best, items=Counter(clean=12, unknown=8))
    monkeypatch.setattr("lmworks.release.report.manager.measured", lambda *_: [searched])
    page = Pages(render(one)).of("manager")
    found = "had seen 8 of 20 items of documentation-questions-test (0 stand in what it learned from, 12 are clean)."
    assert f"Whether the model {found}" in page and "What it does with new items" not in page
    met = replace(best, items=Counter(known=5, clean=15))
    monkeypatch.setattr("lmworks.release.report.manager.measured", lambda *_: [met])
    page = Pages(render(one)).of("manager")
    assert "(it had met 5 of 20 items in training, and no score is of the 15 clean)." in page
    figure = replace(best.figure, clean_value=0.25, clean_n=15)
    monkeypatch.setattr("lmworks.release.report.manager.measured", lambda *_: [replace(met, figure=figure)])
    page = Pages(render(one)).of("manager")
    assert "What it does with new items" not in page and "the model had seen" not in page
    assert "Met in training: 5 of 20 items of documentation-questions-test (the clean ones alone: ROUGE-L 0.25" in page
    monkeypatch.setattr("lmworks.release.report.engineer.measured", lambda *_: [searched, met])
    monkeypatch.setattr("lmworks.release.report.engineer.ROWS", 1)
    page = Pages(render(one)).of("engineer")
    assert "0.06 0 of 20, 8 not known" in page and "1 more tasks are below." in page


def test_gates_that_are_not_shown_are_counted(built: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gates = [Outcome(model="finetune", digest=None, passed=False, sentence=f"gate {number}") for number in range(5)]
    monkeypatch.setattr("lmworks.release.report.manager.NODE", "pretrain")
    monkeypatch.setattr("lmworks.release.report.manager.outcomes", lambda _: gates)
    page = Pages(render(Built.open(built)))
    assert "2 more gates stand on the card of finetune." in page.of("manager")


@pytest.mark.parametrize("is_measured", [True, False])
def test_the_answer_for_one_served_model_hides_no_other_that_nothing_measured(
    built: Store, monkeypatch: pytest.MonkeyPatch, is_measured: bool
) -> None:
    sentence = "Yes: finetune is better than the baseline xz."
    answer = PrimaryAnswer("yes", sentence, "texts", "finetune", "bits per byte", 0, [])
    monkeypatch.setattr(manager, "primary_answer", lambda _: answer)
    monkeypatch.setattr(manager, "served", lambda _: ["finetune", "pretrain"] if not is_measured else ["finetune"])
    results = [each for each in measured(Built.open(built)) if each.model == "finetune"]
    verdict, _ = manager.allowed(Built.open(built), results)
    assert verdict == (sentence if is_measured else "No: nothing is known about how good pretrain is.")


def test_verdicts_against_a_model_that_are_not_shown_are_counted() -> None:
    lines = [f"rival{number} is ahead of ours: +0.1" for number in range(5)]
    assert against_first(lines, "ours") == [*lines[:3], "2 more verdicts speak against ours"]
    assert against_first(lines[:3], "ours") == lines[:3]


def test_erased_documents_are_counted(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    (tmp_path / "store" / "erased.txt").write_text(f"{'a' * 32}\n{'b' * 32}\n")
    assert "Erased so far: 2 documents." in pages(Store(tmp_path / "store")).of("protection")


def test_a_data_report_that_would_take_long_is_named_by_its_command(
    built: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    monkeypatch.setattr("lmworks.release.report.report.DATA_REPORT_BYTES", 10)
    page = pages(Store(tmp_path / "store"))
    assert "lmworks data report writes it" in page.of("protection") and "handbook-data.html" not in page.links


def test_what_no_pattern_of_other_countries_finds_is_said_on_the_page_and_in_the_docs(data: Pages) -> None:
    """Both go by one table, so that neither promises what the other takes back."""
    manual = " ".join((Path(__file__).parents[3] / "docs" / "privacy.md").read_text(encoding="utf-8").split())
    page = " ".join(data.of("protection").split())
    assert ELSEWHERE and all(told in manual for told in ELSEWHERE.values())
    _, _, unsought = page.partition("Found only for some countries (docs/privacy.md)")
    assert all(told in unsought for told in ELSEWHERE.values())
