"""A sweep over blend ratios on a small made-up cloud and a library beside it, with the recipe that users start from."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from e2e.answering import answers
from e2e.small_recipe import lmworks, make_library, make_services

pytestmark = pytest.mark.slow
RECIPE = Path(__file__).parents[2] / "recipes" / "domain-and-general.yaml"
SMALL = {
    "plan.measure": "false",
    "services.sources": "[{kind: botocore, path: services}]",
    "library.sources.0.path": "library",
    "service-split.test": "1",
    "service-split.validation": "1",
    "library-split.test": "4",
    "library-split.validation": "4",
    "domain.filters": "[length]",
    "mixed.parts.domain.max_epochs": "100",
    "mixed.parts.general.max_epochs": "100",
    "tokenizer.vocab_size": "400",
    "pretrain.hidden_size": "64",
    "pretrain.sequence_length": "128",
    "pretrain.global_batch_tokens": "512",
    "pretrain.steps": "25",
    "pretrain.data_type": "float32",
    "pretrain.threads": "1",
    "pretrain.compile": "false",
}
SETTINGS = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
BLEND = ["data", "blend", RECIPE.name, "--mix", "mixed", "--part", "domain", *SETTINGS]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blend")
    shutil.copy(RECIPE, folder)
    make_services(folder / "services")
    make_library(folder / "library")
    return folder


def test_more_of_a_part_helps_it_and_costs_the_other(project: Path) -> None:
    said = lmworks(project, *BLEND, "--ratios", "1,0,0.5", "--json")
    found = json.loads(said.stdout)
    trials = found["trials"]
    assert [(trial["ratio"], round(trial["share"], 2)) for trial in trials] == [(0, 0), (0.5, 0.5), (1, 1)]
    domain, general = ([trial["bits_per_byte"][part]["value"] for trial in trials] for part in ("domain", "general"))
    assert domain[2] < domain[0] * 0.9 and general[0] < general[2] * 0.9
    assert domain[1] < domain[0] and general[1] < general[2]
    excess = [trial["excess"] for trial in trials]
    best = [min(domain), min(general)]
    assert excess[1] == pytest.approx((domain[1] / best[0] + general[1] / best[1]) / 2 - 1)
    assert found["recommended"] == trials[excess.index(min(excess))]["ratio"] == 0.5
    assert all(trial["bits_per_byte"]["general"]["n"] == 4 for trial in trials)
    ElementTree.parse(project / ".lmworks" / "reports" / "domain-and-general-blend-domain.svg")


def test_a_sweep_reuses_what_is_there_and_never_reads_tests(project: Path) -> None:
    lmworks(project, *BLEND, "--ratios", "0,0.5,1")
    before = stages(project)
    said = lmworks(project, *BLEND, "--ratios", "0,0.25,0.5,1")
    assert stages(project) - before == {"mix": 1, "train": 1, "evaluate-perplexity": 2}
    assert "recommended" in said.stdout and "0.25" in said.stdout
    inputs = [record for manifest in manifests(project) for each in manifest["inputs"].values() for record in each]
    read = {(record["step"], record.get("part")) for record in inputs if record["step"].endswith("-split")}
    # The corpora are kept clear of test documents, which is all that looks at them.
    assert ("service-split", "validation") in read
    for manifest in manifests(project):
        if manifest["stage"].startswith("evaluate"):
            assert {record.get("part") for record in manifest["inputs"]["data"]} == {"validation"}
    assert not list((project / ".lmworks" / "builds").glob("*")), "a sweep is no build"


def test_what_cannot_be_swept_is_refused(project: Path) -> None:
    cases = {
        ("--mix", "corpus", "--part", "domain"): "this recipe has mixed (domain, general)",
        ("--mix", "mixed", "--part", "domian"): "this recipe has mixed (domain, general)",
        ("--mix", "mixed", "--part", "domain", "--ratios", "0,2"): "2 is no share",
        ("--mix", "mixed", "--part", "domain", "--ratios", "half"): "expected numbers from 0 to 1",
    }
    for options, fault in cases.items():
        said = lmworks(project, "data", "blend", RECIPE.name, *options, *SETTINGS, code=2)
        assert fault in said.stderr


def test_a_model_on_a_mixture_is_traced_to_every_part(project: Path) -> None:
    built = lmworks(project, "build", RECIPE.name, "--until", "pretrain", *SETTINGS)
    assert "pretrain: domain: 70 of 100 rows (70.0%), " in built.stderr + built.stdout
    modules = sorted((project / "library").rglob("*.py"))[:4]
    texts = {
        "botocore": "Creates a bucket of the account, with names",
        "scikit-learn": "\n".join(path.read_text() for path in modules),
    }
    for source, answer in texts.items():
        found = json.loads(lmworks(project, "trace", "pretrain", "--answer", answer, "--json").stdout)
        assert found["passages"][0]["source"] == source
    assert len(answers(project, "pretrain", ["Creates a bucket"])) == 1


def manifests(folder: Path) -> list[dict[str, dict[str, list[dict[str, str]]]]]:
    return [json.loads(path.read_text()) for path in (folder / ".lmworks" / "artifacts").glob("*/*/manifest.json")]


def stages(folder: Path) -> Counter[str]:
    return Counter(path.parts[-3] for path in (folder / ".lmworks" / "artifacts").glob("*/*/manifest.json"))
