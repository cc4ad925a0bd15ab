"""Slot coverage: which values of its facts a text states, and which values of other facts.

A value is stated if its words follow one another in the text. Capitals and hyphens do not matter. Other words, such as
"cheap" for "less than £20", are not found, so compare the figures with those of people's texts. Yes and no are left
out. A wrong value is one that other facts have and these facts do not. The values of these facts are first removed from
the text, so that "Indian" in the name of a place near by does not count.
"""

from __future__ import annotations

from lmworks.data.tuning.conversations import source_of
from lmworks.data.tuning.facts import count, values_of
from lmworks.errors import UsageError
from lmworks.evaluate.items import Metric
from lmworks.evaluate.text_metrics.metric import Fields, Judge, Known, TextMetric, Written, written_by_people

COVERAGE = Metric(name="slot_coverage", label="slot coverage", value="stated", weight="slots", most=1)
WRONG = Metric(name="wrong_values", label="wrong values", value="wrong", higher_is_better=False)


def _judge(known: Known) -> Judge:
    others = {value for pair in (*known.train, *known.asked) for value in values_of(source_of(pair))}
    if not any(values_of(source_of(pair)) for pair in known.asked):
        raise UsageError(
            "slots: no source holds facts; expected such as 'name[Blue Spice], area[riverside]' or 'name: Blue Spice, "
            "area: riverside'; leave `slots` out of `metrics`"
        )

    def fields(text: Written) -> Fields:
        return count(values_of(text.source), others, text.answer)

    people = [fields(text) for text in written_by_people(known.asked)]
    stated = sum(each["stated"] for each in people) / max(1, sum(each["slots"] for each in people))
    wrong = sum(each["wrong"] for each in people) / len(people)
    return Judge(
        fields,
        [
            f"values stated word for word, yes and no left out; the references state {stated:.1%}",
            f"values a text that other facts have, of {len(others)}; the references have {wrong:.3f}",
        ],
    )


SLOTS = TextMetric([COVERAGE, WRONG], _judge)
