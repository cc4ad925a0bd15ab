"""Functions for a table in a notebook: look at its contents, and fit a first model to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.api.model import Model
from lmworks.api.recipe import OpenRecipe, open_recipe
from lmworks.errors import GateRefused, UsageError
from lmworks.pipeline.files import digest_text, write_atomically

if TYPE_CHECKING:
    from lmworks.start.seen import Seen

CELL = 120
"""Maximum number of characters of a cell that a notebook shows."""
MODELS = "lmworks-models"
"""Folder for the recipes and models of `fit`. `lmworks start` uses the same folder."""


@dataclass(frozen=True)
class Looked:
    """The contents of a table or a folder, as a notebook shows them."""

    seen: Seen

    @property
    def lines(self) -> list[str]:
        """The lines that `lmworks init` prints."""
        from lmworks.start.write import seen_in_words

        return list(seen_in_words(self.seen))

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        rows = next((table.first for table in self.seen.tables if table.first), [])
        return f"{_listed(self.lines)}{_table(rows)}"


@dataclass(frozen=True)
class Fitted:
    """A model that `fit` built, with its verdict."""

    recipe: OpenRecipe
    """The recipe that `fit` wrote, and its store."""
    verdict: str
    """One sentence: whether it is better than the baselines."""
    numbers: Sequence[str]
    """The model's figures, compared with the strongest baseline."""
    caveat: str

    def predict(self, texts: str | Sequence[str]) -> list[Any]:
        """Return the label, the spans or the text that the served model gives each text."""
        texts = [texts] if isinstance(texts, str) else [*texts]
        model = self.model()
        if "classify" in model.can:
            return [each.label for each in model.classify(texts)]
        if "tag" in model.can:
            return [each.spans for each in model.tag(texts)]
        return [each.text for each in model.generate(texts)]

    def model(self) -> Model:
        """Open the served model. Raises UsageError if no model is served."""
        return self.recipe.open_model()

    def __repr__(self) -> str:
        return "\n".join([self.verdict, *self.numbers, *filter(None, [self.caveat]), f"recipe: {self.recipe.path}"])

    def _repr_html_(self) -> str:
        said = [*self.numbers, *filter(None, [self.caveat]), f"recipe: {self.recipe.path}"]
        return f"<p><strong>{escape(self.verdict)}</strong></p>{_listed(said)}"


def look(table: Any) -> Looked:
    """Look at a table: its texts, labels, languages, copies and personal data.

    Args:
        table: A DataFrame of pandas or polars, an Arrow table, a list of rows, or the path of a folder.

    Returns:
        The table's contents. A notebook shows them as a list, with the first rows.

    Example:
        >>> lmworks.look(tickets)
    """
    from tempfile import TemporaryDirectory

    from lmworks.start.look import look as look_at

    if isinstance(table, str | Path):
        return Looked(look_at(Path(table)))
    with TemporaryDirectory() as folder:
        _write(_rows(table), Path(folder))
        return Looked(look_at(Path(folder)))


def fit(
    table: Any,
    *,
    text: str | None = None,
    label: str | None = None,
    target: str | None = None,
    task: str | None = None,
    name: str = "table",
    folder: str | Path = MODELS,
    minutes: float = 6,
    **answers: Any,
) -> Fitted:
    """Write a recipe for a table, build it, and compare the model with simple baselines.

    The same table and arguments use the same folder, so a second call builds only missing steps.

    Args:
        table: The same kinds of tables as for `look`.
        text: The column of the texts. By default the column that most likely holds them.
        label: The column of the labels, for a classifier.
        target: The column of the texts that the model learns to write: translations, summaries or answers.
        task: "classify", "search", "translate", "summarise", "chat", "write" or "extract". Guessed by default.
        name: First part of the name of the model's folder. A digest follows.
        folder: Folder in which the model's folder is created.
        minutes: Number of minutes that the build may take, as planned.
        answers: Further answers to the questions of `lmworks init`, such as `privacy="public"`.

    Returns:
        The model with its verdict. `predict(texts)` runs the served model.

    Raises:
        LmworksError: lmworks cannot build a model from this table. The message says what is missing.

    Example:
        >>> model = lmworks.fit(tickets, text="message", label="queue")
        >>> model.predict(["The lift is stuck."])
    """
    from lmworks import graph
    from lmworks.recipe.file import load_recipe
    from lmworks.start.answers import ask_all
    from lmworks.start.look import look as look_at
    from lmworks.start.write import start

    stated = {"text": text, "label": label, "target": target, "task": task or ("classify" if label else None)}
    given = {"minutes": minutes, **{key: value for key, value in stated.items() if value}, **answers}
    if isinstance(table, str | Path):
        data, known = Path(table).resolve(), str(Path(table).resolve())
    else:
        rows = _rows(table)
        if unknown := [each for each in (text, label, target) if each and not any(each in row for row in rows)]:
            raise UsageError(f"no column {unknown[0]!r}; columns: {', '.join(map(str, rows[0] if rows else ()))}")
        known = "\n".join(_line(row) for row in rows)
    place = Path(folder) / f"{name}-{digest_text(json.dumps(given, sort_keys=True, default=str) + known)[:8]}"
    if not isinstance(table, str | Path):
        data = place / "data"
        _write(rows, data)
    if not (place / "recipe.yaml").exists():
        seen = look_at(data)
        complete = ask_all(seen, given, None, lambda _: None, lambda _: None)
        start(place, data, seen, complete, lambda path: load_recipe(path, graph.CLASSES))
    return _built(open_recipe(place / "recipe.yaml"))


def _built(recipe: OpenRecipe) -> Fitted:
    """Build a recipe, and read its verdict. A model that fails a gate is built all the same, and can be inspected."""
    from lmworks.release.gates import failed_gates
    from lmworks.release.report.ending import ending

    try:
        recipe.build()
    except GateRefused:
        if recipe.built.missing:
            raise
    end = ending(recipe.built, recipe.path, failed_gates(recipe.built))
    return Fitted(recipe, end.verdict, end.numbers, end.caveat)


def _rows(table: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a pandas, polars or Arrow table, or of a list of dicts."""
    for method, how in (("to_pylist", {}), ("to_dicts", {}), ("to_dict", {"orient": "records"})):
        if hasattr(table, method):
            return list(getattr(table, method)(**how))
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return list(table)
    raise UsageError(f"a {type(table).__name__} is not a table: expected a DataFrame, an Arrow table or a list of rows")


def _line(row: Mapping[str, Any]) -> str:
    """Return a row as JSON, without missing values (None and NaN)."""
    kept = {str(name): value for name, value in row.items() if value is not None and value == value}
    return json.dumps(kept, ensure_ascii=False, default=str)


def _write(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "rows.jsonl", "".join(f"{_line(row)}\n" for row in rows))


def _listed(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(str(name) or 'text')}</th>" for name in rows[0])
    cells = ("".join(f"<td>{escape(str(row.get(name, ''))[:CELL])}</td>" for name in rows[0]) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>"
