"""What is not answered by its deadline ends with what there is, and makes room for others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lmworks.engines import protocol
from lmworks.engines.open import open_engine
from lmworks.engines.protocol import Late, Reading, Timed, Writing
from lmworks.engines.request import Piece, Sampling
from published import take, write_published
from readers import write_reader, write_rewriter
from tiny import make_tiny_model


class Clock:
    """Stands still unless it is set."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(protocol, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.mark.parametrize("kind", ["ours", "GPT-2"])
def test_an_answer_ends_with_what_it_has_and_the_next_begins(kind: str, clock: Clock, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    if kind == "ours":
        make_tiny_model(folder)
    else:
        take(write_published(tmp_path / "theirs", kind), folder)
    engine = open_engine(folder)
    prompt = engine.encode([{"role": "user", "content": "Hello"}])
    whole, other = engine.generate([prompt, prompt[:-1]], Sampling(max_tokens=9))
    begun = engine.tokenizer.decode(whole.ids[:3])  # type: ignore[attr-defined]
    batch = Timed(engine.batch(1))
    late = batch.add(Writing(prompt, Sampling(9, stop=(f"{begun}\0",)), deadline=1.0))
    waits = batch.add(Writing(prompt[:-1], Sampling(9), deadline=2.5))
    pieces: list[tuple[Any, Any]] = []
    for now in (0.0, 0.5, 0.9, 1.0, 1.0, 2.0):
        clock.now = now
        pieces += batch.step()
    text = "".join(piece.text for request, piece in pieces if request is late)
    ids = [token for request, piece in pieces if request is late for token in piece.ids]
    assert ids == whole.ids[:3] and text == begun, "with what was held back, since a stop could have begun with it"
    assert [piece.finish_reason for request, piece in pieces if request is late][-1] == "timeout"
    assert [token for request, piece in pieces if request is waits for token in piece.ids] == other.ids[:2]
    clock.now = 3.0
    ((ended, piece),) = batch.step()
    assert (ended, piece.finish_reason, piece.ids) == (waits, "timeout", ()) and not batch.busy


def test_what_waits_too_long_is_not_begun(clock: Clock, tmp_path: Path) -> None:
    for kind, ability in (("sequence classifier", "classify"), ("token classifier", "tag"), ("encoder", "embed")):
        engine = open_engine(write_reader(tmp_path / ability, kind))
        asked = [Reading(ability, "Where?", deadline=-1.0), Reading(ability, "Where?", deadline=1.0)]  # type: ignore[arg-type]
        late, found = engine.submit(asked, rows=1)
        assert late == (0, Late()) and found == (1, getattr(engine, ability)(["Where?"])[0])
    rewriter = open_engine(write_rewriter(tmp_path / "t5"))
    ((_, piece),) = rewriter.submit([Writing(rewriter.encode_text("Where?"), Sampling(3), deadline=-1.0)])
    assert piece == Piece("", (), "timeout")


def test_a_long_text_is_given_up_between_its_sections(clock: Clock, tmp_path: Path) -> None:
    engine = open_engine(write_reader(tmp_path / "model", "token classifier"))
    batch = Timed(engine.batch(1))
    request = batch.add(Reading("tag", "Where is Anna? " * 1000, deadline=1.0))
    assert batch.step() == [] and batch.busy
    clock.now = 1.0
    assert batch.step() == [(request, Late())] and not batch.busy
