"""Regular expressions that users write: linear time, and classes as Python has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmworks.errors import LmworksError
from lmworks.graph import CLASSES
from lmworks.recipe.file import load_recipe
from lmworks.recipe.patterns import Pattern, checked_pattern
from lmworks.rewards import Answer
from lmworks.rewards.exact import ExactAnswerReward
from lmworks.rewards.rules import RegexReward

RECIPE = """\
name: ruled
data:
  raw: {kind: ingest, sources: [{kind: files, path: texts}]}
tokenizer: {kind: bpe, vocab_size: 300, from: raw}
models:
  base: {objective: causal-lm, from: scratch, data: raw}
  ruled:
    objective: grpo
    from: base
    data: raw
    rewards:
      - {kind: regex, pattern: 'PATTERN'}
"""


@pytest.mark.parametrize("pattern", [r"(\w+\s?)+\.", r"(a|a)*b", r"(.*)*(.*)*x", r"(a|aa)+$"])
@pytest.mark.parametrize("text", ["word " * 10_000, "a" * 50_000])
def test_no_answer_makes_a_pattern_run_for_ever(pattern: str, text: str) -> None:
    answer = Answer(text + "!", "", True)
    assert RegexReward(pattern=pattern).scores([answer]) == [0]
    assert ExactAnswerReward(pattern=f"#### {pattern}").scores([answer]) == [0]


LETTERS = "aé1_ \n\x1c-٣²ſK."
PATTERNS = (
    *(rf"{start}\{one}+{end}" for one in "wWdDsS" for start, end in (("", ""), ("a|", ""), ("[^a", "]"), ("[-", "]*"))),
    *(r"a{,2}b", r"a{1,}", r"a{2}", r"a$", r"(a|1$)", r"(?m)^a$", r"a\Z", r"\A.a", r"(?s).+"),
    *(r"[^\W\d_]+", r"[\s\S]*", r"[]a]+", r"[^]a]+", r"[a\]\-]+", r"[a$]", r"\xe9"),
    *(r"(?P<x>a)(?:1)?", r"(?i)é|k", r"(?i:A)1", r"a+?", r"(a??)1"),
    *(r"\.\-\ ", r"[\.\-]", r"a|", r"()", r"\t|\n|\r|\f|\v|\a", r"(.+)[.]", r"é{2}", "a\n"),
)


@given(st.sampled_from(PATTERNS), st.text(st.sampled_from(LETTERS) | st.characters(exclude_categories=["Cs"])))
@example(r"a$", "a\n")
@example(r"\s+", "\x1c\x85\u2003")
def test_a_pattern_means_what_python_says(pattern: str, text: str) -> None:
    read = Pattern(pattern)
    assert read.matches(text) == bool(re.fullmatch(pattern, text, re.DOTALL))
    found = list(re.finditer(pattern, text))
    last = (found[-1][1] if found[-1].re.groups else found[-1][0]) if found else None
    assert (last and last.strip()) == ((theirs := read.last_found(text)) and theirs.strip())


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        *((pattern, "look-around") for pattern in (r"(?=a)b", r"(?!a)b", r"(?<!a)b")),
        *((pattern, "backreferences") for pattern in (r"(a)\1", r"(?P<x>a)(?P=x)")),
        (r"(a)?(?(1)b|c)", "conditions"),
        *((pattern, "possessive") for pattern in (r"(?>a*)b", r"a*+b", r"a{2}+")),
        (r"\bja\b", r"(?:^|\W)"),
        *((pattern, "regular expression of RE2") for pattern in (r"(?x) a # words", r"(?a)\w", r"(?#words)a", r"(a")),
        *((pattern, "1000") for pattern in (r"a{1001}", r"(\w{1000}){1000}")),
        ("a\ud800", "surrogate"),
    ],
)
def test_what_cannot_run_in_linear_time_is_refused_with_what_to_write(pattern: str, instead: str) -> None:
    with pytest.raises(ValueError, match=re.escape(instead)):
        checked_pattern(pattern)


def test_a_recipe_with_a_pattern_that_is_refused_says_where(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("PATTERN", r"(?!a).*"))
    with pytest.raises(LmworksError, match=r"recipe.yaml:12: models.ruled.rewards.0.pattern: .*look-around"):
        load_recipe(path, CLASSES)
