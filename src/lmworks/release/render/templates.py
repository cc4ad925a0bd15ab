"""Templates of pages and cards."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lmworks.release.render.differences import show_spaces
from lmworks.release.render.words import (
    clean_of,
    conditions_of,
    duration,
    interval_of,
    number,
    printable,
    shorten,
    size,
    value_of,
    visible_lines,
)

SHARED = "lmworks.release.render"


@cache
def environment(package: str = SHARED) -> Environment:
    """Return the templates beside the modules of a package, and the shared ones.

    All values are escaped for HTML. In Markdown, the filter `markdown` escapes them for Markdown and HTML.
    """
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in dict.fromkeys((SHARED, package))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        conditions=conditions_of,
        duration=duration,
        clean=clean_of,
        interval=interval_of,
        lines=visible_lines,
        markdown=markdown,
        number=number,
        shorten=shorten,
        size=size,
        spaces=show_spaces,
        value=value_of,
    )
    return made


def drawing(macro: str, *values: Any) -> Markup:
    """Return an inline SVG, drawn by a macro of `drawings.svg.jinja`."""
    found: Markup = getattr(environment().get_template("drawings.svg.jinja").module, macro)(*values)
    return found


def markdown(text: object) -> Markup:
    """Return a text as one line, with its signs escaped for Markdown and for the HTML made from it."""
    return Markup(re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", printable(str(text))))  # noqa: S704 - escaped right here
