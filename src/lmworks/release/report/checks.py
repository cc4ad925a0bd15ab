"""Findings of the check before tuning, for a terminal and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lmworks.data.personal.findings import Detector
from lmworks.data.personal.hidden import hide
from lmworks.pipeline.store import Artifact
from lmworks.plan.plan import MOST_PASSES, times
from lmworks.release.built import Built, read_lines
from lmworks.release.inspect.hidden import hiding
from lmworks.release.render.words import duration, number, size, visible_lines
from lmworks.terminal import shown
from lmworks.tokens.rows.shards import LOST
from lmworks.train.preflight.check import STRANGE
from lmworks.train.preflight.check import as_text as sample_in_words
from lmworks.train.preflight.inspection import MADE_UP, OWN, Piece


def checked(artifact: Artifact, more: Sequence[Detector] = ()) -> dict[str, Any]:
    """Return counts, measurements of one step, and samples as pieces of text that are trained or not."""
    manifest = artifact.manifest
    return {"counts": manifest.counts, "step": manifest.run.measured, "samples": samples(artifact, more)}


def samples(artifact: Artifact, more: Sequence[Detector] = ()) -> list[list[Piece]]:
    """Return the samples that a check kept, without personal data or what `more` detectors find; see `hiding`."""
    records = read_lines(artifact.payload / "examples.jsonl")
    return [[(hide(text, more=more), trained) for text, trained in record["pieces"]] for record in records]


def checks(built: Built) -> dict[str, dict[str, Any]]:
    """Return for the report: model → findings and samples."""
    more = hiding(built)
    return {
        name.removesuffix("/check"): {"lines": lines(artifact, {}), "samples": samples(artifact, more)}
        for name, artifact in built.artifacts.items()
        if name.endswith("/check")
    }


def lines(artifact: Artifact, predicted: Mapping[str, Any], rows: int = 0) -> dict[str, str]:
    """Return what was checked → what was found. `rows` is the number of rows of the data, or 0 if not known."""
    counts, step = artifact.manifest.counts, artifact.manifest.run.measured
    told = _prompts(counts) if "prompts" in counts else _texts(counts) if "texts" in counts else _answers(counts)
    if step:
        norm = number(step["gradient_norm"])
        told["one step"] = f"loss {number(step['loss'])}, gradient norm {norm}, {duration(step['step_seconds'])}"
    if "reward" in step:
        told["one rollout"] = (
            f"mean reward {number(step['reward'])} of answers of {number(step['answer_tokens'])} tokens, "
            f"{step['distinct']:.0%} of them differ within their group; {step['teaching']:.0%} of the groups teach: in "
            "the others all answers have the same reward"
        )
    if predicted:
        low, high = map(duration, predicted["seconds"])
        if rows and predicted.get("rows_read"):
            passes = predicted["rows_read"] / rows
            often = ". A model memorises rows read so often: lower `steps`, or add data" * (passes > MOST_PASSES)
            told["passes"] = f"training reads the {number(rows)} rows {times(passes)}{often}"
        told["training"] = f"{size(predicted['memory_bytes'])} of memory, {low} to {high}, by the plan"
    return told


def _answers(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the findings for rows whose answers are learned or compared."""
    turns, cut, pairs = number(counts["turns"]), counts["cut"], counts.get("groups", 0)
    samples = number(counts["samples"])
    what = f"{turns} answers in {number(pairs)} groups" if pairs else f"{turns} assistant turns in {samples} samples"
    unlearned = counts.get("unlearned", 0)
    asked = f"; {number(unlearned)} turns are not trained, as the data say" if unlearned else ""
    if unlike := counts.get("unlike_asked"):
        asked += (
            f"; {number(unlike)} more are read only, because the chat template later writes them otherwise than when "
            "they were generated, for example without thoughts"
        )
    if history := counts.get("history"):
        asked += f"; {number(history)} times an earlier answer is only read, in a chat that trains a later answer"
    return {
        "mask": f"words of all {what} are trained, and no others: "
        f"{counts['trained'] / max(1, counts['tokens']):.0%} of the tokens{asked}",
        "stop token": f"the end of a turn is trained in all{f' except {number(cut)} that are cut off' if cut else ''}",
        "length": _length(counts, "judgements" if pairs else "conversations"),
        "batches": f"each of {number(counts['micro_batches'])} micro-batches trains something",
        "template": "gives the same bytes as when served; no sample has its beginning twice",
    }


def _prompts(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the findings for rows whose prompts are answered anew."""
    unjudged = [
        f"{number(count)} of {number(counts['prompts'])} prompts are {name}: no answer to them can get a reward"
        for name, count in counts.items()
        if name.startswith("unjudged by ")
    ]
    names = [name.removeprefix(OWN) for name in counts if name.startswith(OWN)]
    worth = [
        f"{name}: {counts[OWN + name] / 100:.2f} for some of the data's own answers, "
        f"{counts[MADE_UP + name] / 100:.2f} for tokens at random"
        for name in names
    ]
    mean = counts["tokens"] / max(1, counts["prompts"])
    return {
        "prompts": f"all {number(counts['prompts'])} end as the chat template begins an answer; {number(mean)} tokens, "
        f"at most {number(counts['longest'])}",
        "room": f"for answer_tokens after each; {number(counts['beyond'])} answers of the data are longer",
        "length": _length(counts, "prompts"),
        "rewards": "; ".join([*worth, *unjudged]) or "only from models, which do not run here",
        "template": "gives the same bytes as when served; no prompt has its beginning twice",
    }


def _texts(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the findings for rows whose labels are learned."""
    texts, mean = counts["texts"], counts["tokens"] / max(1, counts["texts"])
    each = {name.removeprefix("label "): count for name, count in counts.items() if name.startswith("label ")}
    strange = counts.get(STRANGE, 0)
    left_out = f"; {number(strange)} validation texts of other labels do not count" if strange else ""
    return {
        "labels": "; ".join(f"{name}: {number(count)} texts" for name, count in each.items()) + left_out,
        "length": f"{number(mean)} tokens per text; {number(counts['full'])} of {number(texts)} fill a row, and tokens "
        "after its end are not read",
        "agreement": f"{number(counts['contradicted'])} texts also occur earlier with another label",
    }


def _length(counts: Mapping[str, int], samples: str) -> str:
    lost = ", ".join(f"{number(counts[name])} {name}" for name in LOST if name in counts)
    return f"of {number(counts['records'])} {samples} {lost}"


def as_text(
    model: str,
    artifact: Artifact,
    predicted: Mapping[str, Any],
    *,
    colour: bool,
    more: Sequence[Detector] = (),
    rows: int = 0,
) -> str:
    """Return for a terminal the samples with their mask, then the findings. With `colour`, trained words are green."""
    visible = [[(visible_lines(text), trained) for text, trained in sample] for sample in samples(artifact, more)]
    told = "\n".join(f"  {name:11} {text}" for name, text in lines(artifact, predicted, rows).items())
    words = f"{model}: what is {'green' if colour else 'in ⟦ ⟧'} is learned\n{told}"
    return "\n\n".join(
        [*(sample_in_words(sample, colour=colour) for sample in visible), shown(words) if colour else words]
    )
