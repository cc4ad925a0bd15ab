"""A table in a notebook: looked at, fitted and asked, in a few lines."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import lmworks

PLACES = ["north hall", "south hall", "old mill", "new yard", "east gate", "west gate"]
WORDS = ["since", "noon", "we", "wait", "nobody", "people", "has", "come", "look", "told", "what", "they", "will", "do"]
DRAW = random.Random(0)
TICKETS = [
    {
        "message": f"the {what} of the {PLACES[n % 6]} {said}, {' '.join(DRAW.sample(WORDS, 9))}, day {n}",
        "queue": queue,
        "nr": n,
    }
    for n in range(80)
    for what, said, queue in (("lift", "is stuck again", "lifts"), ("invoice", "was paid twice", "money"))
]
"""Texts of which few are near copies, so that both labels are held out."""


def test_what_programs_import_is_completed() -> None:
    assert {"look", "fit", "open_recipe"} <= {*dir(lmworks)} == {*lmworks.__all__}


@pytest.mark.parametrize(
    "table", [TICKETS, pd.DataFrame(TICKETS), pa.Table.from_pylist(TICKETS)], ids=["rows", "df", "arrow"]
)
def test_a_table_is_looked_at(table: object) -> None:
    seen = lmworks.look(table)
    assert "160 texts with labels" in repr(seen) and "labels: queue" in repr(seen)
    page = seen._repr_html_()
    assert "<th>message</th>" in page and "the lift of the north hall is stuck" in page


def test_a_table_becomes_a_model_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the last build is noted

    def fitted() -> lmworks.Fitted:
        return lmworks.fit(
            pd.DataFrame(TICKETS),
            text="message",
            label="queue",
            name="tickets",
            folder=tmp_path / "models",
            budget_usd=0,
        )

    model = fitted()
    assert model.predict("the lift is stuck") == ["lifts"]
    assert model.predict(["my invoice was paid twice", "a stuck lift"]) == ["money", "lifts"]
    assert "majority (baseline)" in repr(model) and "<strong>" in model._repr_html_()
    assert fitted().recipe.path == model.recipe.path, "the same table and arguments are the same model"
    assert [path.name[:8] for path in (tmp_path / "models").iterdir()] == ["tickets-"]


def test_what_is_no_table_or_no_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lmworks.LmworksError, match="a int is not a table: expected a DataFrame"):
        lmworks.look(3)
    with pytest.raises(lmworks.LmworksError, match="no column 'quue'; columns: message, queue, nr"):
        lmworks.fit(TICKETS, label="quue", folder=tmp_path)


def test_text_of_a_table_is_no_markup() -> None:
    rows = [{"message": f"<script>alert({n})</script> the lift is stuck on day {n}"} for n in range(40)]
    assert "<script>" not in lmworks.look(rows)._repr_html_()
