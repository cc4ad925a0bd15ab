"""Texts drawn by rules: `{rule}` stands for one of a rule's lines, `{^rule}` begins with a capital."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

RULES: Mapping[str, Any] = YAML(typ="safe").load(Path(__file__).with_name("grammars.yaml").read_text(encoding="utf-8"))
_SLOT = re.compile(r"\{(\^?)([\w.]+)\}")
SIDES = " ||| "


class Writer:
    """Draws texts by the rules of one company; what is drawn depends on the seed alone."""

    def __init__(self, rules: Mapping[str, Any], draw: random.Random) -> None:
        self.rules, self.draw = rules, draw

    def line(self, rule: str, **given: str) -> str:
        """One of a rule's lines with all slots filled."""
        return self.fill(self.draw.choice(self.rules[rule]), **given)

    def lines(self, rule: str, count: int, **given: str) -> list[str]:
        """As many, as different as the rule allows."""
        lines = self.rules[rule]
        chosen = self.draw.sample(lines, min(count, len(lines))) + self.draw.choices(
            lines, k=max(0, count - len(lines))
        )
        return [self.fill(line, **given) for line in chosen]

    def fill(self, line: str, **given: str) -> str:
        """A line with its slots filled: by what is given, or else by a line of the rule of that name."""

        def slot(match: re.Match[str]) -> str:
            name = match[2]
            said = given[name] if name in given else self.fill(self.draw.choice(self.rules[name]), **given)
            return said[:1].upper() + said[1:] if match[1] else said

        return _SLOT.sub(slot, line)

    def number(self, low: int, high: int) -> str:
        return str(self.draw.randint(low, high))

    def day(self, first_year: int = 2019, last_year: int = 2025) -> tuple[int, int, int]:
        """Year, month and day."""
        return self.draw.randint(first_year, last_year), self.draw.randint(1, 12), self.draw.randint(1, 28)

    def mixed_date(self, months: Sequence[str]) -> str:
        """A date in one of the forms that people mix."""
        year, month, day = self.day()
        forms = (f"{day} {months[month - 1]} {year}", f"{day:02}/{month:02}/{year}", f"{year}-{month:02}-{day:02}")
        return self.draw.choice(forms)


def sides(line: str) -> list[str]:
    """The parts of a line that says one thing in several languages or forms."""
    return line.split(SIDES)
