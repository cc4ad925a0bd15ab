"""What a terminal shows while a step runs."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from lmworks.pipeline.display import LiveProgress


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
