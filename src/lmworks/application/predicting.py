"""Predictions of a model for every row of an uploaded file. The page counts finished rows."""

from __future__ import annotations

import logging
import secrets
import shutil
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
from lmworks.knowledge.quoting import holds_passages
from lmworks.model.folder import family_of
from lmworks.release.built import read_json

if TYPE_CHECKING:
    from lmworks.predict.rows import TableFile

logger = logging.getLogger("lmworks.application")

PAGE = "predict"
SCRIPT = Path(__file__).with_name("predicting.js").read_text(encoding="utf-8")
MOST_BYTES = 200 << 20
"""Maximum size of a file in bytes. A browser sends it in seconds. `lmworks predict` takes files of any size."""
WAITING = 4
"""Maximum number of unfinished files, to limit the disk space that they use."""
KEPT = 8
"""Number of finished files that a session keeps until it ends."""
STOP_SECONDS = 60
"""Seconds to wait for unfinished rows when the application ends."""
LONGEST_NAME = 60
SHOWN = 20
"""Number of rows that the page shows. The file has all rows."""


@dataclass
class Job:
    """Prediction for one uploaded file: waiting, running or ended."""

    folder: Path
    rows: int = 0
    waits: bool = True
    """Whether the file still waits for an earlier one. Only one runs at a time, because memory holds one model."""
    said: str = ""
    """Message about an error, or about rows that failed or were cut."""
    out: Path | None = None
    columns: Sequence[str] = ()
    first: Sequence[Sequence[str]] = ()
    """Cells of the first rows of the finished file."""
    ended: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def as_json(self) -> dict[str, Any]:
        """Return the state of the job."""
        shown = {"columns": self.columns, "first": self.first, "file": self.out is not None}
        return {"rows": self.rows, "waits": self.waits, "said": self.said, "ended": self.ended, **shown}


class Jobs:
    """The jobs of a session. They run one at a time. The last few ended jobs are kept."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._jobs: dict[str, Job] = {}
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []

    def begin(self, job: Job, build: str, model: str, table: TableFile, text: str, continues: bool) -> str:
        """Start a job in a thread, and return its name."""
        for name in [name for name, each in self._jobs.items() if each.ended][:-KEPT]:
            shutil.rmtree(self._jobs.pop(name).folder, ignore_errors=True)
        if sum(not each.ended for each in self._jobs.values()) >= WAITING:
            raise UsageError(f"{WAITING} files are already running or waiting: send this file when one of them is done")
        self._jobs[job.folder.name] = job
        thread = threading.Thread(target=self._run, args=(job, build, model, table, text, continues), daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()
        return job.folder.name

    def named(self, name: str) -> Job:
        """Return the job of this name. Raises UsageError if there is none."""
        if not (job := self._jobs.get(name)):
            raise UsageError("this job is not kept any more. Only the last few jobs are kept. Send the file again")
        return job

    def close(self) -> None:
        """Stop all jobs, and wait until their current rows are finished."""
        for job in self._jobs.values():
            job.stop.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _run(self, job: Job, build: str, model: str, table: TableFile, text: str, continues: bool) -> None:
        try:
            with self._turn:
                job.waits = False
                if not job.stop.is_set():
                    self._answer(job, build, model, table, text, continues)
        except LmworksError as error:
            job.said = str(error)
        except OSError as error:
            job.said = f"the file cannot be written: {error.strerror or error}"
        except BaseException:  # Rust's panics are no Exception
            logger.exception("a file could not be answered")
            job.said = "An unknown error stopped this. See the terminal in which you started the application."
        finally:
            if not job.out:
                shutil.rmtree(job.folder, ignore_errors=True)
            job.ended = True

    def _answer(self, job: Job, build: str, model: str, table: TableFile, text: str, continues: bool) -> None:
        from lmworks.predict.rows import TableFile
        from lmworks.predict.run import Asking, ability_of, predict
        from lmworks.release.serving import open_answering, require_answers

        def progress(rows: int) -> None:
            job.rows = rows
            if job.stop.is_set():
                raise Stopped(f"stopped after {rows:,} rows")

        out = job.folder / f"{table.path.stem}.predicted{table.form}"
        store = self._opened.store(build)
        artifact = store.named(model)
        require_answers(store, [artifact])
        engine = open_answering(artifact.payload, self._opened.device)
        asking = Asking(ability_of(engine), text, continues=continues)
        told = predict(engine, artifact.digest(), asking, table, out, progress)
        lost = [f"{count:,} {why}; the first: {told.first}" for why, count in told.faults.items()]
        lost += [f"{told.cut:,} rows longer than the model can read or write: their ends are missing"] * bool(told.cut)
        answered = TableFile(out)
        job.columns = answered.columns()
        job.first = [[_cell(row.fields.get(name)) for name in job.columns] for row in islice(answered.rows(), SHOWN)]
        job.said, job.out = "\n".join(lost), out


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the routes of the upload form, of the jobs, and of the finished files."""
    jobs = Jobs(opened)
    opened.closing.append(jobs.close)

    def page(request: Request) -> Response:
        from lmworks.predict.rows import FORMS

        built = opened.built(request.path_params["build"])
        models = {name: _chats(built.artifacts[name].payload) for name in models_of(built)}
        return opened.show("predicting.html.jinja", built.name, PAGE, models=models, forms=sorted(FORMS))

    def script(request: Request) -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    async def begin(request: Request) -> Response:
        from lmworks.predict.rows import FORMS, TableFile

        asked, build = request.query_params, request.path_params["build"]
        name = Path(asked.get("name", "")).name
        if (form := Path(name).suffix.lower()) not in FORMS:
            raise UsageError(f"{name or 'the file'}: expected one of {', '.join(sorted(FORMS))}")
        model = asked.get("model", "")
        await run_in_threadpool(lambda: opened.store(build).named(model))
        job = Job(opened.scratch / secrets.token_hex(8))
        job.folder.mkdir()
        source = job.folder / f"{Path(name).stem[:LONGEST_NAME]}{form}"
        try:
            await receive(request, source)
            name = jobs.begin(job, build, model, TableFile(source), asked.get("text", "text"), "continue" in asked)
        except BaseException:  # who sends it has gone, or sent too much
            shutil.rmtree(job.folder, ignore_errors=True)
            raise
        return JSONResponse({"job": name}, 202)

    def look(request: Request) -> Response:
        job = jobs.named(request.path_params["job"])
        if request.method == "DELETE":
            job.stop.set()
        return JSONResponse(job.as_json())

    def answered(request: Request) -> Response:
        job = jobs.named(request.path_params["job"])
        if not job.out:
            raise UsageError("this file is not finished: it still runs, or it was stopped or failed")
        return FileResponse(job.out, filename=job.out.name)

    return [
        Route("/", page),
        Route("/", begin, methods=["POST"]),
        Route("/predicting.js", script),
        Route("/jobs/{job}", look, methods=["GET", "DELETE"]),
        Route("/jobs/{job}/file", answered),
    ]


def _chats(folder: Path) -> bool:
    """Return whether a model generates text and has a chat template, so that it can answer or continue a text."""
    from lmworks.tokens.settings import read_template

    written = not holds_passages(folder) and family_of(folder) in (None, "decoder")
    return written and bool(read_template(folder, read_json(folder / "tokenizer_config.json")))


async def receive(request: Request, path: Path) -> None:
    """Write the body of a request into a file. Raises UsageError if it is longer than `MOST_BYTES`."""
    size = 0
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MOST_BYTES:
                raise UsageError(f"the file has more than {MOST_BYTES:,} bytes. Use `lmworks predict` instead")
            file.write(chunk)


def _cell(value: object) -> str:
    text = ("" if value is None else str(value)).encode(errors="replace").decode()
    return text if len(text) <= 200 else f"{text[:200]}…"
