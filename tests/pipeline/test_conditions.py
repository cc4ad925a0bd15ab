"""Whether two figures may be compared: forty pairs, each with its verdict and the reason for it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from lmworks.pipeline.conditions import Conditions, differences
from lmworks.pipeline.figure import Figure

DIGEST = "0123456789abcdef" * 4
ASKED = Conditions(
    items="these",
    model=DIGEST,
    weight_bits=16,
    tokenizer=DIGEST,
    template=DIGEST,
    before="<|endoftext|>",
    engine="torch",
    prompt="chat",
    delimiter=" ",
    shots=0,
    decoding="greedy, at most 32 tokens",
    judged="exact",
    context_length=2048,
    stride=1536,
    truncated=0,
    data_type="float32",
    device="cpu",
)
BASELINE = Conditions(items="these")
LOW = replace(ASKED, data_type="bfloat16")
LONG = replace(ASKED, truncated=7)
SAME, SAID = "the same", "compared, and said"


class Pair(NamedTuple):
    a: Conditions
    b: Conditions
    verdict: str
    """`SAME`, `SAID`, or the names of what forbids it."""
    why: str
    per_token: bool = False


def changed(a: Conditions = ASKED, /, **what: Any) -> tuple[Conditions, Conditions]:
    return a, replace(a, **what)


PAIRS = [
    Pair(ASKED, ASKED, SAME, "one build measured twice"),
    Pair(*changed(model="f" * 64), SAID, "which model is better is the question"),
    Pair(*changed(weight_bits=4.5), SAID, "what 4 bits cost is a question, if they are named"),
    Pair(*changed(weight_bits=4.5, model="f" * 64), SAID, "a quantised base beside another model"),
    Pair(*changed(tokenizer="f" * 64), SAID, "bytes and answers are the same for all tokenizers"),
    Pair(*changed(tokenizer="f" * 64), "tokenizer", "a token of one is no token of the other", True),
    Pair(*changed(model="f" * 64), SAID, "per token, of one tokenizer", True),
    Pair(*changed(template="f" * 64), SAID, "each model is asked in the form that it was tuned for"),
    Pair(*changed(before=""), SAID, "what is read before a prompt is the model's own policy"),
    Pair(*changed(before="", model="f" * 64, tokenizer="f" * 64), SAID, "two published models"),
    Pair(*changed(engine="counts"), SAID, "a model that counts beside one that computes"),
    Pair(*changed(engine="llamacpp", weight_bits=4.5), SAID, "what is served beside what was trained"),
    Pair(*changed(prompt="5-shot"), "prompt", "examples help"),
    Pair(*changed(prompt="5-shot", shots=5), "prompt; shots", "examples help, and their number is named too"),
    Pair(*changed(shots=1), "shots", "an example helps"),
    Pair(*changed(prompt="5-shot abc"), "prompt", "other examples help more or less"),
    Pair(*changed(prompt="document"), "prompt", "a base can go on with a document and answer no chat"),
    Pair(*changed(delimiter="\nAnswer:"), "delimiter", "LM Evaluation Harness moved scores by whole points so"),
    Pair(*changed(delimiter=""), "delimiter", "a space makes other tokens"),
    Pair(*changed(decoding="4 beams, at most 32 tokens"), "decoding", "beams raise BLEU"),
    Pair(*changed(decoding="greedy, at most 16 tokens"), "decoding", "one answer may be cut where the other is not"),
    Pair(*changed(judged="exact, numbers by value"), "judged", "10,000 is 10000 for one alone"),
    Pair(*changed(judged="BLEU tok:zh"), "judged", "words are counted otherwise"),
    Pair(*changed(context_length=256), SAME, "nothing was longer than either context"),
    Pair(*changed(context_length=256, stride=192), SAME, "no window was moved"),
    Pair(*changed(stride=64), SAME, "no window was moved"),
    Pair(*changed(LONG, context_length=256), "context length", "one saw more before the same words"),
    Pair(*changed(LONG, stride=64), "stride", "one saw more before the same words"),
    Pair(ASKED, replace(ASKED, context_length=256, truncated=1), "context length", "one of them cut an item"),
    Pair(LONG, replace(LONG, model="f" * 64), SAID, "both cut alike"),
    Pair(*changed(data_type="bfloat16"), "data type", "rounding turns near ties"),
    Pair(*changed(LOW, device="cuda"), "device", "products are summed in another order, in few digits"),
    Pair(*changed(device="cuda"), SAID, "in float32 the order of sums moves no printed digit"),
    Pair(*changed(data_type="float64", engine="counts"), SAID, "both have digits enough"),
    Pair(LOW, replace(LOW, model="f" * 64), SAID, "both round alike"),
    Pair(ASKED, BASELINE, SAME, "a rule has no tokenizer, template or context; items and metric are the same"),
    Pair(LONG, BASELINE, SAME, "it reads every document whole, which is what it is"),
    Pair(BASELINE, BASELINE, SAME, "two rules"),
    Pair(*changed(items="some of these"), SAME, "they are compared on the items that both have"),
    Pair(
        *changed(LOW, data_type="float16", device="cuda", prompt="5-shot", shots=5),
        "prompt; shots; data type; device",
        "all that forbids it is named",
    ),
]


@pytest.mark.parametrize("pair", PAIRS, ids=[each.why for each in PAIRS])
def test_figures_are_compared_where_what_differs_could_not_matter(pair: Pair) -> None:
    for a, b in ((pair.a, pair.b), (pair.b, pair.a)):
        found = differences(a, b, per_token=pair.per_token)
        forbidding = "; ".join(each.name.replace("_", " ") for each in found if each.matters)
        assert forbidding == (pair.verdict if pair.verdict not in (SAME, SAID) else "")
        if pair.verdict == SAID:
            assert found
    words = [str(each) for each in differences(pair.a, pair.b)]
    assert all(" in one, " in each and DIGEST not in each for each in words), "digests are told short"


def test_there_are_forty_of_all_three_kinds() -> None:
    kinds = {each.verdict if each.verdict in (SAME, SAID) else "refused" for each in PAIRS}
    assert len(PAIRS) == 40 and kinds == {SAME, SAID, "refused"}


def test_what_is_meant_to_differ_forbids_nothing() -> None:
    few_shot = replace(ASKED, prompt="5-shot", shots=5)
    found = differences(ASKED, few_shot, meant=["prompt", "shots"])
    assert [each.name for each in found] == ["prompt", "shots"] and not any(each.matters for each in found)


def test_white_space_is_seen_in_what_differs() -> None:
    (found,) = differences(*changed(delimiter=""))
    assert str(found) == "delimiter is ' ' in one, '' in the other"


def test_conditions_come_back_from_what_is_stored() -> None:
    figure = Figure(name="accuracy", value=0.5, n=20, method="counted", conditions=ASKED)
    assert Figure.from_json(json.loads(json.dumps(figure.as_json()))) == figure
    older = json.loads(json.dumps(figure.as_json())) | {"context_length": 512, "prompt_digest": "a" * 64}
    older.pop("conditions")
    assert Figure.from_json(older).conditions is None, "what earlier releases wrote is read, and not compared"
