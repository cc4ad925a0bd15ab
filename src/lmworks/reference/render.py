"""The reference as pages of Markdown, and a kind for a terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from lmworks.reference.facts import GROUPS, ConfigClass, Field, Kind, about, fields_at, fields_of, own_classes

MADE = "`lmworks explain --pages docs/reference` makes this page from the code. Edit the descriptions there."


def pages(kinds: Sequence[Kind]) -> Mapping[str, str]:
    """Return pages by file name: one per group, and an index. Kinds that packages add are left out."""
    by_group = {group: [kind for kind in kinds if kind.group == group and not kind.plugins] for group in GROUPS}
    index = "".join(
        f"- [{title}]({group}.md) {', '.join(f'`{kind.name}`' for kind in by_group[group])}\n"
        for group, title in GROUPS.items()
    )
    found = {"README.md": f"# Reference\n\nAll kinds that a recipe can name, with their fields. {MADE}\n\n{index}"}
    return found | {f"{group}.md": _page(title, by_group[group]) for group, title in GROUPS.items()}


def _page(title: str, kinds: Sequence[Kind]) -> str:
    """Return the page of a group. Shared fields are listed once, under the class that declares them."""
    shared: dict[ConfigClass, list[Field]] = {}
    parts = [f"# {title}\n\n{MADE}\n"]
    for kind in kinds:
        own, *bases = own_classes(kind.config) if kind.config else [None]
        shared |= {base: fields for base in bases if base and (fields := _declared(base))}
        links = "".join(f"\n- [{_heading(base)}](#{_anchor(_heading(base))})" for base in bases if base in shared)
        parts.append(f"\n## `{kind.name}`\n\n{kind.about}\n")
        parts.append(_table([field for field in kind.fields if field.owner is own]))
        parts.append(f"\nFurther fields:\n{links}\n" if links else "")
    for base, fields in shared.items():
        parts.append(f"\n## {_heading(base)}\n{_table(fields)}")
    return "".join(parts)


def _declared(config: ConfigClass) -> list[Field]:
    return [field for field in fields_of(config) if field.owner is config]


def _heading(config: ConfigClass) -> str:
    return about(config).partition(".")[0].partition(":")[0]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _table(fields: Sequence[Field]) -> str:
    if not fields:
        return ""
    rows = (
        f"| `{field.name}` | {_cell(field.type)} | {_code(field.default)} | {_cell(field.why)} | {field.effect} |\n"
        for field in fields
    )
    return "".join(["\n| field | takes | default | meaning | changes |\n", "| --- " * 5, "|\n", *rows])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _code(default: str) -> str:
    return default if default in ("required", "none", "theirs") else f"`{_cell(default)}`"


def as_text(kinds: Sequence[Kind], field: str, width: int) -> str:
    """Return kinds with their fields, or with one field, as text for a terminal."""
    return "\n".join(line for kind in kinds for line in _told(kind, field, width)).rstrip()


def _told(kind: Kind, field: str, width: int) -> Iterator[str]:
    origin = f", of {' and '.join(map(str, kind.plugins))}" if kind.plugins else ""
    yield f"{kind.name} ({GROUPS[kind.group].partition(':')[0].lower()}{origin})"
    yield from textwrap.wrap(kind.about, width, initial_indent="  ", subsequent_indent="  ")
    for each in fields_at(kind, field):
        default = "required" if each.default == "required" else f"default {each.default}"
        yield ""
        yield f"  {each.name}: {each.type}; {default}; changes {each.effect}"
        yield from textwrap.wrap(each.why, width, initial_indent="      ", subsequent_indent="      ")
    yield ""


def listed(kinds: Sequence[Kind], width: int) -> str:
    """Return the names of all kinds, group by group."""
    lines = []
    for group, title in GROUPS.items():
        names = ", ".join(kind.name for kind in kinds if kind.group == group)
        lines += [title, *textwrap.wrap(names, width, initial_indent="  ", subsequent_indent="  ")]
    return "\n".join(lines)
