"""Live display of a build, and its plain form for logs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING, TextIO

from lmworks.pipeline.build import Display
from lmworks.pipeline.manifest import Manifest
from lmworks.pipeline.stage import Progress
from lmworks.pipeline.work.process import load_in_words
from lmworks.terminal import raw
from lmworks.terminal import shown as plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LOSSES_SHOWN, COUNTS_SHOWN = 3, 4
"""Maximum number of a step's reasons and counts on its last line."""
LATE = 1.5
"""Multiple of the planned maximum time from which a step is reported as late."""
SETTLED_SECONDS = 30.0
"""Seconds after which the measured rate is used. Before, a training may still compile."""
PLAIN_INTERVAL_SECONDS = 10.0
"""Seconds between two lines of a log."""
SAMPLE_LINES = 8
"""Lines of a text that is being rewritten. Empty lines, of which a young model writes many, are left out."""


def make_display(stage_of: Callable[[str], str] | None = None) -> Display:
    """The live display on a terminal, plain lines elsewhere; of stages, if told the stage of a step by its name."""
    live = LiveDisplay() if sys.stderr.isatty() else None
    return Stages(sys.stderr, stage_of, live) if stage_of else live or PlainDisplay(sys.stderr)


class Meter:
    """Counter of units of work that shows their rate and the time left."""

    def __init__(self, most_seconds: float = inf) -> None:
        self._most_seconds = most_seconds
        self.total = 0.0
        self.unit = ""
        self.done = 0.0
        self._first = 0.0
        self._started = time.monotonic()

    def start(self, total: float, unit: str) -> None:
        """Begin to count `total` units."""
        self.total, self.unit, self.done = total, unit, 0.0
        self._first, self._started = 0.0, time.monotonic()

    def _move(self, done: float) -> None:
        """Set the units done so far. The first call sets the base of the rate, so continued work does not look fast."""
        if self.done == 0.0 and done > 0.05 * self.total:
            self._first, self._started = done, time.monotonic()
        self.done = done

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Units per second since the start."""
        return (self.done - self._first) / self.elapsed if self.elapsed > 0 else 0.0

    def words(self) -> str:
        """Return the progress, such as `1.2M of 1.5M tokens, 5,120 a second, 0:58 left`."""
        if not self.total:
            return ""
        text = f"{_count(self.done)} of {_count(self.total)} {self.unit}"
        if self.rate > 0:
            text += f", {_count(self.rate)} a second, {_clock_text((self.total - self.done) / self.rate)} left"
        return text + self._lateness()

    def _lateness(self) -> str:
        """Return a warning if the whole takes far longer at this rate than planned."""
        whole = self.total / self.rate if self.rate > 0 and self.elapsed > SETTLED_SECONDS else 0.0
        if whole <= LATE * self._most_seconds:
            return ""
        busy = load_in_words(os.cpu_count() or 1)
        cause = f"; {busy}" if busy else ""
        return f" (slower than planned: {_clock_text(whole)} in all, not {_clock_text(self._most_seconds)}{cause})"


class PlainDisplay:
    """Lines of text: one when a step begins, one each ten seconds, one when it ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        self.say(f"[{index}/{total}] {node}: {reason}")
        return PlainProgress(self.say, node, most_seconds)

    def reused(self, node: str, index: int, total: int) -> None:
        self.say(f"[{index}/{total}] {node}: reused")

    def finished(self, manifest: Manifest) -> None:
        self.say(f"{manifest.step}: done in {_clock_text(manifest.run.seconds)}{_outcome(manifest)}")

    def close(self) -> None:
        """Do nothing, because this display needs no cleanup."""


class Stages(PlainDisplay):
    """Stages of a build in place of its steps: a line when one begins and one when it ends; the running one is drawn.

    What steps log is not shown: `lmworks show` and the report have it.
    """

    def __init__(self, stream: TextIO, stage_of: Callable[[str], str], live: LiveDisplay | None = None) -> None:
        super().__init__(stream)
        self._stage_of, self._live = stage_of, live
        self._stage, self._running, self._made, self._began = "", "", False, 0.0

    def step(self, node: str, index: int, total: int, reason: str, most_seconds: float = inf) -> Progress:
        self.reused(node, index, total)
        if not self._made and not self._live:
            super().say(f"{self._stage}: begins")
        self._made, self._running = True, node
        if self._live:
            return self._live.step(node, index, total, reason, most_seconds, self._stage)
        return PlainProgress(lambda line: None, node, most_seconds)

    def reused(self, node: str, index: int, total: int) -> None:
        if (stage := self._stage_of(node)) != self._stage:
            self._leave()
            self._stage, self._made, self._began = stage, False, time.monotonic()

    def finished(self, manifest: Manifest) -> None:
        self._running = ""

    def say(self, line: str) -> None:
        if not self._running or not line.startswith(f"{self._running}: ") or "wait" in line:
            self._live.say(line) if self._live else super().say(line)

    def close(self) -> None:
        self._leave()
        if self._live:
            self._live.close()

    def _leave(self) -> None:
        """Show that a stage ended, unless it failed. The error reports a failure."""
        if self._stage and not self._running:
            took = _clock_text(time.monotonic() - self._began)
            self.say(f"{self._stage}: {f'done in {took}' if self._made else 'reused'}")


class PlainProgress(Meter):
    """Progress as a line each ten seconds."""

    def __init__(self, say: Callable[[str], None], node: str, most_seconds: float = inf) -> None:
        super().__init__(most_seconds)
        self._say, self._node = say, node
        self._last = time.monotonic()

    def update(self, done: float, **values: float | str) -> None:
        self._move(done)
        if time.monotonic() - self._last >= PLAIN_INTERVAL_SECONDS:
            self._last = time.monotonic()
            self._say(f"{self._node}: {self.words()}{_values(values)}")

    def sample(self, title: str, text: str) -> None:
        """Show a sample in one line."""
        shown = " ".join(text.split())
        self._say(f"{self._node}: {title}: {shown[:160]}")


class LiveDisplay:
    """A terminal display that is redrawn in place: finished steps above, the running one below."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console: Console = Console(file=raw(sys.stderr), highlight=False)
        self._progress: LiveProgress | None = None
        self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True)
        self._live.start()

    def say(self, line: str) -> None:
        self.console.print(plain(line), markup=False)

    def step(
        self, node: str, index: int, total: int, reason: str, most_seconds: float = inf, stage: str = ""
    ) -> Progress:
        title = (stage, node) if stage else (f"[{index}/{total}] {node}", reason)
        self._progress = LiveProgress(*title, most_seconds)
        return self._progress

    def reused(self, node: str, index: int, total: int) -> None:
        from rich.markup import escape

        self.console.print(f"[dim]✓ {escape(plain(node))}  reused[/dim]")

    def finished(self, manifest: Manifest) -> None:
        from rich.markup import escape

        self._progress = None
        seconds, found = _clock_text(manifest.run.seconds), escape(plain(_outcome(manifest)))
        self.console.print(f"[green]✓[/green] [bold]{escape(plain(manifest.step))}[/bold]  {seconds}[dim]{found}[/dim]")

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress = None
        self._live.stop()

    def _render(self) -> RenderableType:
        return self._progress.render() if self._progress else ""


class LiveProgress(Meter):
    """The running step; what it notes is drawn at the next refresh."""

    def __init__(self, title: str, reason: str, most_seconds: float = inf) -> None:
        super().__init__(most_seconds)
        self._title, self._reason = plain(title), plain(reason)
        self._values: Mapping[str, float | str] = {}
        self._sample: tuple[str, str] | None = None

    def update(self, done: float, **values: float | str) -> None:
        self._move(done)
        self._values = values

    def sample(self, title: str, text: str) -> None:
        self._sample = (title, text)

    def render(self) -> RenderableType:
        """Return the present contents of the terminal."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        lines: list[RenderableType] = [
            Text.assemble(
                ("● ", "cyan"), (self._title, "bold"), (f"  {self._reason}", "dim"), overflow="ellipsis", no_wrap=True
            )
        ]
        if self.total:
            # Padding ends the line, which a bar of fixed width does not.
            lines.append(Padding(ProgressBar(total=self.total, completed=self.done, width=60), 0))
            lines.append(Text(plain(f"{self.words()}{_values(self._values)}")))
        else:
            lines.append(Text(f"{_clock_text(self.elapsed)}", style="dim"))
        if self._sample:
            title, text = map(plain, self._sample)
            shown = Text("\n".join([line for line in text.split("\n") if line.strip()][:SAMPLE_LINES]))
            lines.append(Panel(shown, title=Text(title), title_align="left", border_style="dim", width=100))
        return Group(*lines)


def _count(number: float) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.2f}M"
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _values(values: Mapping[str, float | str]) -> str:
    shown = []
    for name, value in values.items():
        words = name.replace("_", " ")
        shown.append(f"{words} {value:.4g}" if isinstance(value, float) else f"{words} {value}")
    return f"  ·  {'  ·  '.join(shown)}" if shown else ""


def _outcome(manifest: Manifest) -> str:
    """Return a step's losses, the largest first, its first figures, and its size."""
    lost = [f"{name} {manifest.counts[name]:,}" for name in manifest.losses]
    if len(lost) > LOSSES_SHOWN:
        lost[LOSSES_SHOWN:] = [f"{len(lost) - LOSSES_SHOWN} reasons more (lmworks show {manifest.step})"]
    counts = [f"{name} {value:,}" for name, value in manifest.counts.items() if name not in manifest.losses]
    figures = [f"{figure.name} {figure.value:.4g} {figure.unit}".strip() for figure in manifest.figures[:2]]
    parts = [f"left out: {', '.join(lost)}" if lost else "", ", ".join(figures + counts[:COUNTS_SHOWN])]
    shown = "; ".join(filter(None, parts))
    return f"  {shown}" if shown else ""
