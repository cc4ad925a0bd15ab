"""A model asked of every row of a file that is uploaded: rows are counted while they are answered."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened, models_of
from lmworks.errors import LmworksError, Stopped, UsageError

if TYPE_CHECKING:
    from lmworks.predict.rows import TableFile

PAGE = "predict"
SCRIPT = Path(__file__).with_name("predicting.js").read_text(encoding="utf-8")
MOST_BYTES = 200 << 20
"""Of a file: what a browser sends in seconds. `lmworks predict` takes any."""
SHOWN = 20
"""Rows shown on the page; the file has all."""


@dataclass
class Job:
    """A file that is being answered, or was."""

    folder: Path
    rows: int = 0
    said: str = ""
    """What went wrong, or was lost."""
    out: Path | None = None
    ended: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def as_json(self) -> dict[str, Any]:
        """How it stands; at the end with the first rows."""
        from lmworks.predict.rows import TableFile

        shown: dict[str, Any] = {"columns": [], "first": []}
        if self.out:
            table = TableFile(self.out)
            columns = table.columns()
            first = [[_cell(row.fields.get(name)) for name in columns] for row in islice(table.rows(), SHOWN)]
            shown = {"columns": columns, "first": first}
        return {"rows": self.rows, "said": self.said, "ended": self.ended, "file": self.out is not None, **shown}


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """The form, the work behind it, and the file that comes of it."""
    jobs: dict[str, Job] = {}

    def stop_all() -> None:
        for job in jobs.values():
            job.stop.set()

    opened.closing.append(stop_all)

    def page(request: Request) -> Response:
        from lmworks.predict.rows import FORMS

        built = opened.built(request.path_params["build"])
        return opened.show("predicting.html.jinja", built.name, PAGE, models=models_of(built), forms=sorted(FORMS))

    def script(request: Request) -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    async def begin(request: Request) -> Response:
        from lmworks.predict.rows import FORMS, TableFile

        asked = request.query_params
        name = Path(asked.get("name", "")).name
        if (form := Path(name).suffix.lower()) not in FORMS:
            raise UsageError(f"{name or 'the file'}: expected one of {', '.join(sorted(FORMS))}")
        job = Job(opened.scratch / secrets.token_hex(8))
        job.folder.mkdir()
        source = job.folder / f"{Path(name).stem}{form}"
        await _receive(request, source)
        model, text = asked.get("model", ""), asked.get("text", "text")
        await run_in_threadpool(lambda: opened.store(request.path_params["build"]).named(model))
        jobs[job.folder.name] = job
        work = (opened, request.path_params["build"], model, TableFile(source), text, job)
        threading.Thread(target=_run, args=work, daemon=True).start()
        return JSONResponse({"job": job.folder.name}, 202)

    def look(request: Request) -> Response:
        job = _job(jobs, request)
        if request.method == "DELETE":
            job.stop.set()
        return JSONResponse(job.as_json())

    def answered(request: Request) -> Response:
        job = _job(jobs, request)
        if not job.out:
            raise UsageError("this file is not answered yet, or was stopped")
        return FileResponse(job.out, filename=job.out.name)

    return [
        Route("/", page),
        Route("/", begin, methods=["POST"]),
        Route("/predicting.js", script),
        Route("/jobs/{job}", look, methods=["GET", "DELETE"]),
        Route("/jobs/{job}/file", answered),
    ]


async def _receive(request: Request, path: Path) -> None:
    """Raises UsageError for what is too long."""
    size = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MOST_BYTES:
                path.unlink()
                raise UsageError(f"found a file of more than {MOST_BYTES:,} bytes; `lmworks predict` takes any")
            file.write(chunk)


def _job(jobs: dict[str, Job], request: Request) -> Job:
    if not (job := jobs.get(request.path_params["job"])):
        raise UsageError("there is no such work; it goes when the application ends")
    return job


def _run(opened: Opened, build: str, model: str, table: TableFile, text: str, job: Job) -> None:
    from lmworks.engines.open import open_engine
    from lmworks.predict.run import Asking, ability_of, predict
    from lmworks.release.serving import require_answers

    def progress(rows: int) -> None:
        job.rows = rows
        if job.stop.is_set():
            raise Stopped("stopped")

    out = job.folder / f"{table.path.stem}.predicted{table.form}"
    try:
        store = opened.store(build)
        artifact = store.named(model)
        require_answers(store, [artifact])
        engine = open_engine(artifact.payload, device=opened.device)
        told = predict(engine, artifact.digest(), Asking(ability_of(engine), text), table, out, progress)
        lost = [f"{count:,} {why}" for why, count in told.faults.items()]
        lost += [f"{told.cut:,} longer than the model reads or may write: their ends are missing"] * bool(told.cut)
        job.said, job.out = "\n".join(lost), out
    except LmworksError as error:
        job.said = str(error)
    finally:
        job.ended = True


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
