"""The sample for experts: random, in proportion, and safe to open."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from data_store import EMAILS
from hypothesis import given
from hypothesis import strategies as st

from lmworks.errors import UsageError
from lmworks.pipeline.store import Store
from lmworks.release.built import Built
from lmworks.release.inspect.annotation import as_csv, shares, write_sample


def sample(
    store: Store, folder: Path, step: str = "corpus", count: int = 10, seed: int = 0, personal: bool = False
) -> list[dict[str, str]]:
    (folder / "guidelines.md").write_text("Reject what is <b>wrong</b>.\n")
    built, out = Built.open(store), folder / "out"
    number = write_sample(built, step, count, folder / "guidelines.md", out, ["good", "bad"], seed, personal=personal)
    rows = [json.loads(line) for line in (out / "sample.jsonl").read_text().splitlines()]
    assert len(rows) == number
    return rows


def test_the_sample_has_sources_and_languages_in_proportion(data_store: Store, tmp_path: Path) -> None:
    rows = sample(data_store, tmp_path, "raw", 30)
    assert Counter(row["source"] for row in rows) == {"sources": 26, "more": 4}
    assert len({row["id"] for row in rows}) == 30
    with (tmp_path / "out" / "sample.csv").open(newline="") as lines:
        assert [{**row, "text": row["text"].removeprefix("'")} for row in csv.DictReader(lines)] == rows


def test_an_equal_seed_draws_equal_documents_and_another_others(data_store: Store, tmp_path: Path) -> None:
    first, again, other = (sample(data_store, tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert {row["id"] for row in first} != {row["id"] for row in other}
    assert len(sample(data_store, tmp_path, count=10_000)) == 61


def test_personal_data_is_hidden_before_it_is_anonymised(data_store: Store, tmp_path: Path) -> None:
    sample(data_store, tmp_path, "clean", 100)
    for path in (tmp_path / "out").iterdir():
        assert not [email for email in EMAILS if email in path.read_text()]
    shown = sample(data_store, tmp_path, "clean", 100, personal=True)
    assert sum(email in row["text"] for row in shown for email in EMAILS) == 12


def test_a_part_of_a_step_can_be_judged_and_what_is_none_is_said(data_store: Store, tmp_path: Path) -> None:
    assert len(sample(data_store, tmp_path, "split.test", 2)) == 2
    for wrong in ("split", "absent", "split.more"):
        with pytest.raises(UsageError, match=f"'{wrong}' holds no documents; name a step"):
            sample(data_store, tmp_path, wrong)
    with pytest.raises(UsageError, match=r"none\.md: cannot be read"):
        write_sample(Built.open(data_store), "raw", 1, tmp_path / "none.md", tmp_path / "out", ["a"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_a_formula_in_the_table(start: str) -> None:
    made = as_csv([{"id": "0", "source": "s", "language": "", "text": f'{start}HYPERLINK("x")'}])
    (row,) = csv.DictReader(io.StringIO(made, newline=""))
    assert row["text"] == f'\'{start}HYPERLINK("x")' and row["source"] == "s"


def test_a_text_is_data_on_the_page(data_store: Store, tmp_path: Path) -> None:
    rows = sample(data_store, tmp_path, "corpus", 1000)
    page = (tmp_path / "out" / "annotate.html").read_text()
    assert any("<script>" in row["text"] for row in rows)
    assert page.count("<script") == 2 and "&lt;b&gt;wrong" in page
    assert re.search(r"script-src 'sha256-[\w+/=]{44}'\">", page)
    assert "http" not in page.replace("http-equiv", ""), "nothing is fetched"


@given(st.dictionaries(st.tuples(st.text("ab"), st.text("cd")), st.integers(1, 50), min_size=1), st.integers(0, 99))
def test_shares_are_in_proportion_and_add_up(sizes: dict[tuple[str, str], int], count: int) -> None:
    total = sum(sizes.values())
    count = min(count, total)
    quotas = shares(sizes, count)
    assert sum(quotas.values()) == count
    for stratum, size in sizes.items():
        assert abs(quotas[stratum] - count * size / total) < 1 and quotas[stratum] <= size


def test_no_sign_of_a_text_rewrites_the_terminal_that_shows_the_table() -> None:
    row = {"id": "1", "source": "a\x1b]0;b\x07", "language": "en", "text": "=1\x1b[2J\r\n\u202eback \x9b2J"}
    shown = as_csv([row])
    assert not [sign for sign in shown if not sign.isprintable() and sign not in "\r\n"]
    assert "'=1" in shown and "back" in shown
