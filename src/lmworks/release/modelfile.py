"""Ollama's Modelfile of a GGUF file, from which `ollama create` makes a model that is asked as it was tuned.

Its grammar is that of `parser/parser.go` in ollama/ollama: a value in quotes ends with the first line that ends with
them, nothing escapes them, and characters that Go does not call printable are dropped. Templates are Go's
(`template/template.go` there); they are asked for all turns at once, the system's among them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmworks.errors import LmworksError, UsageError
from lmworks.model.folder import read_config
from lmworks.pipeline.store import Artifact, Store
from lmworks.release.built import Built
from lmworks.release.cards.card import Card
from lmworks.tokens.answers import Message
from lmworks.tokens.tokenizer import ChatRefused, Tokenizer, open_tokenizer

MOST_CONTEXT = 8_192
"""Tokens of `num_ctx` at the most: Ollama takes memory for all of them once it loads a model."""
ROLES = ("system", "user", "assistant")
PROBES = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", *("user", "assistant") * 2, "user"),
    ("system", *("user", "assistant") * 8, "user"),
)
"""Roles of chats, short and long, in which a translated template must say what the model's own says."""


def modelfile_of(file: Path, folder: Path, licences: Sequence[str]) -> str:
    """The Modelfile that stands beside a GGUF file of a model's folder.

    Raises UsageError for a file whose name no Modelfile can hold.
    """
    if (name := quoted(f"./{file.name}")) is None:
        raise UsageError(f"--out {str(file)!r}: no Modelfile can hold this name; take printable characters alone")
    context, tokenizer = read_config(folder).context_length, open_tokenizer(folder)
    lines = [f"FROM {name}", *_chat(tokenizer)]
    lines += [line for token in tokenizer.stop_ids for line in _stated("PARAMETER stop", tokenizer.spell([token]))]
    if context > MOST_CONTEXT:
        lines.append(f"# The model reads up to {context} tokens; more of them take more memory.")
    lines.append(f"PARAMETER num_ctx {min(context, MOST_CONTEXT)}")
    lines += [line for licence in licences for line in _stated("LICENSE", licence)]
    return "\n".join(lines) + "\n"


def licences_of(store: Store, artifact: Artifact) -> list[str]:
    """Those that a model's card names; none, and on the error stream why, where a file behind it was altered."""
    try:
        return Card(Built.holding(store, artifact), artifact).learned.licences
    except LmworksError as error:
        print(f"the Modelfile names no licence: {error}", file=sys.stderr)
        return []


def quoted(text: str) -> str | None:
    """A value that is read back as it is; None for one that no quotes can hold."""
    if not all(each.isprintable() or each in "\n\t" for each in text):
        return None
    if '"' not in text:
        return f'"{text}"'
    value = f'"""{text}"""'
    lines = [place for place, each in enumerate(value) if each == "\n"]
    if any(len(value[:place].strip()) >= 6 and value[:place].rstrip().endswith('"""') for place in lines):
        return None
    return value


def _stated(instruction: str, text: str) -> Iterator[str]:
    value = quoted(text)
    yield f"{instruction} {value}" if value else f"# {instruction} is left out: no quotes of a Modelfile hold its text."


def _chat(tokenizer: Tokenizer) -> Iterator[str]:
    """What is put around turns, and the system's turn of chats that have none."""
    template, system = go_template(tokenizer) or ("", "")
    values = [quoted(template), quoted(system)]
    if not template or None in values:
        yield "# TEMPLATE is left out: Go's language does not say exactly what stands around this model's texts. Ollama"
        yield "# takes the one in the file, or what it holds to be like it: compare its answers with `lmworks serve`."
        return
    yield f"TEMPLATE {values[0]}"
    if system:
        yield f"SYSTEM {values[1]}"


# ---------------------------------------------------------------- templates


@dataclass(frozen=True)
class Frame:
    """What stands around turns."""

    begin: str
    before: Mapping[str, str]
    """By role."""
    behind: Mapping[str, str]
    end: str
    """Where an answer is asked for."""
    system: str
    """Words of the system's turn where a chat has none; empty if there is no such turn then."""

    def rendered(self, turns: Sequence[Message]) -> str:
        """What Ollama makes of a chat."""
        if self.system and turns[0]["role"] != "system":
            turns = [{"role": "system", "content": self.system}, *turns]
        said = (self.before[each["role"]] + each["content"] + self.behind[each["role"]] for each in turns)
        return "".join([self.begin, *said, self.end])

    def as_go(self) -> str:
        """The template in Go's language."""
        turns = (
            f'if eq .Role "{role}" }}}}{self.before[role]}{{{{ .Content }}}}{self.behind[role]}{{{{ ' for role in ROLES
        )
        return f"{self.begin}{{{{ range .Messages }}}}{{{{ {'else '.join(turns)}end }}}}{{{{ end }}}}{self.end}"


def go_template(tokenizer: Tokenizer) -> tuple[str, str] | None:
    """What a chat template, or a tokenizer without one, puts around texts, as Go says it, and its usual system turn.

    None where that is not a frame around each turn: thoughts, dates, roles that are refused or that depend on others.
    Calls of functions are not in it. Words at whose ends the chat template takes white space off keep it, and turns of
    one role in a row are one to Ollama (`collate` in `template/template.go` there).
    """
    if not tokenizer.chat_template:
        before = tokenizer.spell(tokenizer.before())
        return None if "{" in before else (f"{before}{{{{ .Prompt }}}}", "")
    if tokenizer.thoughts or "strftime_now" in tokenizer.chat_template:
        return None
    try:
        frame = _frame(tokenizer)
        chats = [_turns(roles) for roles in PROBES] if frame else []
        if not frame or any(frame.rendered(chat) != tokenizer.render_chat(chat, True) for chat in chats):
            return None
    except ChatRefused:
        return None
    texts = (frame.begin, *frame.before.values(), *frame.behind.values(), frame.end)
    return None if any("{" in text for text in texts) else (frame.as_go(), frame.system)


def _turns(roles: Sequence[str]) -> list[Message]:
    return [{"role": role, "content": f'Word-{number}:\n\n "{role}"'} for number, role in enumerate(roles)]


def _frame(tokenizer: Tokenizer) -> Frame | None:
    """Read off two chats; None where a turn does not end with the token that ends an answer."""
    first, *others = _around(tokenizer, _turns((*ROLES, "user")))
    closing = re.compile(f"({re.escape(tokenizer.end_of_turn)}\\s*)(.*)", re.DOTALL)
    parted = [closing.fullmatch(each) for each in others]
    if len(others) != 4 or None in parted:
        return None
    behind, before = zip(*(each.groups() for each in parted if each), strict=True)
    alone = _around(tokenizer, _turns(("user",)))[0]
    begin = system = ""
    if alone.startswith(first) and alone.endswith(others[0]):
        system = alone[len(first) : len(alone) - len(others[0])]
    else:
        begin = alone.removesuffix(before[0])
    starts = (first.removeprefix(begin), before[0], before[1])
    return Frame(
        begin, dict(zip(ROLES, starts, strict=True)), dict(zip(ROLES, behind, strict=False)), before[3], system
    )


def _around(tokenizer: Tokenizer, turns: Sequence[Message]) -> list[str]:
    """What stands before, between and behind the words of turns."""
    words = "|".join(re.escape(each["content"]) for each in turns)
    return re.split(words, tokenizer.render_chat(turns, True))
