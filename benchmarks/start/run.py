"""Take invented companies from their folder to a built model that answers, as a stranger would: one JSON line each.

    python benchmarks/start/run.py [--only NAME …] [--jobs 1] [--minutes 6] [--share 1.0] [--seed 0] [--keep FOLDER]

makes the folders of `companies.py`, and for each gives `lmworks init FOLDER --answers …`, `lmworks build`, and asks
what is served three things. Of each it says exit codes and seconds, what was lost and advised, what was built and is
served, its leading figure beside the best simple baseline, and whether verdict, recipe and what is served agree with
each other and with what a careful adviser would have said. A Markdown table goes to the error stream. Ends with 1 when
one disagrees, fails, or lost something of which nobody was told.

The texts are drawn by rules, so that figures say whether the way is open and a baseline stands beside the model, and
nothing of how good a model of real texts is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import openai
from companies import Company, named
from ruamel.yaml import YAML

NO_TRAINING = "no training"
SERVES = {
    "bag-of-words": "labels",
    "sequence-classification": "labels",
    "token-classification": "spans",
    "dictionary": "spans",
    "text-to-text": "rewriting",
    "causal-lm": "continuation",
}
"""By the objective of the model that a recipe serves; `sft` and `pretrained` depend on what they are asked."""
UNTRAINED = frozenset(("pretrained", "bag-of-words", "dictionary", "passages"))
"""Objectives that train no network."""


@dataclass
class Said:
    """What a command said."""

    code: int
    seconds: float
    text: str

    def after(self, words: str) -> list[str]:
        """The rest of each line that begins so."""
        return [line.removeprefix(words).strip() for line in self.text.splitlines() if line.startswith(words)]


@dataclass
class Row:
    """What became of one company."""

    company: str
    init: int = -1
    build: int = -1
    ask: int = -1
    seconds: dict[str, float] = field(default_factory=dict)
    verdict: str = ""
    template: str = ""
    serves: str = ""
    objective: str = ""
    figure: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    """wins, loses or undecided, beside the best simple baseline. A baseline that is the model itself is left out."""
    answers: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """As the commands said it."""
    faults: list[str] = field(default_factory=list)
    """Where it is not as it should be; empty if all agrees."""


def run(folder: Path, seconds: float, *arguments: str) -> Said:
    """Give a command in a folder; -1 where it took too long."""
    began = time.monotonic()
    command = [sys.executable, "-m", "lmworks", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
        )
        code, text = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as stopped:
        code, text = -1, str(stopped)
    return Said(code, round(time.monotonic() - began, 1), text)


def _child_seconds() -> float:
    """Processor time of all commands that have ended: time on the clock tells of what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def served_by(recipe: Mapping[str, Any]) -> tuple[str, str]:
    """What a recipe serves, in the words of `companies.yaml`, and the objective of the model behind it."""
    name = str((recipe.get("serve") or {}).get("model", ""))
    serve = recipe.get("serve") or {}
    if serve.get("passages") or serve.get("model") == "passages":
        return "passages", "passages"
    model = recipe["models"][name]
    kinds = {step: config["kind"] for step, config in recipe["data"].items()}
    (task, *_) = (recipe.get("evaluate") or {}).get("tasks") or [{"kind": ""}]
    read = str(model.get("data") or task.get("data")).partition(".")[0]
    is_chat = kinds.get(read) == "conversations"
    other = "continuation" if task["kind"] == "perplexity" else "chat" if is_chat else "rewriting"
    return SERVES.get(model["objective"], other), model["objective"]


def check_recipe(recipe: Mapping[str, Any], company: Company) -> list[str]:
    """Where a recipe lacks what it must hold."""
    expected, steps = company.expected, list(recipe["data"].values())
    found = []
    if expected.step and expected.step not in {step["kind"] for step in steps}:
        found.append(f"no step {expected.step}")
    sources = [source for step in steps if step["kind"] == "ingest" for source in step["sources"]]
    by = {step["by"] for step in steps if step["kind"] == "split"}
    by |= {source.get("subject_field") for source in sources if "subject" in by}
    if expected.by and not by & {*expected.by}:
        found.append(f"split by {', '.join(filter(None, by))} and not by {' or '.join(expected.by)}")
    labels = {source.get("label_field") for source in sources} | {step.get("label") for step in steps}
    if expected.label and expected.label not in labels:
        found.append(f"the label is not {expected.label}")
    return found


def measured_of(folder: Path) -> tuple[dict[str, Any], str]:
    """The leading figure of what is served, beside the best simple baseline, and which of them wins."""
    from lmworks.pipeline.store import Store
    from lmworks.release.built import Built
    from lmworks.release.gates import served
    from lmworks.release.inspect.verdicts import measured

    built = Built.open(Store(folder / ".lmworks"))
    found = measured(built, served(built))
    if not found:
        return {}, ""
    first = found[0]
    figure = {
        "task": first.task,
        "metric": first.label,
        "value": first.figure.value,
        "interval": first.figure.interval,
        "n": first.figure.n,
        "baseline": first.baseline,
        "baseline_value": first.baseline_value,
    }
    if first.is_better:  # by the first metric
        return figure, "wins, loses by another metric" if first.baseline_wins else "wins"
    return figure, "loses" if first.baseline_wins else "undecided"


def ask_server(folder: Path, company: Company, seconds: float) -> tuple[Said, list[str]]:
    """Serve the recipe and put the three inputs before it, as a chat does; of each the passages that it cites, too."""
    began, found, error = time.monotonic(), list[str](), ""
    command = [sys.executable, "-m", "lmworks", "serve", "recipe.yaml", "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            told = json.loads(server.stdout.readline() if server.stdout else "")
            key = Path(told["key_file"]).read_text().strip()
            model, client = (
                told["models"][0],
                openai.OpenAI(base_url=told["address"].rstrip("/") + "/v1", api_key=key, timeout=seconds),
            )
            for each in company.inputs:
                turns: Any = [{"role": "user", "content": each}]
                answer = client.chat.completions.create(model=model, messages=turns, max_tokens=60, temperature=0)
                cited = [place["path"] for place in (answer.model_extra or {}).get("citations") or []]
                said = answer.choices[0].message.content
                found.append(json.dumps({"answer": said, "cites": cited}, ensure_ascii=False))
        except (ValueError, KeyError, openai.OpenAIError) as fault:
            error = f"{type(fault).__name__}: {fault}"
        finally:
            server.terminate()
    return Said(int(bool(error)), round(time.monotonic() - began, 1), error), found


def ask(folder: Path, company: Company, seconds: float) -> tuple[Said, list[str]]:
    """Put the three inputs before what is served, as rows of a file."""
    rows = folder.with_suffix(".inputs.jsonl")
    rows.write_text("".join(json.dumps({"text": each}) + "\n" for each in company.inputs))
    out = folder.with_suffix(".answers.jsonl")
    how = ["--continue"] if company.expected.serves == "continuation" else []
    said = run(folder, seconds, "predict", "recipe.yaml", str(rows), "--out", str(out), "--max-tokens", "60", *how)
    found = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    told = ("predicted_text", "predicted_label", "predicted_spans", "predicted_passages", "predicted_error")
    answers = [json.dumps(next((row[name] for name in told if row.get(name)), ""), ensure_ascii=False) for row in found]
    return said, answers


def judge(row: Row, company: Company, recipe: Mapping[str, Any]) -> list[str]:
    """Where verdict, recipe and what is served disagree with each other, or with the adviser."""
    expected, found = company.expected, []
    if row.verdict not in expected.verdicts:
        found.append(f"verdict {row.verdict!r}, expected {' or '.join(expected.verdicts)}")
    if row.serves != expected.serves:
        found.append(f"serves {row.serves}, expected {expected.serves}")
    if (row.verdict == NO_TRAINING) != (row.objective in UNTRAINED):
        found.append(f"verdict {row.verdict!r}, and the recipe serves {row.objective}")
    told = " ".join(row.lost)
    found += [f"nothing is said of {each}" for each in expected.unread if each not in told]
    return found + check_recipe(recipe, company)


def take(company: Company, out: Path, asked: argparse.Namespace) -> Row:
    """One company, from its folder to its answers."""
    row, began = Row(company.name), time.monotonic()
    folder = company.make(out, asked.seed, asked.share, minutes=asked.minutes)
    answers = out / f"{company.name}.answers.yaml"
    row.seconds["make"] = round(time.monotonic() - began, 1)
    init = run(out, 600, "init", company.name, "--answers", answers.name)
    row.init, row.seconds["init"] = init.code, init.seconds
    row.lost = init.after("not read:") + init.after("not used:")
    if not company.expected.verdicts:
        row.serves = "nothing"
        if init.code != 3 or (folder / "recipe.yaml").exists():
            row.faults.append(f"init ended with {init.code}, expected 3 and no recipe")
        return row
    if init.code:
        row.faults.append(f"init ended with {init.code}: {init.text.strip().splitlines()[-1:]}")
        return row
    row.verdict = init.after("verdict:")[0].partition(",")[0].partition(".")[0]
    row.template = init.after("recipe:")[0].partition(";")[0]
    recipe = YAML(typ="safe").load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    row.serves, row.objective = served_by(recipe)
    before = _child_seconds()
    build = run(folder, 60 * asked.minutes * 10 + 300, "build", "recipe.yaml")
    row.build, row.seconds["build"] = build.code, build.seconds
    row.lost += re.findall(r"left out: (.*?)(?:;|$)", build.text, re.MULTILINE)
    row.faults += judge(row, company, recipe)
    cpu = _child_seconds() - before
    row.seconds["build, processor"] = round(cpu, 1)
    if asked.jobs == 1 and cpu > 1.5 * 60 * asked.minutes * (os.cpu_count() or 1):
        row.faults.append(f"build took {cpu:.0f} processor seconds, and {asked.minutes:g} minutes were allowed")
    if build.code:
        row.faults.append(f"build ended with {build.code}: {build.text.strip().splitlines()[-1:]}")
        return row
    row.figure, row.outcome = measured_of(folder)
    said, row.answers = (ask_server if row.serves in ("passages", "chat") else ask)(folder, company, 300)
    row.ask, row.seconds["ask"] = said.code, said.seconds
    if row.serves == "passages" and not any(json.loads(each)["cites"] for each in row.answers):
        row.faults.append("no passage was found for any question")
    if said.code or len(row.answers) < len(company.inputs):
        row.faults.append(f"asking ended with {said.code}: {said.text.strip().splitlines()[-1:]}")
    return row


def as_markdown(row: Row) -> str:
    """A row of the table."""
    figure, shown = row.figure, ""
    if figure:
        low, high = figure["interval"] or (float("nan"),) * 2
        shown = f"{figure['value']:.3f} [{low:.3f}, {high:.3f}] {figure['metric']}"
        if figure["baseline"]:
            shown += f"; {figure['baseline']} {figure['baseline_value']:.3f}"
    cells = (row.company, f"{row.init} {row.build} {row.ask}", f"{sum(row.seconds.values()):.0f}", row.verdict)
    cells += (row.template, f"{row.serves} ({row.objective})" if row.objective else row.serves, shown, row.outcome)
    return f"| {' | '.join((*cells, '; '.join(row.faults) or 'yes'))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="From the folders of invented companies to models that answer.")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1, help="companies at once")
    parser.add_argument("--minutes", type=float, default=6, help="of each build")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of texts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder in which all is left; by default a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(asked.jobs) as pool:
        out, rows = asked.keep or Path(temporary), []
        head = "| company | init build ask | s | verdict | template | served | figure; baseline | model | agrees |"
        print(f"{head}\n|{'---|' * 9}", file=sys.stderr)
        for row in pool.map(lambda company: take(company, out, asked), named(asked.only)):
            rows.append(row)
            print(json.dumps(asdict(row), ensure_ascii=False), flush=True)
            print(as_markdown(row), file=sys.stderr, flush=True)
    raise SystemExit(any(row.faults for row in rows))


if __name__ == "__main__":
    main()
