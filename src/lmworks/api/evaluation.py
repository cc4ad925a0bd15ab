"""Comparison of models and your own functions on the same questions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from lmworks.api.model import Model
from lmworks.errors import UsageError
from lmworks.evaluate.items import measured_by
from lmworks.evaluate.own import Answered, Evaluated, questions_of, score
from lmworks.model.folder import ModelFolder


def evaluate_answers(
    systems: Mapping[str, Model | Callable[[str], str] | Sequence[str]],
    data: Iterable[tuple[str, str | Sequence[str]]],
    metrics: Sequence[str] = ("accuracy",),
    *,
    baselines: Collection[str] = (),
    groups: Sequence[str] | None = None,
    max_tokens: int = 256,
) -> Evaluated:
    """Compare models and your own functions on the same questions, with intervals and tests.

    Args:
        systems: Name → model, function from a text to an answer, or list of finished answers.
        data: Pairs of a text and its right answer, or several right answers. No model should have learned from these
            texts. Unlike a build, this function does not search for such contamination.
        metrics: "accuracy" (of labels, with macro F1), or metrics of written texts: "exact", "rouge", "bleu", "chrf",
            or a metric of an installed package. The first is the main metric.
        baselines: Names of the systems that are baselines. A baseline that wins is named first.
        groups: Group of each question. Intervals and tests treat questions of the same group as dependent. By default
            questions with the same text are a group.
        max_tokens: Maximum number of tokens of a generated answer. Models always take the likeliest token.

    Returns:
        `figures` with 95 % intervals, `items`, `verdicts` in words, and the paired comparisons (`pairs`), each with
        its 95 % interval.

    Raises:
        UsageError: There are no questions, a system has not one answer per question, or a metric is unknown.
        LmworksError: A model cannot answer such questions.

    Example:
        >>> found = evaluate_answers({"tuned": open_model("tuned"), "copy": str.strip},
        ...                          [("Win $5", "spam"), ("See you", "fine")], baselines=["copy"])
        >>> print("\\n".join(found.verdicts))
    """
    questions = questions_of(data, [*groups] if groups is not None else None)
    texts = [str(each["messages"][0]["content"]) for each in questions]
    said = {name: _answers(name, system, texts, max_tokens) for name, system in systems.items()}
    return score(said, questions, metrics, baselines)


def _answers(
    name: str, system: Model | Callable[[str], str] | Sequence[str], texts: Sequence[str], max_tokens: int
) -> Answered:
    if isinstance(system, Model):
        return _asked_of(system, texts, max_tokens)
    how = "what a function answers" if callable(system) else "answers that were given"
    answers = [system(text) for text in texts] if callable(system) else [*system]
    for number, answer in enumerate(answers):
        if not isinstance(answer, str):
            raise UsageError(f"{name}: answer {number} is {answer!r:.60}; expected a text")
    return Answered(answers, how)


def _asked_of(model: Model, texts: Sequence[str], max_tokens: int) -> Answered:
    handle = ModelFolder(model.folder, model.digest)
    if "classify" in model.can:
        found = model.classify(texts)
        conditions = measured_by(model.engine, handle, truncated=sum(each.is_cut for each in found))
        return Answered([each.label for each in found], "the likeliest label", conditions)
    written = [each.text.strip() for each in model.generate(texts, max_tokens=max_tokens)]
    prompt = "chat" if model.engine.chats else "the text as it stands"
    conditions = measured_by(model.engine, handle, prompt=prompt, decoding=f"greedy, at most {max_tokens} tokens")
    return Answered(written, f"greedy, {prompt}, at most {max_tokens} tokens", conditions)
