"""Chance and patterns that the makers of values share, and the forms people write, read from `audit_forms.json`."""

from __future__ import annotations

import datetime
import json
import random
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

Form = TypeVar("Form")
Chance = random.Random
Make = Callable[[Chance, bool], str]
"""Makes a value; if the flag is set, in the form that tells its kind without a label."""
ALNUM = string.ascii_letters + string.digits
FORMS: dict[str, Any] = json.loads(Path(__file__).with_name("audit_forms.json").read_text(encoding="utf-8"))


def digits(chance: Chance, pattern: str) -> str:
    """The pattern with `#` as any digit, `N` as 1 to 9, `A` as any capital, the rest as it stands."""
    kinds = {"#": string.digits, "N": "123456789", "A": "ABCDEFGHJKLMNPRSTUVWXY"}
    return "".join(chance.choice(kinds[sign]) if sign in kinds else sign for sign in pattern)


def grouped(text: str, sizes: Sequence[int], sign: str) -> str:
    """The text in groups of the sizes, the last size over and over."""
    groups, place, turn = [], 0, 0
    while place < len(text):
        size = sizes[min(turn, len(sizes) - 1)]
        groups.append(text[place : place + size])
        place, turn = place + size, turn + 1
    return sign.join(groups)


def one(chance: Chance, bare: bool, forms: Sequence[Form]) -> Form:
    """A form by chance, or the first one where the value stands bare."""
    return forms[0] if bare else chance.choice(forms)


def drawn(chance: Chance, count: int, letters: str = ALNUM) -> str:
    return "".join(chance.choice(letters) for _ in range(count))


def born(chance: Chance, first: int = 1935, last: int = 1999) -> datetime.date:
    """A day between two years."""
    start = datetime.date(first, 1, 1)
    return start + datetime.timedelta(days=chance.randrange((datetime.date(last, 12, 31) - start).days))


def fitting(chance: Chance, pattern: str, check: Callable[[str], str]) -> str:
    """A number of the pattern with its check digit, drawn again where none fits."""
    while True:
        body = digits(chance, pattern)
        if check(body):
            return body + check(body)
