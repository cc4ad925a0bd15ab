"""Alignment on real judgements: a reward model, DPO, and what a judge of other judgements says of its answers.

    python benchmarks/align/hh_rlhf.py PAIRS WORK [--only judge | aligned | said] [--whole] [--set STEP.FIELD=VALUE …]

PAIRS is a .jsonl of Anthropic's HH-RLHF (measured: `harmless-base/test.jsonl.gz`, its first 1,500, and 788 more). The
dialogues are dealt by a hash of their first human turn to halves A and B, so that no dialogue's beginning is on both
sides, and a fifth of each half is held out; of the rest of B a fifth is what its reward model is stopped by. A pair is
the last human turn with its two answers: people saw the turns before it too. Three recipes are written to WORK and
built there by `lmworks build`; what is finished is kept.

`judge.yaml`: a reward model on A, stopped where its loss on A's held-out pairs was least, and tested once, beside
length, on all of B, from which nothing of it was learned or chosen. `aligned.yaml`: DPO on A, and a second reward model
on B. Both models answer B's held-out prompts, on which none was trained or chosen; the second reward model judges. Its
own accuracy is told on all of A, which it never saw. `said.yaml`: DPO from a model tuned on A's chosen answers before.

Prints one JSON line: of each model its validations; of each evaluation its figures, comparisons and verdicts; how far
the first reward model goes by length, and at equal length how far the aligned model's score lies above the base's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BASE = "smollm2-135m"
TURN, ANSWER = "\n\nHuman: ", "\n\nAssistant:"
TRAINED = {
    **{"from": BASE, "validation": "a-held", "adapter": {"kind": "lora"}, "learning_rate": 2e-4, "warmup_steps": 5},
    **{"sequence_length": 384, "global_batch_tokens": 4608, "micro_batch_rows": 4, "steps": 48},
    **{"validation_steps": 12, "validation_rows": 200, "checkpoint_steps": 12, "threads": 1, "compile": True},
}
JUDGE = {**TRAINED, "objective": "reward", "keep_best": True}
DPO = {**TRAINED, "objective": "dpo", "beta": 0.05, "learning_rate": 6e-4, "steps": 36, "validation_steps": 36}
KL_BOUND = 0.2
"""Nats a token, on held-out answers, from what DPO begins with; set before anything was trained."""


def deal(pairs: Path, folder: Path, whole: bool) -> dict[str, int]:
    """Write `a/train`, `a/held`, `b/train`, `b/stop` and `b/held`, last turns or whole; how many pairs each has."""
    said: list[str] = []
    parts: dict[str, list[str]] = {part: [] for part in ("a/train", "a/held", "b/train", "b/stop", "b/held")}
    for line in pairs.read_text("utf-8").splitlines():
        record = json.loads(line)
        begins = record["chosen"].split(ANSWER)[0].strip()
        last = 0 if whole else max(0, record["chosen"].rfind(TURN))
        number = int(hashlib.sha256(begins.encode()).hexdigest(), 16)
        part = f"{'ab'[number % 2]}/{'train' if number // 2 % 5 else 'held'}"
        if part == "b/train" and number // 10 % 5 == 0:
            part = "b/stop"
        cut = {side: record[side][last:] for side in ("chosen", "rejected")}
        parts[part].append(json.dumps(cut, ensure_ascii=False) + "\n")
        asked, _, answer = record["chosen"].rpartition(TURN)[2].partition(ANSWER)
        if part == "a/train" and asked.strip() and answer.strip():
            turns = [{"role": "user", "content": asked.strip()}, {"role": "assistant", "content": answer.strip()}]
            said.append(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
    for part, lines in {**parts, "said-a": said}.items():
        (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / part / "lines.jsonl").write_text("".join(lines), "utf-8")
    return {part: len(lines) for part, lines in parts.items()}


def data(kind: str = "preferences", **parts: str) -> dict[str, Any]:
    """Steps that read pairs, or conversations: of a name, the folder."""
    steps: dict[str, Any] = {}
    for name, folder in parts.items():
        sources = [{"kind": "files", "path": f"pairs/{folder}", "licence": "MIT", "fields": "all"}]
        name = name.replace("_", "-")
        steps[f"{name}-raw"] = {"kind": "ingest", "sources": sources, "licences": {"allow": ["permissive"]}}
        steps[name] = {"kind": kind, "from": f"{name}-raw"}
    return steps


def recipes() -> dict[str, dict[str, Any]]:
    """By name. All are of the same steps, so that what one has built the other finds."""
    task = {"train": "a-train", "data_type": "bfloat16"}
    answers = {**task, "kind": "judged-answers", "data": "b-held", "judge": "judge-b", "judged": "a"}
    aligned: dict[str, Any] = {
        "data": data(a="a", a_train="a/train", a_held="a/held", b_train="b/train", b_stop="b/stop", b_held="b/held"),
        "models": {
            "judge-b": {**JUDGE, "data": "b-train", "validation": "b-stop"},
            "aligned": {**DPO, "data": "a-train"},
        },
        "evaluate": {"models": [BASE, "aligned"], "tasks": [{**answers, "limit": None}]},
    }
    said = {name: value for name, value in TRAINED.items() if not name.startswith("validation")}
    return {
        "judge": {
            "data": data(a_train="a/train", a_held="a/held", b="b"),
            "models": {"judge-a": {**JUDGE, "data": "a-train"}},
            "evaluate": {"models": ["judge-a"], "tasks": [{**task, "kind": "preference-accuracy", "data": "b"}]},
        },
        "aligned": aligned,
        "said": {
            "data": aligned["data"] | data("conversations", a_said="said-a"),
            "models": {
                "judge-b": aligned["models"]["judge-b"],
                "said": {**said, "objective": "sft", "data": "a-said", "steps": 24, "learning_rate": 5e-4},
                "from-said": {**DPO, "from": "said", "data": "a-train"},
            },
            "evaluate": {**aligned["evaluate"], "models": [BASE, "said", "from-said"]},
        },
    }


def build(work: Path, name: str, recipe: Mapping[str, Any], settings: Sequence[str]) -> None:
    """What a user does."""
    whole = {"name": name, "use_case": "an assistant that turns down what it should", "plan": {"measure": False}}
    (work / f"{name}.yaml").write_text(json.dumps({**whole, **recipe}, indent=1))  # YAML 1.2 is a superset of JSON
    wanted = [each for each in settings if each.split(".")[0] in recipe["models"]]
    sets = [part for each in wanted for part in ("--set", each)]
    command = [sys.executable, "-m", "lmworks", "build", f"{name}.yaml", *sets]
    subprocess.run(command, cwd=work, check=True, stdout=sys.stderr)


def payload(work: Path, step: str) -> Path:
    """Where a step's output is."""
    command = [sys.executable, "-m", "lmworks", "show", step, "--path"]
    found = subprocess.run(command, cwd=work, check=True, capture_output=True, text=True)
    return Path(found.stdout.strip())


def evaluated(work: Path, label: str, systems: Sequence[str]) -> dict[str, Any]:
    """Figures of all that was scored on a task, and what comparing them said."""
    found: dict[str, Any] = {
        system: {
            figure["name"]: [figure["value"], figure.get("interval"), figure["n"]]
            for figure in json.loads((payload(work, f"evaluate/{label}/{system}") / "figures.json").read_text("utf-8"))
        }
        for system in systems
    }
    compared = payload(work, f"evaluate/{label}")
    figures = json.loads((compared / "figures.json").read_text("utf-8"))
    found["compared"] = {figure["name"]: [figure["value"], figure.get("interval"), figure["n"]] for figure in figures}
    found["verdicts"] = json.loads((compared / "comparison.json").read_text("utf-8"))["verdicts"]
    return found


def trained(work: Path, model: str) -> list[dict[str, Any]]:
    """The steps of its history at which it was validated."""
    lines = [json.loads(line) for line in (payload(work, model) / "history.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if any(name.startswith("validation_") for name in line)]


def items(work: Path, label: str, system: str) -> list[dict[str, Any]]:
    """What was scored, in the order that all systems share."""
    with (payload(work, f"evaluate/{label}/{system}") / "items.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def by_length(work: Path, label: str) -> dict[str, Any]:
    """How far the judge goes by length: of its differences of scores, and of its accuracy where length is wrong."""
    judge, length = items(work, label, "judge-a"), items(work, label, "length")
    told = {
        f"accuracy where length is {'right' if right else 'wrong'}": [
            each["score"] for each, other in zip(judge, length, strict=True) if other["score"] == right
        ]
        for right in (1, 0)
    }
    leads = [each["lead"] for each in judge]
    return {
        "mean difference": statistics.fmean(leads),
        "correlation": statistics.correlation(leads, [each["lead"] for each in length]),
        **{name: [statistics.fmean(scores), len(scores)] for name, scores in told.items()},
    }


def at_equal_length(work: Path, label: str, a: str, b: str) -> dict[str, Any]:
    """How far a's score lies above b's where both answers are as long: a line through the differences, at zero."""
    import numpy as np

    pairs = list(zip(items(work, label, a), items(work, label, b), strict=True))
    longer = np.array([np.log1p(x["characters"]) - np.log1p(y["characters"]) for x, y in pairs])
    better = np.array([x["score"] - y["score"] for x, y in pairs])
    draws = np.random.default_rng(0).integers(0, len(better), (10_000, len(better)))
    values = [np.polyfit(longer[draw], better[draw], 1)[1] for draw in draws]
    low, high = np.quantile(values, (0.025, 0.975))
    slope, value = np.polyfit(longer, better, 1)
    return {"score": float(value), "interval": [float(low), float(high)], "a_log_unit_of_length": float(slope)}


def main() -> None:
    """Deal, build, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--whole", action="store_true", help="pairs of whole dialogues instead of their last turns")
    parser.add_argument("--only", choices=["judge", "aligned", "said"])
    parser.add_argument("--set", action="append", default=[], metavar="STEP.FIELD=VALUE")
    asked = parser.parse_args()
    report: dict[str, Any] = {"pairs": deal(asked.pairs, asked.work / "pairs", asked.whole), "set": asked.set}
    for name, recipe in recipes().items():
        if asked.only in (None, name):
            build(asked.work, name, recipe, asked.set)
            report[name] = {"history": {model: trained(asked.work, model) for model in recipe["models"]}}
            if name == "judge":
                label = "preference-accuracy-b"
                report[name] |= evaluated(asked.work, label, ["judge-a", "length"])
                report[name]["by length"] = by_length(asked.work, label)
            else:
                label = "judged-answers-b-held"
                *_, best = recipe["models"]
                report[name] |= evaluated(asked.work, label, [*recipe["evaluate"]["models"], "chosen"])
                last = report[name]["history"][best][-1]
                report[name]["within KL_BOUND"] = last["validation_divergence"] <= KL_BOUND
                report[name]["at equal length"] = at_equal_length(asked.work, label, best, BASE)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
