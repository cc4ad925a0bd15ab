from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lmworks.engines.decoding.pieces import StopStrings

short = st.text("ab", min_size=1, max_size=4)


def run(stops: list[str], pieces: list[str]) -> tuple[list[str], bool]:
    """What is shown for each piece, and whether a stop was found."""
    strings = StopStrings(stops)
    shown = []
    for piece in pieces:
        text, stopped = strings.add(piece)
        shown.append(text)
        if stopped:
            return shown, True
    return [*shown, strings.flush()], False


def test_a_stop_over_several_pieces_is_never_shown() -> None:
    assert run(["END"], ["go", "od E", "N", "D more"]) == (["go", "od ", "", ""], True)


def test_text_is_held_only_while_it_may_become_a_stop() -> None:
    assert run(["END"], ["E", "N", "x"]) == (["", "", "ENx", ""], False)


def test_held_text_is_shown_at_the_end() -> None:
    assert run(["END"], ["good E"]) == (["good ", "E"], False)


def test_a_stop_that_begins_inside_a_failed_one_is_found() -> None:
    assert run(["aab"], ["a", "a", "a", "b", "c"]) == (["", "", "a", ""], True)


def test_a_stop_at_the_very_start() -> None:
    assert run(["\n"], ["\nmore"]) == ([""], True)


def test_without_stops_everything_passes() -> None:
    assert run([], ["a", "b"]) == (["a", "b", ""], False)


@given(st.lists(short, max_size=3), st.lists(st.text("abc", max_size=4), max_size=8))
def test_the_text_shown_does_not_depend_on_where_it_is_cut(stops: list[str], pieces: list[str]) -> None:
    shown, stopped = run(stops, pieces)
    one_by_one, stopped_one_by_one = run(stops, list("".join(pieces)))
    assert ("".join(shown), stopped) == ("".join(one_by_one), stopped_one_by_one)
    assert not any(stop in "".join(shown) for stop in stops)
    assert stopped == any(stop in "".join(pieces) for stop in stops)
    if not stopped:
        assert "".join(shown) == "".join(pieces)
