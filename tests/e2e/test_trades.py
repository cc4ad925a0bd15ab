"""The worked examples of three trades, on made-up texts and a stand-in for the published encoder."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.tiny_encoders import stand_in_for_minilm
from e2e.answering import answers
from e2e.small_recipe import lmworks
from lmworks.pipeline.store import Artifact, Store

pytestmark = pytest.mark.whole
RECIPES = Path(__file__).parents[2] / "recipes"
OTHER = ["please", "the", "my", "again", "with", "today", "very", "old"]
TOLD = {"card lost": ["lost", "gone"], "fee asked": ["fee", "cost"], "top up": ["load", "fill"]}
SETTINGS = (
    *("plan.measure=false", "tuned.learning_rate=0.01", "tuned.threads=1", "tuned.compile=false", "tuned.steps=60"),
    *("tuned.sequence_length=32", "tuned.global_batch_tokens=512"),
)


def sentence(told: str, draw: random.Random) -> str:
    words = [*draw.choices(OTHER, k=5), draw.choice(TOLD[told])]
    return " ".join(draw.sample(words, 6))


def write_questions(folder: Path, site: Path) -> None:
    draw = random.Random(1)
    (folder / "questions").mkdir()
    rows = [f"{sentence(told, draw)},{told}" for told in [*TOLD] * 80]
    (folder / "questions" / "all.csv").write_text("\n".join(["text,category", *rows]))


def write_tabular_list(folder: Path, site: Path) -> None:
    """A tabular list as the package has it: chapters, sections, categories, codes, terms that are included."""
    draw, chapters = random.Random(2), ""
    for letter, told in zip("ABC", TOLD, strict=True):
        categories = ""
        for number in range(12):
            codes = "".join(
                f"<diag><name>{letter}{number:02}.{code}</name><desc>{sentence(told, draw)}</desc>"
                f"<inclusionTerm><note>{sentence(told, draw)}</note></inclusionTerm></diag>"
                for code in range(10)
            )
            desc = sentence(told, draw)
            categories += f"<diag><name>{letter}{number:02}</name><desc>{desc}</desc>{codes}</diag>"
        chapters += f"<chapter><desc>{told} ({letter}00-{letter}99)</desc><section>{categories}</section></chapter>"
    write(
        site / "simple_icd_10_cm" / "data" / "icd10c-tabular-2026.xml", f"<ICD10CM.tabular>{chapters}</ICD10CM.tabular>"
    )


def write_licences(folder: Path, site: Path) -> None:
    """Licences and notices as the package has them: fields above, the text below."""
    draw, data = random.Random(3), site / "licensedcode" / "data"
    told = {"Permissive": "card lost", "Copyleft": "fee asked", "Copyleft Limited": "top up"}
    others = ("Commercial", "Source-available", "Public Domain")
    for number in range(180):
        category = [*told, *others][number % 6]
        key, text = (
            f"l{number}-{number % 3}.0",
            " ".join(sentence(told.get(category, "top up"), draw) for _ in range(3)),
        )
        write(data / "licenses" / f"{key}.LICENSE", f"---\nkey: {key}\ncategory: {category}\n---\n\n{text}\n")
        head = f"---\nlicense_expression: {key}\nis_license_notice: yes\n---\n\n"
        for place in range(5):
            write(
                data / "rules" / f"{key}_{place}.RULE", f"{head}{text[::-1]} number {number} {place} {'of many ' * 9}\n"
            )
        write(data / "rules" / f"{key}_short.RULE", f"{head}Under {key}.\n")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parents[1] / "__init__.py").touch()
    path.write_text(text)


@pytest.fixture(
    params=[
        ("customer-service", write_questions),
        pytest.param(("medical", write_tabular_list), marks=pytest.mark.slow),
        pytest.param(("legal", write_licences), marks=pytest.mark.slow),
    ]
)
def built(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path, dict[str, Artifact]]:
    """Name, folder, and what each step of its recipe made."""
    name, prepare = request.param
    folder, site = tmp_path / name, tmp_path / "site"
    shutil.copytree(RECIPES / name, folder)
    stand_in_for_minilm(site, [*OTHER, *(word for words in TOLD.values() for word in words)], monkeypatch)
    prepare(folder, site)
    if (folder / "rows.py").exists():
        subprocess.run([sys.executable, folder / "rows.py"], check=True, capture_output=True)
    lmworks(folder, "build", "recipe.yaml", *(part for setting in SETTINGS for part in ("--set", setting)))
    (build,) = Store(folder / ".lmworks").builds
    found = {step: Store(folder / ".lmworks").find(made.stage, made.key) for step, made in build.steps.items()}
    return name, folder, {step: artifact for step, artifact in found.items() if artifact}


def customer_service(folder: Path, made: dict[str, Artifact]) -> None:
    figures = made["evaluate/classification-split-test/tuned"].manifest.figures
    assert {"accuracy of the 90% answered", "accuracy of the 70% answered"} <= {figure.name for figure in figures}
    assert "the 80% answered" in (folder / ".lmworks" / "reports" / "customer-service.html").read_text()


def medical(folder: Path, made: dict[str, Artifact]) -> None:
    rows = [json.loads(line) for line in (folder / "terms" / "rows.jsonl").read_text().splitlines()]
    each = [row["category"] for row in rows]
    assert {row["chapter"] for row in rows} == {*TOLD} and max(map(each.count, each)) == 12
    assert json.loads((made["split"].payload / "groups.json").read_text())["by"] == "category"


def legal(folder: Path, made: dict[str, Artifact]) -> None:
    rows = [json.loads(line) for line in (folder / "texts" / "rows.jsonl").read_text().splitlines()]
    assert sum(row["licence"] == "l7-1.0" for row in rows) == 1 + 3 and {row["family"] for row in rows} >= {"l7", "l8"}
    assert not any(row["text"].startswith("Under") for row in rows), "what only names a licence"
    assert made["asked"].manifest.counts["label limited copyleft"] == 30 * 4


CHECKS: dict[str, Callable[[Path, dict[str, Artifact]], None]] = {
    "customer-service": customer_service, "medical": medical, "legal": legal,
}  # fmt: skip


def test_a_trade_ends_in_a_report_that_says_whether_the_bag_of_words_wins(
    built: tuple[str, Path, dict[str, Artifact]],
) -> None:
    name, folder, made = built
    compared = next(artifact for step, artifact in made.items() if step in ("evaluate/classification-split-test",))
    verdicts = json.loads((compared.payload / "comparison.json").read_text())["verdicts"]
    assert any("tuned" in verdict and "bag-of-words" in verdict for verdict in verdicts), verdicts
    CHECKS[name](folder, made)
    labels = set(json.loads((made["tuned"].payload / "config.json").read_text())["id2label"].values())
    assert set(answers(folder, "tuned", ["May I have my money back?", "It works"])) <= labels
