"""A run on a page that renews itself: read-only, on this machine, for whoever has the address."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lmworks.release.render.charts import Series, line_chart
from lmworks.release.render.templates import environment
from lmworks.serve.access import SECURITY_HEADERS
from lmworks.serve.connections import BoundedServer
from lmworks.serve.run import listen
from lmworks.watch.follow import Standing, read_standing
from lmworks.watch.terminal import ROWS, as_text

POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'"
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
POINTS = 400
"""Of a curve: more than there are pixels for."""


def serve_page(find: Callable[[], Path], port: int, started: Callable[[str], None]) -> None:
    """Serve until Ctrl-C. `find` gives the run's file, wherever it is by now; the address holds a key made here."""
    key = secrets.token_urlsafe(16)
    with listen("127.0.0.1", port) as listener:
        server = BoundedServer(make_app(find, key))
        started(f"http://127.0.0.1:{listener.getsockname()[1]}/{key}/")
        server.run(sockets=[listener])


def make_app(find: Callable[[], Path], key: str) -> Starlette:
    """The application; what does not name the key is not found."""

    async def page(request: Request) -> Response:
        if not hmac.compare_digest(request.path_params["key"].encode(), key.encode()):
            return PlainTextResponse("not found", status_code=404, headers=_headers())
        if request.path_params["name"] == "page.js":
            return Response(SCRIPT, media_type="text/javascript", headers=_headers())
        return Response(render(read_standing(find())), media_type="text/html", headers=_headers())

    return Starlette(routes=[Route("/{key}/{name:path}", page)])


def render(standing: Standing) -> str:
    """The page of a run as it is now."""
    charts = [_chart(standing, title, name) for title, name, _ in ROWS if name != "validation_loss"]
    template = environment(__package__).get_template("watch.html.jinja")
    return template.render(standing=standing, words=as_text(standing), charts=[chart for chart in charts if chart])


def _chart(standing: Standing, title: str, name: str) -> str:
    series = [Series("training", _thinned(standing.series(name)))]
    if unseen := standing.series(f"validation_{name}"):
        series.append(Series("validation", _thinned(unseen)))
    return line_chart(title, "step", title, series)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    every = -(-len(points) // POINTS)
    return points[:-1:every] + points[-1:] if every else points


def _headers() -> dict[str, str]:
    known = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
    return known | {"content-security-policy": POLICY}
