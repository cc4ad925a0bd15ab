"""What a terminal shows while a step runs."""

from __future__ import annotations

import os
import time
from io import StringIO
from math import inf

import pytest
from rich.console import Console

from lmworks.pipeline.display import LiveDisplay, LiveProgress, PlainProgress, Stages
from lmworks.pipeline.figure import Figure
from support import make_manifest


def test_a_running_step_shows_rate_time_left_values_and_a_short_sample() -> None:
    progress = LiveProgress("[3/9] pretrain", "not built before")
    progress.start(100, "tokens")
    progress.update(3)
    progress.update(50, loss=2.125)
    progress.sample("S3 CreateBucket", "\n\n".join(f"line {number}" for number in range(40)))
    console = Console(file=StringIO(), width=120)
    console.print(progress.render())
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("[3/9] pretrain", "not built before", "50 of 100 tokens", "a second", "left", "loss 2.125"):
        assert words in shown
    assert "S3 CreateBucket" in shown and "line 0" in shown
    assert len(shown.splitlines()) < 16, "a tall sample would push the rate off the screen"


def test_a_live_display_shows_control_characters_of_others_escaped() -> None:
    strange, display = "[red]\x1b[2J\x9b", LiveDisplay()
    display.console.file, display.console.width = StringIO(), 200
    try:
        display.say(strange)
        display.reused(strange, 1, 2)
        progress = display.step(strange, 1, 2, strange)
        progress.start(3, strange)
        progress.update(1, text=strange)
        progress.sample(strange, strange)
        display.console.print(display._render())
        figure = Figure(name=strange, value=1.0, n=1, method="m")
        display.finished(make_manifest(step=strange, stage="s", key="k", figures=[figure], counts={strange: 1}))
    finally:
        display.close()
    shown = display.console.file.getvalue()
    assert r"[red]\u001b[2J\u009b" in shown and "\x1b[2J" not in shown and "\x9b" not in shown
    assert shown.count(r"[2J\u009b") == 11, "once for each place"


def test_a_step_that_takes_far_longer_than_planned_says_so_and_who_has_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, told = [0.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (7.2, 0.0, 0.0))
    for most, rate, expected in [
        (100.0, 14, False),
        (100.0, 4, True),
        (inf, 4, False),
    ]:
        now[0] = 0.0
        progress = PlainProgress(told.append, "m", most)
        progress.start(1000, "tokens")
        for second in (0, 1, 20, 40):
            now[0] = second
            progress.update(rate * second)
        early, late = told[-2:]
        assert "slower" not in early
        said = "(slower than planned: 4:10 in all, not 1:40; 7 tasks share 2 cores)" in late
        assert said == expected and ("slower" in late) == expected


def test_a_build_shows_stages_and_not_their_steps() -> None:
    told = StringIO()
    stages = {"raw": "data", "clean": "data", "words/data": "prepare", "words": "words", "evaluate/x/words": "evaluate"}
    display = Stages(told, stages.__getitem__)
    display.reused("raw", 1, 5)
    display.reused("clean", 2, 5)
    for place, step in enumerate(["words/data", "words", "evaluate/x/words"], start=3):
        progress = display.step(step, place, 5, "not built before")
        progress.start(3, "rows")
        progress.update(1)
        progress.sample("a title", "a text")
        display.say(f"{step}: 3 texts are longer than a row")
        display.say(f"{step}: waiting for it to finish")
        if step != "evaluate/x/words":
            display.finished(make_manifest(step=step, stage="s", key="k"))
    display.close()
    assert told.getvalue().splitlines() == [
        "data: reused",
        "prepare: begins",
        "words/data: waiting for it to finish",
        "prepare: done in 0:00",
        "words: begins",
        "words: waiting for it to finish",
        "words: done in 0:00",
        "evaluate: begins",
        "evaluate/x/words: waiting for it to finish",
    ], "the last one failed"


def test_a_terminal_shows_the_running_stage_with_its_rate_and_time_left() -> None:
    live = LiveDisplay()
    live.console.file, live.console.width = StringIO(), 100
    display = Stages(StringIO(), lambda step: "data", live)
    try:
        progress = display.step("clean", 2, 5, "not built before")
        progress.start(100, "texts")
        progress.update(3)
        progress.update(50)
        live.console.print(live._render())
        display.finished(make_manifest(step="clean", stage="s", key="k"))
    finally:
        display.close()
    shown = live.console.file.getvalue()
    assert "● data  clean" in shown and "50 of 100 texts" in shown and "left" in shown
    assert shown.splitlines()[-1].strip() == "data: done in 0:00"
