"""Tables with the columns that are learned from are read together, whatever form and encoding they are in."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from e2e.small_recipe import lmworks
from quick import few
from start.test_start import started

COLUMNS = {"classify": ["Text podání", "Oddělení"], "translate": ["en", "cs"]}
LABELS = ["Poruchy", "Fakturace", "Vodoměry"]


def register(folder: Path, task: str) -> None:
    """A table of thirty rows a year, in three forms: none has enough for itself; the last has a column more."""
    folder.mkdir()
    for year in (2023, 2024, 2025):
        rows = [[*COLUMNS[task], *(["Poznámka"] if year == 2025 else [])]]
        for n in range(30):
            said = f"V ulici číslo {n} neteče voda od rána, žádáme o kontrolu roku {year}."
            other = f"There is no water in street {n} since the morning, we ask for a check of {year}."
            rows.append([said, LABELS[n % 3]] if task == "classify" else [other, said])
            rows[-1] += ["nic"] if year == 2025 else []
        if year == 2023:
            book = openpyxl.Workbook()
            for row in rows:
                book.active.append(row)
            book.save(folder / f"{year}.xlsx")
        else:
            stream = io.StringIO()
            csv.writer(stream, delimiter=";").writerows(rows)
            (folder / f"{year}.csv").write_bytes(stream.getvalue().encode("cp1250" if year == 2024 else "utf-8"))


@pytest.mark.parametrize("task", few(COLUMNS, 1))
@pytest.mark.slow
def test_years_in_several_forms_and_encodings_are_learned_from_together(task: str, tmp_path: Path) -> None:
    register(tmp_path / "own", task)
    recipe = started(tmp_path / "own", task=task, privacy="internal", licence="MIT")
    (raw,) = [step for step in recipe.data.values() if step.kind == "ingest"]
    assert sorted(pattern for each in raw.sources for pattern in each.include) == ["*.xlsx", "2024.csv", "2025.csv"]
    assert recipe.needs is not None and recipe.needs.labelled_examples == 90
    assert "# 90 records" in (tmp_path / "own" / "recipe.yaml").read_text()
    assert "documents 90" in lmworks(tmp_path / "own", "build", "recipe.yaml", "--until", "raw").stderr
