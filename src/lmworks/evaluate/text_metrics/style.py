"""Style: share of texts that a classifier takes for texts by people."""

from __future__ import annotations

from lmworks.errors import UsageError
from lmworks.evaluate.items import Metric
from lmworks.evaluate.text_metrics.metric import Fields, Judge, Known, TextMetric, Written, written_by_people

IN_STYLE = Metric(name="in_style", label="in style", value="in_style", is_share=True)


def _judge(known: Known) -> Judge:
    from lmworks.data.quality.hashed_linear import LinearClassifier

    if known.style is None:
        raise UsageError("style: the task has no classifier; name a step of kind `classifier` in its `style`")
    classifier = LinearClassifier.load(known.style.path)
    if known.style_label not in classifier.labels:
        raise UsageError(
            f"style: `style_label` {known.style_label!r} is no label; expected one of {', '.join(classifier.labels)}"
        )
    wanted = classifier.labels.index(known.style_label)

    def fields(text: Written) -> Fields:
        return {"in_style": float(classifier.probabilities([text.answer]).argmax() == wanted)}

    people = [fields(text)["in_style"] for text in written_by_people(known.asked)]
    share = sum(people) / len(people)
    return Judge(fields, [f"taken for {known.style_label!r} by the classifier; of the references {share:.1%} are"])


STYLE = TextMetric([IN_STYLE], _judge)
