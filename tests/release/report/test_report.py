"""The report: what it says, what it never says, and that nothing in it can run or be fetched."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_store import NASTY, TaskConfig, build_store, make_nodes, write_sources

from lmworks.errors import UsageError
from lmworks.pipeline.build import Node
from lmworks.pipeline.conditions import Conditions
from lmworks.pipeline.figure import Figure
from lmworks.pipeline.stage import Context, Handle, Result, stage
from lmworks.pipeline.store import Store
from lmworks.recipe.schema import ServeConfig
from lmworks.release.built import Built
from lmworks.release.cards.card import card_facts
from lmworks.release.inspect.verdicts import Doubt, trainings_in_doubt
from lmworks.release.render.charts import Bar, Series, interval_chart, line_chart, ticks
from lmworks.release.render.picture import Box, picture
from lmworks.release.render.tables import may_compare, tasks
from lmworks.release.render.templates import environment
from lmworks.release.report.ending import ending
from lmworks.release.report.report import render, warned_once, write_report
from support import change_manifest


class Page(HTMLParser):
    """The tags, attributes and visible text of a page; a tag that is not closed fails."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page(built: Store) -> Page:
    return Page(write_report(built).read_text(encoding="utf-8"))


def test_the_report_lies_in_the_store_and_is_written_again_alike(built: Store) -> None:
    path = write_report(built)
    assert path == built.root / "reports" / "handbook.html"
    before = re.sub(r"Written [^<]*", "", path.read_text())
    assert re.sub(r"Written [^<]*", "", write_report(built, "handbook").read_text()) == before
    assert (built.root / "reports" / "handbook-finetune-card.md").exists()


def test_the_page_is_standard_html(built: Store) -> None:
    assert write_report(built).read_text().startswith("<!doctype html>\n<html lang")


def test_nothing_in_it_runs_or_is_fetched(page: Page) -> None:
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert name != "src"
        if name == "href":
            assert value is not None and (value.startswith("#") or re.fullmatch(r"handbook-[\w-]+\.(html|md)", value))
    assert "url(http" not in page.text and "@import" not in page.text


def test_texts_of_data_and_model_are_shown_as_they_are_and_never_as_markup(page: Page) -> None:
    assert "answering from the <b>handbook</b>" in page.text
    assert "<script>alert('x')</script>" in page.text
    assert "script" not in page.tags


def test_a_baseline_that_wins_is_said_first(page: Page) -> None:
    first = page.text.index("copy-nearest wins: 0.4")
    assert first < page.text.index("pretrain and finetune are not compared: context length"), "by task"
    assert first < page.text.index("finetune is ahead of pretrain"), "what else it is"


def test_a_figure_stands_with_n_interval_chance_context_and_method(page: Page) -> None:
    text = page.text
    assert "ROUGE-L · higher is better · context 512 tokens" in text
    assert "finetune 0.391 0.370 to 0.414 1,140 0.06" in text
    assert "copy-nearest baseline 0.412" in text
    tables = text.partition("All figures")[2].partition("Further: ")[0]
    assert tables.count("chance") == 1, "no column where nobody knows what guessing scores"
    assert "near-duplicates of test documents were dropped from training" in text
    assert text.count("documentation, 95 % interval by bootstrap over services") == 1


def test_figures_of_different_conditions_never_share_a_table(built: Store) -> None:
    tables = tasks(Built.open(built))["perplexity-questions-test"]
    assert [[system for system, _, _ in table.rows] for table in tables] == [["pretrain"], ["finetune"]]


def test_the_report_says_that_split_tables_are_not_comparable(page: Page) -> None:
    assert "Not comparable with the table above." in page.text
    assert "pretrain and finetune are not compared: context length is 512 in one, 256 in the other" in page.text


SAME = Conditions(
    items="these", prompt="chat", context_length=512, stride=256, truncated=3, data_type="bfloat16", device="cpu"
)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "accuracy"},
        {"unit": "%"},
        {"n": 19},
        {"conditions": replace(SAME, context_length=256)},
        {"conditions": replace(SAME, stride=64)},
        {"conditions": replace(SAME, prompt="5-shot")},
        {"conditions": replace(SAME, data_type="float32")},
        {"conditions": replace(SAME, device="cuda")},
        {"conditions": replace(SAME, items="others")},
        {"conditions": None},
    ],
)
def test_each_condition_keeps_figures_apart(change: dict[str, object]) -> None:
    same: dict[str, object] = {"name": "score", "value": 0.5, "n": 20, "method": "counted", "conditions": SAME}
    figure = Figure(**same)  # type: ignore[arg-type]
    assert may_compare(figure, Figure(**{**same, "value": 0.6}))  # type: ignore[arg-type]
    assert not may_compare(figure, Figure(**{**same, **change}))  # type: ignore[arg-type]
    baseline = Figure(name="score", value=0.4, n=20, method="copied", conditions=Conditions(items=SAME.items))
    assert may_compare(figure, baseline), "a baseline has no context length"


def test_losses_and_the_sample_as_it_was_rewritten(page: Page) -> None:
    text = page.text
    assert "loss, nats per token" in text and "bits per byte (validation)" in text
    places = [text.index(part) for part in ("of of of the", "Lists the the queue.", "Returns a list of your queues.")]
    assert places == sorted(places)


def test_what_sorts_texts_has_a_loss_a_text_and_no_bits_per_byte(built: Store, tmp_path: Path) -> None:
    shutil.copytree(built.root, tmp_path / "store")
    for path in (tmp_path / "store" / "artifacts" / "train").glob("*/manifest.json"):

        def change(manifest: dict[str, Any]) -> None:
            manifest["config"]["objective"] = "sequence-classification"
            manifest["figures"][0]["unit"] = "nats per text"

        change_manifest(path, change)
    text = Page(write_report(Store(tmp_path / "store")).read_text()).text
    assert "loss, nats per text" in text and re.search(r"last validation loss [\d.]+ nats per text", text)
    assert "bits per byte (validation)" not in text and "nats per text (about" not in text


def test_good_and_bad_samples(page: Page) -> None:
    text = page.text
    assert "best · ROUGE-L 0.691 · Service19 ListThings" in text
    assert "worst · ROUGE-L 0.05767 · Service0 ListThings" in text
    assert text.index("best · ROUGE-L") < text.index("median · ROUGE-L") < text.index("worst · ROUGE-L")


def test_plan_stands_beside_actual(page: Page) -> None:
    assert re.search(r"time of data 83 min to 2.5 h \S+ s less", page.text)
    assert re.search(r"time of pretrain 0.0 s to 90 s \S+ s as predicted", page.text)
    assert re.search(r"time of evaluation up to 0.0 s \S+ s MORE", page.text)
    assert "bits per byte of held-out text 1.2 to 1.4 1.31 as predicted" in page.text


def test_what_did_not_come_true_and_a_training_in_doubt_are_said_first_to_the_engineer(page: Page) -> None:
    engineer = page.text.partition("What is in doubt")[2]
    assert engineer.index("finetune (underfit)") < engineer.index("Leading figures")
    assert engineer.index("time of data is") < engineer.index("Leading figures")


def test_a_base_that_never_saw_its_frame_is_told_where_chats_are_asked_of_it(tmp_path: Path) -> None:
    frame = {"reason": "frame", "verdict": "another frame", "text": "came without a chat template"}
    (tmp_path / "examples.jsonl").write_text(json.dumps(frame) + "\n")

    def built(**config: str) -> Any:
        task = SimpleNamespace(manifest=SimpleNamespace(config=config))
        models = {"base": SimpleNamespace(payload=tmp_path)}
        return SimpleNamespace(models=models, evaluations=lambda: {"task": {"base": task}})

    assert trainings_in_doubt(built(prompt="chat")) == [Doubt("base", "another frame", "came without a chat template")]
    assert trainings_in_doubt(built(prompt="document")) == trainings_in_doubt(built()) == []


def test_the_learning_rate_stands_beside_the_loss(built: Store) -> None:
    text = write_report(built).read_text()
    assert text.index("Loss of pretrain") < text.index("Learning rate of pretrain") < text.index("Loss of finetune")


def test_lineage_machine_and_how_to_make_it_again(page: Page, built: Store) -> None:
    text = page.text
    assert "5.9M parameters" in text
    assert built.named("finetune").digest()[:16] in text
    assert "recipe.yaml --set pretrain.steps=400 --set 'a b=c'" in text and "torch" in text


@pytest.mark.parametrize("until", ["raw", "corpus", "pretrain", "evaluate/documentation-questions-test/pretrain"])
def test_an_unfinished_build_is_reported_and_says_what_is_missing(tmp_path: Path, until: str) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until=until), plan=None)
    text = Page(write_report(store).read_text()).text
    assert "No plan is stored" in text
    assert ("no model is built yet" in text) == (until in ("raw", "corpus"))
    assert ("nothing is known about how good it is" in text) == (until == "pretrain")
    assert "handbook CC-BY-4.0 13" in text
    assert "Not built yet: " in text


def test_a_model_that_was_not_trained_by_steps_is_not_said_to_be_missing(tmp_path: Path) -> None:
    """Such as a bag of words, or weights of others."""
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="pretrain"), plan=None)
    model = store.named("pretrain")
    (model.payload / "history.jsonl").unlink()
    change_manifest(model.folder / "manifest.json", lambda found: found["files"].pop("history.jsonl"))
    text = Page(write_report(store).read_text()).text
    assert "no model is built yet" not in text and "Loss of pretrain" not in text


def test_a_step_whose_inputs_changed_since_is_said_to_be_outdated(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="corpus"))
    record = store.builds.get("handbook")
    (tmp_path / "sources" / "bucket.txt").write_text(
        "Service0 CreateBucket\n\nMakes a bucket of another kind, at once."
    )
    build_store(tmp_path, make_nodes(tmp_path, until="clean"))
    changed = store.builds.get("handbook")
    assert record and changed
    store.builds.save("handbook", record.model_copy(update={"steps": record.steps | changed.steps}))
    built = Built.open(store)
    assert built.outdated == ["split"], "corpus was made from the split that the store has"
    assert "Stale, because inputs changed: split." in Page(render(built)).text


def test_artifacts_that_are_gone_are_named(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path, until="corpus"))
    shutil.rmtree(store.named("corpus").folder)
    assert (
        "Not built yet: corpus, questions, tokenizer, pretrain/data and 11 more."
        in Page(write_report(store).read_text()).text
    )


def test_an_empty_store_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no build in this store; make one with `lmworks build RECIPE`"):
        write_report(Store(tmp_path))


@given(st.text())
def test_any_text_is_shown_and_is_no_markup(text: str) -> None:
    made = environment().from_string("<p>{{ text }}</p>").render(text=text)
    page = Page(made)
    assert page.tags == ["p"]
    assert "".join(page.words).replace("\r\n", "\n").replace("\r", "\n") == text.replace("\r\n", "\n").replace(
        "\r", "\n"
    )
    drawn = Page(
        str(picture([Box(text, NASTY, text)], [])) + str(line_chart(text, text, text, [Series(text, [(1, 2)])]))
    )
    assert set(drawn.tags) <= {
        "svg",
        "title",
        "defs",
        "marker",
        "path",
        "g",
        "rect",
        "text",
        "line",
        "circle",
        "polyline",
    }
    assert not any(name.startswith("on") for name, _ in drawn.attributes)


@given(st.floats(-1e6, 1e6), st.just(0.0) | st.floats(1e-6, 1e6))
def test_ticks_enclose_the_values_and_are_few(low: float, length: float) -> None:
    made = ticks(low, low + length)
    assert made == sorted(set(made)) and 1 <= len(made) <= 12
    assert len(made) >= 4 or length <= 1e-5 * abs(low)
    slack = 1e-6 * (1 + abs(low) + length)
    assert made[0] <= low + slack and made[-1] >= low + length - slack


def test_every_step_stands_below_its_inputs_in_the_picture() -> None:
    boxes = [Box(name, "") for name in ("raw", "corpus", "tokenizer", "model", "test")]
    arrows = [("raw", "corpus"), ("raw", "test"), ("corpus", "tokenizer"), ("tokenizer", "model"), ("model", "test")]
    drawn = str(picture(boxes, [*arrows, ("corpus", "model")]))
    heights = {
        name: float(y)
        for y, name in re.findall(
            r'<text class="strong" x="[\d.]+" y="([\d.]+)" text-anchor="middle">(\w+)</text>', drawn
        )
    }
    assert len(heights) == 5
    assert all(heights[above] < heights[below] for above, below in arrows)
    assert drawn.count("marker-end") == 6


def test_a_long_name_is_drawn_whole_beside_its_interval() -> None:
    name = "smollm2-135m-5-shot-prompt"
    drawn = str(interval_chart("ROUGE-L", "ROUGE-L", [Bar(name, 0.1, (0.05, 0.2), "0.1", True)]))
    (end,) = re.findall(rf'x="([\d.]+)" y="[\d.]+" text-anchor="end">{name}', drawn)
    assert float(end) > 8 * len(name)  # a bold letter is some 8 units wide, and what is left of 0 is cut


def serving(store: Store, *left_out: str) -> Built:
    """The build of a recipe that serves its tuned model, without steps that begin so."""
    built = Built.open(store)
    steps = {name: step for name, step in built.record.steps.items() if not name.startswith((*left_out, "-"))}
    fields = {"serve": ServeConfig(model="finetune"), "steps": steps, "nodes": tuple(steps)}
    return Built(store, built.name, built.record.model_copy(update=fields))


def test_the_end_of_a_build_is_one_box(built: Store) -> None:
    found = ending(serving(built), Path("reports/handbook.html"), [])
    lines = found.lines(80, 12)
    assert len(lines) <= 12 and max(map(len, lines)) <= 80
    assert lines[0].startswith("Nothing speaks for it yet, and a baseline wins in 1 of 2 tasks.")
    assert any(line.startswith("  Documentation questions test: finetune 0.39 ROUGE-L") for line in lines)
    assert "The training of finetune is in doubt: the report says why." in lines
    assert lines[-2:] == ["report: reports/handbook.html", "next: lmworks open  (the report says what to do)"]
    assert "predict" not in "".join(lines) and len(found.numbers) <= 3
    assert len(found.lines(60, 7)) <= 7, "numbers give way"


def test_a_build_that_failed_a_gate_or_measured_nothing_does_not_say_serve(built: Store) -> None:
    assert ending(serving(built), Path("r.html"), ["finetune fails documentation"]).next.startswith("lmworks open")
    unknown = ending(serving(built, "evaluate/"), Path("r.html"), [])
    assert unknown.verdict == "No: nothing is known about how good finetune is." and not unknown.numbers
    assert unknown.next.startswith("measure finetune: name it under `evaluate: models:` in ")


@stage(version=1, measures=("model", "data"))
def evaluate_seen(config: TaskConfig, model: Handle, data: Handle, out: Path, context: Context) -> Result:
    figure = Figure(name="rouge_l", value=config.score, n=20, method="counted", unit="ROUGE-L")
    (out / "items.jsonl").write_text("")
    return Result(figures=[figure])


def test_a_task_on_trained_text_is_a_diagnosis_and_judges_no_model(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    inputs = {"model": "finetune", "data": "questions.train"}
    seen = Node("evaluate/documentation-questions-train/finetune", evaluate_seen, TaskConfig(score=0.99), inputs)
    store = build_store(tmp_path, [*make_nodes(tmp_path), seen])
    found = serving(store)
    assert found.diagnoses == {"documentation-questions-train"}
    assert not any("0.99" in number for number in ending(found, Path("r.html"), []).numbers)
    assert "of 2 tasks" in ending(found, Path("r.html"), []).verdict
    shown = Page(render(found)).text
    assert "documentation-questions-train · A diagnosis: the model was trained on most of these texts." in shown
    facts = card_facts(store, store.named("finetune"))
    assert not any("train" in figure.name for figure in facts["figures"]) and "0.99" not in facts["advice"][0]
    alone = serving(store, "evaluate/documentation-questions-test", "evaluate/perplexity")
    assert ending(alone, Path("r.html"), []).verdict == "No: nothing is known about how good finetune is."


def test_a_page_is_written_again_only_when_what_it_shows_has_changed(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path))
    reports = store.root / "reports"

    def written() -> set[str]:
        """The pages that are written anew."""
        for page in reports.iterdir():
            before[page.name] = page.read_text()
        stamps = {page: page.stat().st_mtime_ns for page in reports.iterdir()}
        write_report(store)
        return {page.name for page in reports.glob("*.*[!n]") if stamps.get(page) != page.stat().st_mtime_ns}

    before: dict[str, str] = {}
    write_report(store)
    assert written() == set()
    (reports / "handbook-items-documentation-questions-test.html").write_text("edited")
    (reports / "handbook-pretrain-card.md").unlink()
    assert written() >= {"handbook-items-documentation-questions-test.html", "handbook-pretrain-card.md"}
    assert "handbook-data.html" in before and written() == set()
    (tmp_path / "recipe.yaml").write_text("name: handbook\nuse_case: something else\n")
    assert "handbook.html" in written() and "something else" in (reports / "handbook.html").read_text()
    build_store(tmp_path, [*make_nodes(tmp_path), *make_nodes(tmp_path)[-1:]], plan=None)
    assert written() == {"handbook.html", "handbook-pretrain-card.md", "handbook-finetune-card.md"}


def test_what_was_measured_of_an_earlier_state_of_the_recipe_stands_apart(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    before = Built.open(build_store(tmp_path, make_nodes(tmp_path))).record.steps
    (*above, pretrain) = make_nodes(tmp_path, until="pretrain")
    changed = replace(pretrain, config=type(pretrain.config)(learning_rate=0.03))
    store = build_store(tmp_path, [*above, changed])  # finetune, which begins with it, is to be made again
    record = store.builds.get("handbook")
    assert record
    store.builds.save("handbook", record.model_copy(update={"steps": before | record.steps}))
    page = Page(write_report(store).read_text()).text
    now, _, earlier = page.partition("From an earlier state of the recipe")
    assert "finetune 0.391" not in now and "pretrain 0.200" not in now and "copy-nearest wins" not in now
    assert "finetune 0.391" in earlier and "pretrain 0.200" in earlier and "recipe now makes other models" in earlier
    assert "nothing is known about how good it is" in now
    assert "copy-nearest" in now and "0.412" in now, "a baseline of unchanged questions is what it was"


def test_what_the_recipe_no_longer_asks_for_so_is_stale_though_its_inputs_are_the_same(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources")
    store = build_store(tmp_path, make_nodes(tmp_path))
    record = store.builds.get("handbook")
    assert record
    store.builds.save("handbook", record.model_copy(update={"changed": ("finetune",)}))
    built = Built.open(store)
    assert built.outdated == ["finetune"]
    now, before = built.parted()
    assert {task: {*systems} for task, systems in before.evaluations().items()} == {
        f"{kind}-questions-test": {"finetune", ""} for kind in ("perplexity", "documentation")
    }
    assert "finetune" not in now.evaluations()["documentation-questions-test"]


def test_a_warning_that_is_the_same_of_several_stands_once_with_its_count() -> None:
    narrow = "the interval may be too narrow: the items come in groups that tell as much as 3.0 of equal size would"
    why = "prompt is chat in one, text in the other"
    lines = [
        f"a is ahead of b: +0.200 accuracy, n=9; {narrow}",
        f"a is ahead of c: +0.300 accuracy, n=9; {narrow}",
        f"b and c do not differ significantly: +0.100 accuracy, n=9; {narrow}",
        "between a and b differs, too: the tokenizer",
        f"a and d are not compared: {why}",
        f"b and d are not compared: {why}",
    ]
    found = warned_once(lines)
    assert found == [
        lines[0],
        "a is ahead of c: +0.300 accuracy, n=9",
        "b and c do not differ significantly: +0.100 accuracy, n=9",
        f"of 2 of these {narrow}",
        lines[3],
        f"2 pairs are not compared: {why} (a and d, b and d)",
    ]
    assert warned_once(lines[:2]) == lines[:2] and warned_once(lines[3:5]) == lines[3:5]
