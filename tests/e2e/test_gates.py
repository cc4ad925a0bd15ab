"""Gates: a model that does not surely reach what its recipe asks for is built, shown, and not released."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from e2e.small_recipe import lmworks, start

RECIPE = """\
name: sorter
use_case: which letters need an answer today
plan: {measure: false}
data:
  letters:
    kind: ingest
    sources: [{kind: files, path: letters, licence: MIT, fields: all, label_field: label}]
    licences: {allow: [permissive]}
  split: {kind: split, from: letters, test: 0.4, validation: 0}
models:
  words: {objective: bag-of-words, data: split.train}
  released: {objective: bag-of-words, data: letters}
evaluate:
  models: [words, released]
  tasks: [{kind: classification, data: split.test, train: split.train}]
  gates:
    - GATE
serve: {model: words}
"""
WORDS = {"urgent": ("burst", "fire", "flood"), "calm": ("thanks", "greetings", "invoice")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Letters whose words tell their label in nine of ten; the rest say the contrary.

    A sign of its own sets each letter apart. Digits would do so too, and the bag would learn their runs by heart.
    """
    made = tmp_path_factory.mktemp("sorter")
    draw = random.Random(0)
    lines = []
    for number in range(400):
        label = ("urgent", "calm")[number % 2]
        said = WORDS[label if draw.random() < 0.9 else ("calm", "urgent")[number % 2]]
        lines.append(
            json.dumps({"text": f"{draw.choice(said)} {draw.choice(said)} {chr(0x4E00 + number)}", "label": label})
        )
    (made / "letters").mkdir()
    (made / "letters" / "lines.jsonl").write_text("\n".join(lines) + "\n")
    (made / ".lmworks-id-key").write_text("0" * 64)
    return made


def build(folder: Path, gate: str, code: int = 0) -> str:
    (folder / "recipe.yaml").write_text(RECIPE.replace("GATE", gate))
    done = lmworks(folder, "build", "recipe.yaml", code=code)
    return done.stdout + done.stderr


@pytest.mark.whole
def test_a_model_that_surely_reaches_its_gate_is_exported_and_one_that_does_not_is_refused(folder: Path) -> None:
    told = build(folder, "{task: classification, at_least: 0.8}")
    assert "Gate passed by words (classification at least 0.8): 0.9" in told and "of which the lower end counts" in told
    assert "next: lmworks serve" in told
    told = build(folder, "{task: classification, at_least: 0.9}", code=3)
    assert "Gate failed by words (classification at least 0.9): 0.9" in told, (
        "its value is higher, the end of its interval is not"
    )
    assert "No: 1 of its 1 gate failed" in told and "next: lmworks serve" not in told
    (card,) = (folder / ".lmworks" / "reports").glob("*-words-card.md")
    assert "- Gate failed by words (classification at least 0.9" in card.read_text().replace("\\", "")
    for command in (("serve",), ("export", "words"), ("push", "words", "us/sorter")):
        done = lmworks(folder, *command, code=3)
        assert "Gate failed by words (classification at least 0.9" in done.stderr, command
    assert "Gate failed by words" in build(folder, "{task: classification, at_least: 0.9}", code=3), (
        "a build again says so again"
    )
    lmworks(folder, "show", "words")
    (folder / "new.jsonl").write_text('{"text": "fire fire"}\n')
    said = lmworks(folder, "predict", "words", "new.jsonl", "--overwrite").stdout
    assert said.startswith("not released: Gate failed by words (classification at least 0.9"), (
        "it answers, and is not praised"
    )


@pytest.mark.slow
def test_a_gate_may_be_of_some_items_of_another_figure_and_beside_the_released_model(folder: Path) -> None:
    told = build(folder, "{task: classification, at_least: 0.5, where: {reference: urgent}}")
    assert (
        "Gate passed by words (classification at least 0.5, where reference is urgent): 0." in told
        and ", n=92, " in told
    )
    told = build(folder, "{task: classification, metric: macro_f1, at_least: 0.7}")
    assert "Gate passed by words (classification macro_f1 at least 0.7" in told
    told = build(folder, "{task: classification, not_worse_than: released, margin: 0.1}")
    assert "Gate passed by words (classification at most 0.1 worse than released): " in told
    told = build(folder, "{task: classification, not_worse_than: released, margin: 0.0001}", code=3)
    assert "Gate failed by words (classification at most 0.0001 worse than released): " in told
    told = build(folder, "{task: classification, not_worse_than: majority}")
    assert "Gate passed by words (classification at most 0.02 worse than majority): +0." in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "why"),
    [
        (
            "{task: classification, metric: F1 of me, at_least: 1}",
            "has no figure 'F1 of me'; it has accuracy, macro_f1",
        ),
        ("{task: classification, at_least: 0.1, where: {reference: lost}}", "no item is so; items have the fields"),
    ],
)
def test_a_gate_of_which_nothing_can_be_said_is_failed(folder: Path, gate: str, why: str) -> None:
    told = build(folder, gate, code=3)
    assert "Gate failed by words (classification" in told and why in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "why"),
    [
        (
            "{task: perplexity, at_least: 1}",
            "evaluate.gates.0.task: found 'perplexity', expected one of classification-",
        ),
        ("{task: classification, model: other, at_least: 1}", "evaluate.gates.0.model: found 'other'; models measured"),
        (
            "{task: classification, not_worse_than: best}",
            "evaluate.gates.0.not_worse_than: found 'best', expected one of ",
        ),
        (
            "{task: classification, metric: macrof1, at_least: 1}",
            "0.metric: found 'macrof1', expected one of accuracy, macro_f1",
        ),
        (
            "{task: classification, metric: macro_f1, at_least: 0.1, where: {reference: b}}",
            "has no values per item",
        ),
        ("{task: classification, metric: macro_f1, not_worse_than: majority}", "has no values per item"),
        ("{task: classification}", "a gate must have one of at_least, at_most, not_worse_than; found none of them"),
        ("{task: classification, at_least: 1, at_most: 2}", "found at_least and at_most"),
    ],
)
def test_a_gate_of_what_is_not_measured_is_refused_before_anything_is_built(folder: Path, gate: str, why: str) -> None:
    assert why in build(folder, gate, code=2)


def building_otherwise(folder: Path, *gates: str, code: int = 0) -> str:
    """Of a recipe that serves `released` where `words` does not pass."""
    text = RECIPE.replace("name: sorter", "name: sorter-otherwise\nneeds: {task: classify, labelled_examples: 400}")
    text = text.replace("    - GATE", "\n".join(gates))
    (folder / "recipe.yaml").write_text(
        text.replace("serve: {model: words}", "serve: {model: words, otherwise: released}")
    )
    done = lmworks(folder, "build", "recipe.yaml", "--store", "other", code=code)
    return " ".join((done.stdout + done.stderr).split())  # the end of a build is wrapped


def serves(folder: Path) -> str:
    """What is served where nothing is named."""
    process = start(folder, "serve", "--port", "0", "--json", "--store", "other")
    try:
        assert process.stdout
        (name,) = json.loads(process.stdout.readline())["models"]
    finally:
        process.terminate()
        process.wait(30)
    return str(name).rpartition("/")[2]


@pytest.mark.slow
def test_what_passes_is_served_in_place_of_what_does_not_and_nothing_where_nothing_does(folder: Path) -> None:
    beside = "    - {task: classification, not_worse_than: released, margin: 0.0001}"
    told = building_otherwise(folder, beside)
    why = (
        "released is served in place of words: "
        "Gate failed by words (classification at most 0.0001 worse than released): "
    )
    assert why in told and "next: lmworks serve" in told and "refused for release" not in told
    assert serves(folder) == "released"
    assert f"built    {why}" in lmworks(folder, "plan", "recipe.yaml", "--store", "other").stdout
    reports = folder / "other" / "reports"
    for page in (reports / "sorter-otherwise.html", reports / "sorter-otherwise-released-card.md"):
        assert why.partition(": ")[0] in page.read_text().replace("\\", ""), page.name
    for command in (("serve", "words"), ("export", "words"), ("push", "words", "us/sorter")):
        assert "Gate failed by words" in lmworks(folder, *command, "--store", "other", code=3).stderr, command

    told = building_otherwise(folder, "    - {task: classification, at_least: 0.8}")
    assert "words passes" in told and "in place of" not in told and serves(folder) == "words"
    assert "built    " not in lmworks(folder, "plan", "recipe.yaml", "--store", "other").stdout

    told = building_otherwise(folder, beside, "    - {task: classification, at_least: 0.999}", code=3)
    assert "Gate failed by words (classification at least 0.999" in told, "a gate that names no model is asked of both"
    assert "Gate failed by released (classification at least 0.999" in told and "in place of" not in told
    assert "refused for release" in told
    assert "Gate failed by words" in lmworks(folder, "serve", "--store", "other", code=3).stderr

    named = "    - {task: classification, model: released, at_least: 0.999}"
    told = building_otherwise(folder, named)
    assert "Gate failed by released" in told and "next: lmworks serve" in told and serves(folder) == "words"
    assert "Gate failed by released" in lmworks(folder, "serve", "released", "--store", "other", code=3).stderr


@pytest.mark.slow
def test_before_the_gates_are_tried_neither_of_two_models_is_served(folder: Path) -> None:
    building_otherwise(folder, "    - {task: classification, at_least: 0.8}")
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("at_least: 0.8", "at_least: 0.99"))
    for names in ((), ("words",), ("released",)):
        done = lmworks(folder, "serve", *names, "--store", "other", code=3)
        assert "the gates of its recipe are not tried yet" in done.stderr, names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("serve", "why"),
    [
        ("{model: words, otherwise: words}", "; name one model in each"),
        ("{model: [words, released], otherwise: released}", "; name one model in each"),
        ("{model: words, otherwise: split.test}", "serve.otherwise: found split.test, which is not a model"),
    ],
)
def test_what_cannot_stand_in_is_refused_before_anything_is_built(folder: Path, serve: str, why: str) -> None:
    text = RECIPE.replace("GATE", "{task: classification, at_least: 0.1}").replace("{model: words}", serve)
    (folder / "recipe.yaml").write_text(text)
    assert why in lmworks(folder, "build", "recipe.yaml", code=2).stderr


@pytest.mark.slow
def test_a_model_whose_gates_were_not_tried_is_not_released(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(
        RECIPE.replace("GATE", "{task: classification, at_least: 0.1}").replace("sorter", "untried")
    )
    lmworks(folder, "build", "recipe.yaml", "--until", "words", "--store", "fresh")
    done = lmworks(folder, "serve", "--store", "fresh", code=3)
    assert "words: the gates of its recipe are not tried yet: lmworks build" in done.stderr


@pytest.mark.slow
def test_predict_names_passages_whose_gates_were_not_tried(folder: Path) -> None:
    recipe = RECIPE.replace("GATE", "{task: classification, at_least: 0.1}").replace("sorter", "quoting")
    passages = "  passages: {kind: passages, from: letters, least_score: 0.1}\nmodels:"
    (folder / "recipe.yaml").write_text(recipe.replace("models:", passages, 1))
    lmworks(folder, "build", "recipe.yaml", "--until", "passages", "--store", "quoting")
    (folder / "new.jsonl").write_text('{"text": "fire fire"}\n')
    said = lmworks(folder, "predict", "passages", "new.jsonl", "--overwrite", "--store", "quoting").stdout
    assert said.startswith("not released: passages: the gates of its recipe are not tried yet")


FAILS, PASSES = "{task: classification, at_least: 0.99}", "{task: classification, at_least: 0.1}"


def refused(folder: Path, *model: str) -> str:
    """What serving says, which must refuse."""
    return lmworks(folder, "serve", *model, code=3).stderr


@pytest.mark.slow
def test_another_name_for_the_same_model_does_not_release_it(folder: Path) -> None:
    recipe = RECIPE.replace("GATE", FAILS).replace(
        "  released:", "  alias: {objective: bag-of-words, data: split.train}\n  released:"
    )
    recipe = recipe.replace("models:\n", "models:\n  aaa: {objective: bag-of-words, data: split.train}\n")
    (folder / "recipe.yaml").write_text(recipe)
    lmworks(folder, "build", "recipe.yaml", code=3)
    for name in ("words", "aaa", "alias"):
        assert "Gate failed by words (classification at least 0.99" in refused(folder, name), name


@pytest.mark.slow
def test_a_model_that_failed_and_was_trained_anew_is_not_released_by_its_digest(folder: Path) -> None:
    build(folder, FAILS, code=3)
    digest = json.loads(lmworks(folder, "show", "words", "--json").stdout)["key"]
    (folder / "recipe.yaml").write_text(RECIPE.replace("GATE", PASSES).replace("test: 0.4", "test: 0.5"))
    lmworks(folder, "build", "recipe.yaml")
    payload = lmworks(folder, "show", digest, "--path").stdout.strip()
    assert "Gate failed by words (classification at least 0.99" in refused(folder, digest)
    assert "Gate failed by words (classification at least 0.99" in refused(folder, payload), (
        "nor as a folder of the store"
    )


@pytest.mark.slow
def test_gates_written_after_the_build_are_not_tried_yet(folder: Path) -> None:
    build(folder, PASSES)
    for gate in (FAILS, f"{PASSES}\n    - {FAILS}"):
        (folder / "recipe.yaml").write_text(RECIPE.replace("GATE", gate))
        assert "the gates of its recipe are not tried yet" in refused(folder)
    (folder / "recipe.yaml").write_text(RECIPE.replace("  gates:\n    - GATE\n", ""))
    lmworks(folder, "build", "recipe.yaml")
    (folder / "recipe.yaml").write_text(RECIPE.replace("GATE", PASSES))
    assert "the gates of its recipe are not tried yet" in refused(folder)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", None])
def test_an_altered_verdict_releases_nothing(folder: Path, content: str | None) -> None:
    build(folder, FAILS, code=3)
    (path,) = {Path(lmworks(folder, "show", "gates/release", "--path").stdout.strip()) / "gates.jsonl"}
    before = path.read_text()
    path.chmod(0o644)
    path.write_text(before.replace("false", "true") if content is None else content)
    try:
        done = lmworks(folder, "serve", code=None)
        assert done.returncode and "gates.jsonl" in done.stderr, done
    finally:
        path.write_text(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bound", ["at_least: -.inf", "at_most: .inf", "at_least: .nan", "not_worse_than: majority, margin: .inf"]
)
def test_a_bound_that_everything_passes_is_refused(folder: Path, bound: str) -> None:
    assert "finite number" in build(folder, f"{{task: classification, {bound}}}", code=2)


@pytest.mark.slow
def test_no_setting_stands_over_the_gates_of_the_file(folder: Path) -> None:
    build(folder, FAILS, code=3)
    for setting in ("evaluate.gates=[]", "evaluate.gates=[{task: classification, at_least: 0.1}]"):
        done = lmworks(folder, "build", "recipe.yaml", "--set", setting, code=2)
        assert f"--set {setting}: this changes a gate" in done.stderr
    lmworks(folder, "build", "recipe.yaml", "--set", "serve.model=released", code=3)
    assert "the gates of its recipe are not tried yet" in refused(folder, "words")
    build(folder, PASSES)
    lmworks(folder, "build", "recipe.yaml", "--set", "evaluate.tasks.0.largest_lost_share=0.3")
    (folder / "recipe.yaml").write_text(RECIPE.replace("GATE", FAILS))
    assert "the gates of its recipe are not tried yet" in refused(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "gate", ["{task: classification, at_least: 0.99, matric: macro_f1}", "seven", "{task: classification}"]
)
def test_gates_that_cannot_be_read_release_nothing(folder: Path, gate: str) -> None:
    build(folder, PASSES)
    (folder / "recipe.yaml").write_text(RECIPE.replace("GATE", gate))
    assert "the gates of its recipe cannot be read" in refused(folder)


@pytest.mark.slow
def test_another_model_to_serve_is_another_gate(folder: Path) -> None:
    build(folder, PASSES)
    (folder / "recipe.yaml").write_text(
        RECIPE.replace("GATE", PASSES).replace("serve: {model: words}", "serve: {model: released}")
    )
    assert "the gates of its recipe are not tried yet" in refused(folder, "released")


@pytest.mark.slow
def test_another_recipe_of_the_store_does_not_release_what_failed(folder: Path) -> None:
    build(folder, FAILS, code=3)
    (folder / "probe.yaml").write_text(
        RECIPE.replace("  gates:\n    - GATE\n", "").replace("name: sorter", "name: probe")
    )
    lmworks(folder, "build", "probe.yaml")
    payload = lmworks(folder, "show", "words", "--path").stdout.strip()
    for asked in ((), ("words",), (payload,), ("probe.yaml", "words")):
        assert "recipe.yaml: Gate failed by words (classification at least 0.99" in refused(folder, *asked), asked
    verdict = Path(lmworks(folder, "show", "recipe.yaml", "gates/release", "--path").stdout.strip()) / "gates.jsonl"
    written = verdict.read_text()
    verdict.chmod(0o644)
    verdict.write_text(written.replace("false", "true"))
    try:
        done = lmworks(folder, "serve", "probe.yaml", "words", code=None)
        assert done.returncode and "gates.jsonl" in done.stderr, done
    finally:
        verdict.write_text(written)
    for path in (folder / ".lmworks").rglob("probe.json"):
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("left", ["erased.json", "manifest.json"])
def test_what_a_cut_off_erasure_left_is_not_served_as_a_folder(folder: Path, left: str) -> None:
    build(folder, PASSES)
    payload = Path(lmworks(folder, "show", "words", "--path").stdout.strip())
    path, kept = payload.parent / left, None
    if path.exists():
        kept = path.read_bytes()
        path.unlink()
    else:
        path.write_text("{}")
    try:
        done = lmworks(folder, "serve", str(payload), code=None)
        assert done.returncode and "its store has no such artifact" in done.stderr, done
    finally:
        path.write_bytes(kept) if kept else path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("field", ["score", "answer", "probabilities", "refrence"])
def test_a_gate_is_not_of_the_items_that_were_answered_well(folder: Path, field: str) -> None:
    told = build(folder, f"{{task: classification, at_least: 0.1, where: {{{field}: x}}}}", code=2)
    assert f"found {field!r}; expected some of cluster, contamination, id, prompt, reference" in told


@pytest.mark.slow
def test_altered_items_are_neither_shown_nor_compared(folder: Path) -> None:
    build(folder, PASSES)
    payload = lmworks(folder, "show", "evaluate/classification-split-test/words", "--path").stdout.strip()
    path = Path(payload) / "items.jsonl"
    before = path.read_text()
    path.chmod(0o644)
    path.write_text(before.replace('"score": 0.0', '"score": 1.0').replace('"score":0.0', '"score":1.0'))
    assert path.read_text() != before
    try:
        for command in (("items", "classification-split-test"), ("compare", "words", "released")):
            done = lmworks(folder, *command, code=None)
            assert done.returncode and "items.jsonl" in done.stderr, (command, done)
    finally:
        path.write_text(before)
