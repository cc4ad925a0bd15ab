"""The command that applies a model to each row of a file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lmworks.cli.options import DeviceOption, JsonOption, LastStoreOption, tell
from lmworks.errors import UsageError

PREDICTED = (
    "A step of the last build, the beginning of a digest, a recipe or its folder (its served model), or a model folder."
)

if TYPE_CHECKING:
    from lmworks.predict.run import Told


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=PREDICTED)],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSONL, CSV, TSV, Parquet, or another format that a build can read.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write. By default FILE.predicted.… in the folder of FILE.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            help="Field with the text or the chat turns. Default: `text`, or the field that the model's recipe reads."
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Maximum number of tokens of a generated text.")] = 256,
    temperature: Annotated[
        float, typer.Option(min=0, help="Sampling temperature. 0 always takes the likeliest token.")
    ] = 0.0,
    continues: Annotated[
        bool, typer.Option("--continue", help="Continue each text directly, even if the model expects chat turns.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of sampling. Only used above temperature 0.")] = 0,
    delimiter: Annotated[str | None, typer.Option(help="Delimiter of CSV. Default: as the first rows show.")] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of the file, such as cp1252. By default UTF-8.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output file.")] = False,
    device: DeviceOption = None,
    store: LastStoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a model's predictions to each row of a file.

    Predictions are labels, spans, vectors or texts. After a stop, the same command continues.

    Example: lmworks predict sorter letters.csv --text body
    """
    from lmworks.api.model import find_model
    from lmworks.engines.request import Sampling
    from lmworks.model.device import AUTO
    from lmworks.predict.rows import TableFile
    from lmworks.predict.run import Asking, ability_of, text_field
    from lmworks.predict.run import predict as ask
    from lmworks.release.serving import open_answering

    table = TableFile(file, delimiter, encoding)
    target = out or file.with_suffix(f".predicted{table.written}")
    if not file.is_file():
        raise UsageError(f"{file}: there is no such file")
    if target.suffix.lower() != table.written:
        raise UsageError(f"--out {target}: the file name ends with {target.suffix!r}; expected {table.written}")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} exists already: name another file with --out, or replace this one with --overwrite")
    found = find_model([model], store)
    engine = open_answering(found.folder, device or AUTO)
    text = text or text_field(table.columns(), found.text_fields)
    asking = Asking(ability_of(engine), text, Sampling(max_tokens, temperature, seed=seed), continues)
    began, shows = time.monotonic(), sys.stderr.isatty()

    def progress(rows: int) -> None:
        if shows:
            seconds = time.monotonic() - began
            print(f"\r{rows:,} rows, {rows / max(seconds, 1e-3):,.0f} a second", end="", file=sys.stderr, flush=True)

    told = ask(engine, found.digest, asking, table, target, progress, overwrite=overwrite)
    if shows:
        print(file=sys.stderr)
    goes_on = asking.ability == "generate" and not engine.chats
    counts = {"rows": told.rows, "cut": told.cut, **told.faults}
    tell(
        _in_words(told, target, found.refusal, goes_on=goes_on),
        {"out": str(target), "not_released": found.refusal, **counts},
        as_json,
    )
    if told.rows and sum(told.faults.values()) == told.rows:
        raise typer.Exit(1)


def _in_words(told: Told, out: Path, refusal: str, *, goes_on: bool) -> str:
    """Return the result in words: first whether the model is not released, then lost and cut rows."""
    lines = [f"not released: {refusal}"] if refusal else []
    lines += [f"{count:,} {why}; the first: {told.first}" for why, count in told.faults.items()]
    if told.cut:
        lines.append(f"{told.cut:,} rows are longer than the model can read or write: their ends are missing")
    lost = sum(told.faults.values())
    answered = (
        f"{told.rows - lost:,} of {told.rows:,} rows with answers" if lost else f"{told.rows:,} rows with their answers"
    )
    lines.append(f"{answered}: {out}")
    if goes_on:
        lines.append("The model has no chat template: it continued each text as it is")
    return "\n".join(lines)
