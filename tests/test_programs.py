"""What a notebook imports: the same work as the commands do, on the same stores, in the same words."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import lmworks
from e2e.small_recipe import lmworks as command
from lmworks import LmworksError, OpenRecipe, evaluate_answers, open_model, open_recipe, records
from lmworks.data.shards.records import Document
from lmworks.engines.open import open_engine
from lmworks.errors import GateRefused, UsageError
from lmworks.evaluate.own import Evaluated
from published import take, write_published
from readers import write_reader
from tiny import make_tiny_model

RECIPE = """\
name: letters
use_case: sorting letters
plan: {measure: false}
data:
  raw:
    kind: ingest
    sources: [{kind: files, path: letters, licence: MIT, keep: [label]}]
    licences: {allow: [permissive]}
    shard_bytes: 4096
  split: {kind: split, from: raw, by: id, test: 60, validation: 20}
models:
  words: {objective: bag-of-words, data: split.train}
evaluate:
  models: [words]
  tasks: [{kind: classification, data: split.test, train: split.train}]
serve: {model: words}
"""
SAID = {"refund": "money back", "praise": "thank you", "delivery": "where is my parcel"}


def write_project(folder: Path) -> Path:
    (folder / "letters").mkdir(parents=True)
    rows = [
        {"text": f"Letter {number}: {SAID[label]}, {'please' if number % 3 else 'now'}.", "label": label}
        for number, label in enumerate(list(SAID) * 60)
    ]
    for part in range(6):  # and so several shards
        lines = "".join(json.dumps(row) + "\n" for row in rows[part::6])
        (folder / "letters" / f"{part}.jsonl").write_text(lines)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenRecipe]:
    path = write_project(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        opened = open_recipe(path)
        opened.build(progress=lambda line: None)
        yield opened


def test_importing_it_loads_nothing() -> None:
    code = "import sys, lmworks; assert not {'torch', 'numpy', 'pydantic', 'lmworks.api'} & set(sys.modules), 'loaded'"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(lmworks.__all__) >= {"open_recipe", "open_model", "records", "evaluate_answers", "LmworksError"}
    with pytest.raises(AttributeError, match="has no attribute 'open_recipes'"):
        lmworks.open_recipes  # type: ignore[attr-defined]  # noqa: B018


def test_a_build_tells_its_lines_and_is_what_the_commands_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lines = write_project(tmp_path), list[str]()
    monkeypatch.chdir(tmp_path)
    opened = open_recipe(path, ["split.test=50"])
    finished = opened.build(until="raw", progress=lines.append)
    assert any(line.startswith("raw: done in") for line in lines) and finished.report.is_file()
    assert finished.artifacts["raw"].manifest.counts["documents"] == 180
    again = list[str]()
    opened.build(until="raw", progress=again.append)
    assert "[1/1] raw: reused" in again
    assert json.loads(command(tmp_path, "show", "raw", "--json").stdout)["key"] == finished.artifacts["raw"].key
    assert open_recipe(path).plan().as_text().startswith("plan ")


def test_figures_verdicts_and_items_are_read_from_the_store(recipe: OpenRecipe) -> None:
    figure = recipe.figures["evaluate/classification-split-test/words"][0]
    assert figure.name == "accuracy" and figure.n == 60 and figure.interval and figure.value == 1
    assert any("ahead" in line or "told apart" in line for line in recipe.verdicts["classification-split-test"])
    items = recipe.items("classification-split-test")
    assert {"words", "majority"} <= set(items) and len(items["words"]) == 60
    with pytest.raises(UsageError, match="no task 'sorting' in the last build; its tasks are: classification"):
        recipe.items("sorting")
    assert "0.jsonl" in {each.path for each in recipe.trace().files}


def test_faults_have_the_words_of_the_command_line(recipe: OpenRecipe, tmp_path: Path) -> None:
    with pytest.raises(LmworksError, match=r"recipe\.yaml.*split"):
        open_recipe(recipe.path, ["split.tests=50"])
    with pytest.raises(UsageError, match="cannot be read"):
        open_recipe(tmp_path / "nothing.yaml")
    path = write_project(tmp_path / "fresh")
    with pytest.raises(UsageError, match="it was never built"):
        _ = open_recipe(path).figures
    with pytest.raises(GateRefused, match="accuracy"):
        gated = path.with_name("gated.yaml")
        gated.write_text(
            RECIPE.replace(
                "tasks: [{",
                "gates: [{task: classification, at_least: 0.999}]\n  tasks: [{",
            )
        )
        open_recipe(gated).build(progress=lambda line: None)


def test_records_of_steps_are_typed_and_make_tables(recipe: OpenRecipe) -> None:
    found = list(recipe.records("split.test"))
    assert len(found) == 60 and all(isinstance(each, Document) and each.meta["label"] in SAID for each in found)
    table = recipe.records("split.train").to_arrow()
    assert table.num_rows == 100 and {"id", "text", "label", "source"} <= set(table.column_names)
    assert set(records("split.test", recipe.path).to_pandas()["label"]) == set(SAID)
    (item, *_) = records("evaluate/classification-split-test/words", recipe.store)
    assert isinstance(item, dict) and {"prompt", "answer", "reference"} <= set(item)
    with pytest.raises(UsageError, match=r"'split' holds no records; expected split\.test, split\.train"):
        records("split", recipe)
    with pytest.raises(UsageError, match="'words' holds no records; bag-of-words makes none"):
        records("words", recipe)


def test_records_that_were_changed_are_refused(tmp_path: Path) -> None:
    opened = open_recipe(write_project(tmp_path))
    made = opened.build(until="raw", progress=lambda line: None).artifacts["raw"]
    shard = next(made.payload.glob("part-*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(LmworksError, match="damaged or changed"):
        opened.records("raw")


@pytest.mark.whole
def test_a_script_without_a_guard_builds_once(tmp_path: Path) -> None:
    """Python has worker processes run a program's first file again, where each waited for the others, for ever."""
    write_project(tmp_path)
    (tmp_path / "script.py").write_text(
        textwrap.dedent(
            """
            from lmworks import open_recipe
            with open("ran", "a") as file:
                print("once", file=file)
            open_recipe("recipe.yaml").build(until="split", progress=print)
            """
        )
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "ran").read_text() == "once\n" and "split: done in" in done.stdout


def test_a_thread_can_build(tmp_path: Path) -> None:
    """Signals are set in the first thread alone."""
    opened, made = open_recipe(write_project(tmp_path)), list[str]()

    def work() -> None:
        made.extend(opened.build(until="raw", progress=lambda line: None).artifacts)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert made == ["raw"]


def test_a_model_of_a_recipe_answers(recipe: OpenRecipe) -> None:
    for model in (
        recipe.open_model(),
        recipe.open_model("words"),
        open_model(recipe.path),
        open_model("words", recipe.store),
    ):
        assert [each.label for each in model.classify(["I want my money back", "Thank you"])] == ["refund", "praise"]
    assert model.classify([]) == []
    with pytest.raises(LmworksError, match="tells the label of a text; this request needs a model that writes text"):
        model.generate(["Hello"])
    with pytest.raises(UsageError, match=r"found the text 'Thank you'; expected a list of texts"):
        model.classify("Thank you")
    with pytest.raises(LmworksError, match="text 2 of 2: text holds no text"):
        model.classify(["Thank you", " "])
    with pytest.raises(UsageError, match="no step or digest 'sorter'"):
        open_model("sorter", recipe.store)


@pytest.mark.slow
def test_what_pytorch_does_not_compute_is_written_in_no_form(recipe: OpenRecipe) -> None:
    export = ("export", recipe.path.name, "words", "--form", "onnx")
    for form in ("onnx", "gguf"):
        said = command(recipe.path.parent, *export[:-1], form, code=1).stderr
        assert f"words: a model of kind bag-of-words cannot be written as {form.upper()}, which is for decoders" in said
    said = command(recipe.path.parent, *export, "--type", "q8_0", code=2).stderr
    assert "--form onnx --type q8_0: expected gguf and one of f32, f16, q8_0, or onnx and one of f32" in said
    assert not [
        *recipe.path.parent.glob("*.onnx*"),
        *recipe.path.parent.glob("*.gguf*"),
        *recipe.path.parent.glob("*Modelfile"),
    ]


def test_a_folder_in_a_store_is_refused_once_it_is_erased(recipe: OpenRecipe, tmp_path: Path) -> None:
    """By its path, too, as `lmworks serve` refuses it."""
    opened = open_recipe(write_project(tmp_path))
    model = opened.build(until="words", progress=lambda line: None).artifacts["words"]
    assert open_model(model.payload, opened.store).digest == model.digest()
    (model.folder / "manifest.json").unlink()
    with pytest.raises(LmworksError, match="its store has no such artifact"):
        open_model(model.payload, opened.store)


def test_models_of_every_family_answer(tmp_path: Path) -> None:
    texts = ["Where is parcel 7?", "Größe"]
    tagger = open_model(write_reader(tmp_path / "tagger", "token classifier"))
    assert [list(each.spans) for each in tagger.tag(texts)] == [
        list(e.spans) for e in open_engine(tagger.folder).tag(texts)
    ]
    encoder = open_model(write_reader(tmp_path / "encoder", "encoder"))
    assert [len(each.vector) for each in encoder.embed(texts)] == [32, 32]
    decoder = open_model(make_tiny_model(tmp_path / "decoder"))
    whole = decoder.generate([texts[0], [{"role": "user", "content": texts[1]}]], max_tokens=5)
    assert len(whole) == 2 and all(each.finish_reason in ("stop", "length") for each in whole)
    assert "".join(decoder.stream(texts[0], max_tokens=5)) == whole[0].text
    with pytest.raises(UsageError, match="max_tokens must be at least 1"):
        decoder.generate(texts, max_tokens=0)


@pytest.mark.parametrize("family", ["ours", "GPT-2"])
def test_texts_are_scored_behind_a_prompt(family: str, tmp_path: Path) -> None:
    if family == "ours":
        folder = make_tiny_model(tmp_path / "model")
    else:
        folder = tmp_path / "model"
        take(write_published(tmp_path / "theirs", family), folder)
    model = open_model(folder)
    (first, second), (alone,) = model.score([("The sky is", [" blue", " loud"]), ("", ["The sky"])])
    assert first.log_likelihood < 0 and first.tokens > 1 and second.text == " loud" and alone.log_likelihood < 0
    with pytest.raises(LmworksError, match="this is not a reward model"):
        model.reward([[{"role": "user", "content": "Hi"}]])


def test_a_function_of_ones_own_is_measured_beside_a_model(recipe: OpenRecipe) -> None:
    pairs = [(item["prompt"], item["reference"]) for item in recipe.items("classification-split-test")["words"]]
    asked = list[str]()

    def guess(text: str) -> str:
        asked.append(text)
        return "refund" if "money" in text else "praise"

    systems = {"words": recipe.open_model(), "guess": guess, "all praise": ["praise"] * 60}
    found = evaluate_answers(systems, pairs, baselines=["guess", "all praise"])
    stored = recipe.figures["evaluate/classification-split-test/words"]
    assert [(each.name, each.value, each.interval) for each in found.figures["words"]] == [
        (each.name, each.value, each.interval) for each in stored[:2]
    ]
    assert asked == [text for text, _ in pairs]
    right = sum(guess(text) == wanted for text, wanted in pairs)
    assert found.figures["guess"][0].value == pytest.approx(right / 60)
    assert len(found.mistakes("guess")) == 60 - right
    assert {(pair["a"], pair["b"]) for pair in found.pairs} == {("words", "guess"), ("words", "all praise")}
    assert any(verdict.startswith("words is ahead of guess: ") for verdict in found.verdicts)


def test_written_answers_have_the_metrics_of_texts() -> None:
    pairs = [("a b", ["A B", "B A"]), ("c d", "C D"), ("e f", "E F")]
    found = evaluate_answers({"upper": str.upper, "copy": str}, pairs, ["exact", "rouge"], baselines=["copy"])
    assert [each.name for each in found.figures["upper"]] == ["exact_match", "rouge_1", "rouge_2", "rouge_l"]
    assert found.figures["upper"][0].value == 1 and found.figures["copy"][0].value == 0
    assert found.figures["copy"][3].value == 1, "ROUGE reads lower case"


def test_groups_widen_an_interval() -> None:
    pairs = [(f"{number} {number % 4}", "even" if number % 4 < 2 else "odd") for number in range(80)]

    def guess(text: str) -> str:
        return "even" if text.endswith(("0", "3")) else "odd"

    def width(groups: list[str] | None) -> float:
        interval = evaluate_answers({"guess": guess}, pairs, groups=groups).figures["guess"][0].interval
        assert interval
        return interval[1] - interval[0]

    assert width([text[-1] + text[0] for text, _ in pairs]) > width(None)


def test_questions_asked_again_and_again_are_no_more_evidence() -> None:
    pairs = [(f"a text {number}", "x" if number < 6 else "y") for number in range(8)]

    def found(times: int) -> Evaluated:
        return evaluate_answers({"x": lambda _: "x", "y": lambda _: "y"}, pairs * times)

    once, often = found(1), found(100)
    first, again = (each.figures["x"][0].interval for each in (once, often))
    assert first and again and again[0] <= first[0] and first[1] - 0.01 <= again[1]
    assert 0.05 < once.pairs[0]["p"] <= often.pairs[0]["p"] and often.pairs[0]["n"] == 800


@pytest.mark.parametrize(
    ("systems", "data", "more", "said"),
    [
        ({"a": str}, [], {}, "data: found no question"),
        ({}, [("x", "y")], {}, "systems: found none"),
        ({"a": ["y", "y"]}, [("x", "y")], {}, "a: found 2 answers to 1 questions"),
        ({"a": len}, [("x", "y")], {}, "a: answer 0 is 1; expected a text"),
        ({"a": str}, [("x", "y")], {"metrics": ["rogue"]}, "no metric 'rogue'; did you mean 'rouge'"),
        ({"a": str}, [("x", "y")], {"baselines": ["b"]}, "baselines: found b; expected some of a"),
        ({"a": str}, [("x", "y")], {"groups": []}, "groups: found 0 for 1 questions"),
        ({"a": str}, [("x", 3)], {}, "data: pair 0 is"),
    ],
)
def test_what_cannot_be_evaluated_is_said(systems: dict, data: list, more: dict, said: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        evaluate_answers(systems, data, **more)


@pytest.mark.slow
def test_a_users_program_passes_the_type_checker(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            from lmworks import LmworksError, evaluate_answers, open_model, open_recipe, records

            recipe = open_recipe("recipe.yaml", ["split.test=50"])
            first: float = recipe.figures["evaluate/task/model"][0].value
            label: str = open_model("words").classify(["text"])[0].label
            text: str = open_model("writer").generate(["text"])[0].text
            ids: list[str] = [str(row["id"]) for row in records("split.test", recipe).rows()]
            found = evaluate_answers({"mine": str.upper}, [("a", "A")], ["exact"])
            try:
                recipe.build(until="raw", progress=print)
            except LmworksError as error:
                print(error, first, label, text, ids, found.verdicts)
            """
        )
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", str(tmp_path), str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
    program.write_text("from lmworks import open_recipes\n")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), str(program)], capture_output=True, text=True
    )
    assert "open_recipes" in checked.stdout and checked.returncode == 1
