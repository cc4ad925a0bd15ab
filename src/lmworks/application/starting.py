"""The pages of `lmworks start`: files, a preview of rows, up to three questions, a build, and the first answers."""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lmworks.application.opened import Opened
from lmworks.application.predicting import receive
from lmworks.errors import UsageError

if TYPE_CHECKING:
    from lmworks.pipeline.figure import Figure
    from lmworks.release.built import Built
    from lmworks.start.answers import Question
    from lmworks.start.seen import Seen

PAGE = "~start"
"""Name of these pages in addresses. No recipe can have this name."""
SCRIPT = Path(__file__).with_name("starting.js").read_text(encoding="utf-8")
MINUTES = 6
"""Minutes that a first build may take, as planned. Users wait for no longer than a coffee break."""
ROWS, CELL = 5, 160
"""Numbers of rows in the preview, and of characters in a cell."""
SHOWN = 10
"""Number of held-out rows that the first result shows."""
LINES = 12
"""Number of the last lines of a build's log that the page shows."""
STOP_SECONDS = 30
"""Seconds that a build has to stop when the application ends. It is then killed."""


@dataclass
class Project:
    """A folder of files that was inspected, and the build started from it."""

    name: str
    data: Path
    seen: Seen
    folder: Path = Path()
    """Folder of the recipe, once the recipe is written."""
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0

    @property
    def log(self) -> Path:
        """The file that gets the build's output."""
        return self.folder / "build.log"

    def as_json(self) -> dict[str, Any]:
        """Return the state of the build."""
        code = self.process.poll() if self.process else None
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:]
        return {"ended": code is not None, "code": code, "lines": lines, "seconds": int(time.monotonic() - self.began)}


class Projects:
    """The projects of this session. Only one build runs at a time."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._known: dict[str, Project] = {}

    def look(self, data: Path) -> str:
        """Inspect a folder, and return the key of its project. Raises UsageError if there is no such folder."""
        from lmworks.start.look import look

        data = data.expanduser()
        if not data.is_dir():
            raise UsageError(f"{data}: there is no such folder on this machine. Type its full path")
        key = secrets.token_hex(8)
        named = data.parent if data.name == "data" and data.parent.parent == self._opened.root.parent else data
        name = re.sub(r"[^a-z0-9]+", "-", named.resolve().name.lower()).strip("-") or "model"
        self._known[key] = Project(name, data.resolve(), look(data))
        return key

    def named(self, key: str) -> Project:
        """Return the project of a key. Raises UsageError if there is none."""
        if not (found := self._known.get(key)):
            raise UsageError("this page is from an earlier run of the application. Choose your files again")
        return found

    def build(self, project: Project, given: Mapping[str, str]) -> None:
        """Write the recipe, and start its build in a separate process."""
        from lmworks import graph
        from lmworks.recipe.file import load_recipe
        from lmworks.start.answers import ask_all
        from lmworks.start.write import start

        if any(each.process and each.process.poll() is None for each in self._known.values()):
            raise UsageError("another build is running: wait until it ends, or stop it on its page")
        answers = ask_all(project.seen, {"minutes": MINUTES, **given}, None, lambda _: None, lambda _: None)
        folder = project.folder = self._free(project.name)
        start(folder, project.data, project.seen, answers, lambda path: load_recipe(path, graph.CLASSES))
        command = [sys.executable, "-m", "lmworks", "build", str(folder / "recipe.yaml")]
        command += ["--store", str(self._opened.root)]
        project.began = time.monotonic()
        with project.log.open("wb") as log:  # a session of its own: Ctrl-C in the terminal reaches the page alone
            project.process = subprocess.Popen(  # noqa: S603 - our own program, and paths as arguments
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _free(self, name: str) -> Path:
        """Return a folder without a recipe, whose name is `name`, with a number if needed."""
        place, number = self._opened.root.parent, 1
        while (folder := place / (name if number == 1 else f"{name}-{number}")).joinpath("recipe.yaml").exists():
            number += 1
        return folder

    def close(self) -> None:
        """Stop the running build. `lmworks build` can continue it."""
        for project in self._known.values():
            stop(project)
        for process in (each.process for each in self._known.values() if each.process):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def stop(project: Project) -> None:
    """Send a signal to stop to the build, if it is running."""
    if project.process and project.process.poll() is None:
        project.process.send_signal(signal.SIGINT)


def routes(opened: Opened) -> Sequence[BaseRoute]:
    """Return the routes of all pages from the files to the first answers, and of the requests that these pages send."""
    projects = Projects(opened)
    opened.closing.append(projects.close)

    def choose(request: Request) -> Response:
        return opened.show("starting.html.jinja", None, PAGE, title="Start", key=None)

    def script(request: Request) -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    async def upload(request: Request) -> Response:
        folder, name = request.query_params.get("folder", ""), Path(request.query_params.get("name", "")).name
        if not re.fullmatch(r"[0-9a-f]{16}", folder) or not name or name.startswith("."):
            raise UsageError("the file needs a name that does not begin with a dot")
        place = opened.root.parent / f"files-{folder[:6]}" / "data"
        place.mkdir(parents=True, exist_ok=True)
        await receive(request, place / name)
        return JSONResponse({"path": str(place)})

    async def begin(request: Request) -> Response:
        path = (await request.json()).get("path", "")
        return JSONResponse({"to": f"{await run_in_threadpool(projects.look, Path(path))}/"})

    def preview(request: Request) -> Response:
        key = request.path_params["key"]
        project = projects.named(key)
        if project.process:
            return _building(opened, key, project)
        shown = _preview(project.seen)
        return opened.show(
            "starting.html.jinja", None, PAGE, title=project.name, key=key, cell=CELL, minutes=MINUTES, **shown
        )

    async def build(request: Request) -> Response:
        key = request.path_params["key"]
        given = {str(name): str(value) for name, value in (await request.json()).items()}
        await run_in_threadpool(projects.build, projects.named(key), given)
        return JSONResponse({"to": "./"}, 202)

    def state(request: Request) -> Response:
        project = projects.named(request.path_params["key"])
        if request.method == "DELETE":
            stop(project)
        return JSONResponse(project.as_json())

    return [
        Route("/", choose),
        Route("/starting.js", script),
        Route("/files", upload, methods=["POST"]),
        Route("/look", begin, methods=["POST"]),
        Route("/{key}/", preview),
        Route("/{key}/build", build, methods=["POST"]),
        Route("/{key}/state", state, methods=["GET", "DELETE"]),
    ]


def _preview(seen: Seen) -> dict[str, Any]:
    """Return the contents of a folder in words, its first rows, the questions, and why nothing can be built, if so."""
    from lmworks.start.answers import without_text
    from lmworks.start.write import seen_in_words

    refused = without_text(seen) if seen.holds_readings_alone or not seen.tables else ""
    table = next((each for each in seen.tables if each.first), None)
    first = table.first[:ROWS] if table else []
    asked = [] if refused else _asked(seen)
    return {"words": list(seen_in_words(seen)), "refused": refused, "first": first, "asked": asked}


def _asked(seen: Seen) -> list[dict[str, Any]]:
    """Return at most three questions: the model's task, the column of right labels, and the privacy of the files."""
    from lmworks.start.answers import USES, questions

    def shown(question: Question, words: str, options: Mapping[str, str]) -> dict[str, Any]:
        return {"field": question.field, "words": words, "default": question.default, "options": options}

    found = {each.field: each for each in questions(seen, {"task": "classify", "privacy": "internal"})}
    guessed = next(each for each in questions(seen, {"privacy": "internal"}) if each.field == "task")
    asked = [shown(guessed, "What shall it do?", USES)]
    if guessed.default == "classify" and (label := found.get("label")):
        columns = dict.fromkeys(name for table in seen.tables for name in table.labels)
        asked.append(shown(label, "Which column says what is right?", {name: name for name in columns}))
    privacy = {name: name for name in found["privacy"].options}
    asked.append(shown(found["privacy"], "How private are the files?", privacy))
    return asked


def _building(opened: Opened, key: str, project: Project) -> Response:
    """Return the page of a build. It shows the last lines of output while the build runs, then the first answers."""
    now = project.as_json()
    built = opened.built(name) if now["ended"] and (name := _build_of(opened, project)) else None
    result = _result(opened, built) if built else None
    return opened.show(
        "started.html.jinja", built.name if built else None, PAGE, title=project.name, key=key, now=now, result=result
    )


def _build_of(opened: Opened, project: Project) -> str:
    """Return the name of the build of a project's recipe. Empty if the store has no record of it yet."""
    recipe = project.folder / "recipe.yaml"
    names = opened.store().builds.names
    return next((name for name in names if opened.built(name).recipe.resolve() == recipe.resolve()), "")


def _result(opened: Opened, built: Built) -> dict[str, Any]:
    """Return the verdict of a build, ten held-out rows with answers, and the model that the user can ask."""
    from lmworks.application.opened import models_of
    from lmworks.release.gates import failed_gates, served
    from lmworks.release.report.ending import ending

    end = ending(built, built.store.root, failed_gates(built))
    names = [name for name in served(built) if name in built.artifacts]
    return {
        "verdict": end.verdict,
        "numbers": list(end.numbers),
        "caveat": end.caveat,
        "model": names[0] if names else next(iter(models_of(built)), ""),
        "is_served": bool(names),
        "to": opened.address,
        **_left_out(built, names),
    }


def _rank(figure: Figure) -> float:
    """Return a number that is higher for a better figure."""
    from lmworks.evaluate.compare import metric_named

    metric = metric_named(figure.name)
    return -figure.value if metric and not metric.higher_is_better else figure.value


def _left_out(built: Built, names: Sequence[str]) -> dict[str, Any]:
    """Return held-out rows with answers of the served model, or else the first model, and of the best baseline."""
    from lmworks.data.personal.hidden import hide
    from lmworks.pipeline.files import digest_text
    from lmworks.release.built import measures_model, read_lines

    for systems in built.evaluations().values():
        kept = {name: each for name, each in systems.items() if (each.payload / "items.jsonl").exists()}
        ours = next((name for name in (*names, *kept) if name in kept and measures_model(kept[name])), None)
        others = [name for name, each in kept.items() if not measures_model(each)]
        if not ours:
            continue
        baseline = max(others, key=lambda name: _rank(kept[name].manifest.figures[0]), default=None)
        read = [read_lines(kept[name].payload / "items.jsonl") for name in (ours, baseline) if name]
        answers = [{item["id"]: item for item in items} for items in read]
        drawn = sorted(answers[0].values(), key=lambda item: digest_text(item["id"]))[:SHOWN]
        rows = [
            {
                "prompt": hide(str(item.get("prompt", ""))),
                "reference": hide(str(item.get("reference", ""))),
                "answers": [hide(str(found.get(item["id"], {}).get("answer", ""))) for found in answers],
            }
            for item in drawn
        ]
        return {"rows": rows if any(row["answers"][0] for row in rows) else [], "systems": [ours, baseline]}
    return {"rows": [], "systems": []}
