"""Parser of the text of an operation's document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from lmworks.data.base.sentences import sentences

_HEAD = "\n\nParameters:\n"
_NAME = re.compile(r"[A-Za-z_][\w.-]*:(?= |$)")


@dataclass(frozen=True)
class OperationText:
    """The parts of an operation's document."""

    title: str
    """Name of the service, a space, and the operation's name."""
    description: str
    parameters: list[tuple[str, str]]
    """Pairs (name, text) in order. A text can be empty or have several lines."""


def parse_operation(text: str) -> OperationText:
    """Return the parts of a normalised operation document.

    The first line is the title. Parameters follow the last line "Parameters:". Each begins with a line "Name: text",
    and its further lines are indented.
    """
    title, _, rest = text.partition("\n")
    description, head, section = f"\n\n{rest.strip()}".rpartition(_HEAD)
    parameters: list[tuple[str, str]] = []
    for line in section.split("\n") if head else ():
        if parameters and (not line or line.startswith("  ")):
            name, before = parameters[-1]
            parameters[-1] = (name, f"{before}\n{line[2:]}".lstrip("\n"))
        elif _NAME.match(line):
            name, _, first = line.partition(":")
            parameters.append((name, first.strip()))
        else:
            return OperationText(title, rest.strip(), [])  # a list that the description itself heads "Parameters:"
    return OperationText(title, (description if head else rest).strip(), parameters)


SUMMARY_SENTENCES = 3
SUMMARY_CHARACTERS = 600

_VERBS = (files(__package__) / "verbs.txt").read_text(encoding="utf-8").split()


def _third_person(verb: str) -> str:
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if re.search(r"(?:s|x|z|ch|sh|o)$", verb) else "s")


_THIRD_PERSON = {_third_person(verb): _third_person(verb) for verb in _VERBS} | {
    verb: _third_person(verb) for verb in _VERBS if verb not in ("request", "process", "sample", "test", "end", "place")
}
"""Verb at the beginning of the sentence about an operation → its form after "which operation …"."""

_ACTION = re.compile(
    r"(?:This (?:API )?(?:operation|action|method|API|command|call) )?(?:(?P<how>[a-z]+ly) )?"
    rf"(?P<verb>{'|'.join(_THIRD_PERSON)})\b(?! of\b)",
    re.IGNORECASE,
)
_SECOND_VERB = re.compile(r"^(,? (?:or|and) )([a-z]+)")
_ASIDE = re.compile(
    r"For (?:more|further|additional|complete|detailed|information|details|examples)\b|For .*\bsee\b|To learn more|See "
)


def summary(description: str) -> list[str]:
    """Return the first sentences that say what an operation does, 3 sentences and 600 characters at most.

    Remarks before these sentences ("This is classic documentation …"), lists and references to texts are left out.
    """
    openings = (text.partition("\n")[0] for text in description.split("\n\n"))
    paragraphs = [sentences(text) for text in openings if text and not text.startswith("- ")]
    starts = [index for index, found in enumerate(paragraphs) if _ACTION.match(found[0])]
    chosen: list[str] = []
    for sentence in (each for found in paragraphs[starts[0] if starts else 0 :] for each in found):
        if _ASIDE.match(sentence):
            continue
        if sentence.endswith(":") or len(" ".join([*chosen, sentence])) > SUMMARY_CHARACTERS:
            break
        chosen.append(sentence if sentence[-1] in '.!?)”"' else sentence + ".")
        if len(chosen) == SUMMARY_SENTENCES:
            break
    return chosen


def action_of(sentence: str, operation: str) -> str | None:
    """Return an operation's action, to put after "which operation": "Creates a bucket." gives "creates a bucket".

    None if the sentence does not begin with the action, names the operation, has a bracket, or is too long to ask.
    """
    match = _ACTION.match(sentence)
    letters = re.sub(r"\W", "", sentence).lower()
    if not match or len(sentence) > 200 or operation.lower() in letters or "(" in sentence:
        return None
    how = f"{match['how'].lower()} " if match["how"] else ""
    rest = sentence[match.end() :].rstrip(" .")
    rest = _SECOND_VERB.sub(lambda found: found[1] + _THIRD_PERSON.get(found[2], found[2]), rest, count=1)
    return how + _THIRD_PERSON[match["verb"].lower()] + rest
