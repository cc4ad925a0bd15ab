"""The rules of Gopher, C4 and FineWeb: each drops what its paper says, by its own name, and leaves good prose."""

from __future__ import annotations

import random
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmworks.data.quality.published_rules import c4, fineweb, gopher_quality, gopher_repetition, running_text

PROSE = (
    "The keeper of the lighthouse wrote down the weather each evening, and he never missed a day in forty years.\n"
    "When the lamp was replaced with an electric one, the company asked him to stay and to look after the garden.\n\n"
    "Ships that pass the rock at night still sound a horn, although nobody has answered them since that winter.\n"
    "Visitors who climb the stairs find his books on a shelf, bound in blue cloth and hardly faded by the light."
)


def words(count: int, seed: int = 0) -> list[str]:
    """Made-up words, none twice."""
    draw = random.Random(seed)
    return ["".join(draw.choices(string.ascii_lowercase, k=5)) + str(number % 10) for number in range(count)]


@pytest.mark.parametrize("rule", [gopher_quality, gopher_repetition, c4, fineweb])
def test_good_prose_stays_as_it_is(rule: object) -> None:
    assert rule(PROSE) is None  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" ".join(PROSE.split()[:49]), "fewer than 50 words"),
        ("word of the week " * 25_001, "more than 100,000 words"),
        ("to be of a in it " * 20, "mean length of words outside 3 to 10"),
        (
            "the unquestionable counterrevolutionaries of indistinguishability " * 20,
            "mean length of words outside 3 to 10",
        ),
        (PROSE + " #" * 10, "more than 0.1 hash signs a word"),
        (PROSE.replace(" a ", "... a ").replace(" the ", "... the ") + "…" * 5, "more than 0.1 ellipses a word"),
        ("\n".join(f"- {line}" for line in PROSE.split("\n\n") for line in line.split("\n")), "of lines are bullets"),
        (PROSE.replace(".\n", "...\n"), "more than 30 % of lines end in an ellipsis"),
        (PROSE + " 2024-01-01 12:30:00" * 15, "fewer than 80 % of words have a letter"),
        (" ".join(words(60)), "fewer than 2 stop words"),
    ],
)
def test_gopher_quality(text: str, reason: str) -> None:
    assert (gopher_quality(text) or "").removeprefix("gopher: ").endswith(reason)


def test_gopher_asks_for_fifty_words() -> None:
    assert gopher_quality(" ".join(PROSE.split()[:50])) is None


def phrases(size: int, number: int, times: int, share: float) -> str:
    """So many phrases of so many words, each several times, whose letters are about such a share of the text."""
    total = int(number * times * size * 6 / 7 / share) - 1
    fillers, gap = words(total, 1), (total - number * times * size) // (number * times)
    parts = [[*words(size, 2 + place % number), *fillers[place * gap :][:gap]] for place in range(number * times)]
    return " ".join(" ".join(part) for part in parts)


REPEATED = "a line that is said twice"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\n\n".join([*words(4), *["again"] * 4]), "more than 30 % of paragraphs are repeated"),
        ("\n\n".join([*words(8), REPEATED, REPEATED]), "in repeated paragraphs"),
        ("\n".join([*words(4), *["again"] * 4]), "more than 30 % of lines are repeated"),
        ("\n".join([*words(8), REPEATED, REPEATED]), "in repeated lines"),
        (phrases(2, 1, 10, 0.20), "20 % of characters in one 2-gram"),
        (phrases(3, 1, 10, 0.17), "18 % of characters in one 3-gram"),
        (phrases(4, 1, 10, 0.155), "16 % of characters in one 4-gram"),
        *((phrases(n, 6, 2, 0.402 - n / 50), f"{20 - n} % of characters in repeated {n}-grams") for n in range(5, 11)),
    ],
)
def test_gopher_repetition(text: str, reason: str) -> None:
    assert (gopher_repetition(text) or "kept").endswith(reason)


def plain_repetition(text: str) -> str | None:
    """Phrases by the book: every size is counted, nothing is left out for speed."""
    units = text.split()
    for size, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        grams = Counter(tuple(units[place : place + size]) for place in range(len(units) - size + 1))
        if any(times > 1 and times * len(" ".join(gram)) > most * len(text) for gram, times in grams.items()):
            return f"one {size}-gram"
    for size in range(5, 11):
        grams_ = [tuple(units[place : place + size]) for place in range(len(units) - size + 1)]
        covered = {place + k for place, gram in enumerate(grams_) if gram in grams_[:place] for k in range(size)}
        if sum(len(units[place]) for place in covered) > (20 - size) / 100 * len(text):
            return f"repeated {size}-grams"
    return None


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", "eeeee", "ffffff", *words(12)]), min_size=1, max_size=60))
def test_short_cuts_change_no_verdict(units: list[str]) -> None:
    text = " ".join(units)
    assert (gopher_repetition(text) or "").endswith(plain_repetition(text) or "")
    assert (gopher_repetition(text) is None) == (plain_repetition(text) is None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE.replace(".", ","), "fineweb: at most 12 % of lines end a sentence"),
        (PROSE + "\n" + PROSE.split("\n")[0], "fineweb: at least 10 % of characters in repeated lines"),
        (PROSE.split("\n")[0] + "\nYes.\nNo.\nSo it is.", "fineweb: at least 67 % of lines below 30 characters"),
    ],
)
def test_fineweb(text: str, reason: str) -> None:
    assert fineweb(text) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PROSE + "\nLorem ipsum dolor sit amet.", "c4: lorem ipsum"),
        (PROSE + "\nif (x) { return; }", "c4: curly bracket"),
        ("\n".join(PROSE.split("\n")[:2]), "c4: fewer than 3 sentences"),
    ],
)
def test_c4_drops_pages(text: str, reason: str) -> None:
    assert c4(text) == reason


@pytest.mark.parametrize(
    "line",
    [
        "Home | News | Contact us today",
        "Read the rest of the story...",
        "Read this now!",
        "Please switch on JavaScript to see this page.",
        "By reading on you accept our Privacy Policy.",
    ],
)
def test_c4_cuts_lines(line: str) -> None:
    first, rest = PROSE.split("\n", 1)
    assert running_text(f"{first}\n{line}\n{rest}") == PROSE
    assert c4(f"{first}\n{line}\n{rest}") is None


def test_citation_marks_are_cut_out_of_lines() -> None:
    marked = PROSE.replace("weather", "weather[12]").replace("garden", "garden[citation needed]")
    assert running_text(marked) == PROSE


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_what_is_left_is_left_again(text: str) -> None:
    once = running_text(text)
    assert running_text(once) == once


OTHER_SCRIPTS = [
    "\n".join(
        [
            "早晨的大雾遮住了每一盏灯笼，水手们在旧粮仓旁边数着桶。",
            "他说：“没有人问为什么钟响了两次。”",
            "风从北方来，雪落在山上！",
            "船到了吗？雨停了。",
        ]
    ),
    "\n".join(
        [
            "昨日あの人が港で大きな声で叫んだが、誰も相手にしなかった。",
            "「鐘が二度鳴った。」",
            "風は北から来て、雪は山に落ちた。",
        ]
    ),
    "\n".join(
        [
            "सुबह के घने कोहरे ने हर लालटेन को ढक लिया।",
            "किसी ने नहीं पूछा कि घंटी दो बार क्यों बजी।",
            "हवा उत्तर से आयी और नाव रुक गयी॥",
        ]
    ),
    "\n".join(
        [
            "เมื่อวานหมอกหนาปกคลุมโคมไฟทุกดวง กะลาสีนับถังปลาอยู่ข้างยุ้งฉาง",
            "ไม่มีใครถามว่าทำไมระฆังจึงดังสองครั้ง",
            "ลมพัดมาจากทางเหนือของท่าเรือ",
        ]
    ),
]


@pytest.mark.parametrize("text", OTHER_SCRIPTS)
def test_sentences_end_in_other_scripts_too(text: str) -> None:
    assert c4(text * 2) is None
    assert fineweb(text.replace("\n", "")) is None
    assert len(running_text(text).split("\n")) >= text.count("\n"), "all but a line of few words"
    assert running_text("菜单\n联系|帮助|登录") == ""
