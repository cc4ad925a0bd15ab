"""Ollama's Modelfile for a GGUF file. With it, Ollama puts prompts to the model in the form it was tuned with.

`parser/parser.go` in ollama/ollama defines the grammar. A quoted value ends at the first line that ends with quotes.
Quotes cannot be escaped, and Ollama drops characters that Go does not call printable. Templates are Go templates
(`template/template.go` there). Ollama renders all turns at once, the system turn included.
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
"""Largest `num_ctx`, in tokens. Ollama reserves memory for all of them when it loads a model."""
ROLES = ("system", "user", "assistant")
PROBES = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", *("user", "assistant") * 2, "user"),
    ("system", *("user", "assistant") * 8, "user"),
)
"""Roles of chats, short and long, for which a translated template must give the same text as the model's own."""


def modelfile_of(file: Path, folder: Path, licences: Sequence[str]) -> str:
    """Return the Modelfile to put beside a GGUF file of a model's folder.

    Raises UsageError if a Modelfile cannot hold the name of the GGUF file.
    """
    if (name := quoted(f"./{file.name}")) is None:
        raise UsageError(f"--out {str(file)!r}: a Modelfile cannot hold this name; use only printable characters")
    context, tokenizer = read_config(folder).context_length, open_tokenizer(folder)
    lines = [f"FROM {name}", *_chat(tokenizer)]
    lines += [line for token in tokenizer.stop_ids for line in _stated("PARAMETER stop", tokenizer.spell([token]))]
    if context > MOST_CONTEXT:
        lines.append(f"# The model reads up to {context} tokens. A larger num_ctx takes more memory.")
    lines.append(f"PARAMETER num_ctx {min(context, MOST_CONTEXT)}")
    lines += [line for licence in licences for line in _stated("LICENSE", licence)]
    return "\n".join(lines) + "\n"


def licences_of(store: Store, artifact: Artifact) -> list[str]:
    """Return the licences that a model's card names. If a file behind the card was altered, return none, print why."""
    try:
        return Card(Built.holding(store, artifact), artifact).learned.licences
    except LmworksError as error:
        print(f"the Modelfile names no licence: {error}", file=sys.stderr)
        return []


def quoted(text: str) -> str | None:
    """Return a text in quotes that Ollama reads back unchanged. None if no quotes can hold it."""
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
    yield f"{instruction} {value}" if value else f"# {instruction} is left out: a Modelfile cannot quote its text."


def _chat(tokenizer: Tokenizer) -> Iterator[str]:
    """Yield the template for turns, and the system text for chats that have none."""
    template, system = go_template(tokenizer) or ("", "")
    values = [quoted(template), quoted(system)]
    if not template or None in values:
        yield "# TEMPLATE is left out: a Go template cannot give exactly the prompts of this model. Ollama uses the"
        yield "# template in the file, or one that it takes for similar. Compare its answers with `lmworks serve`."
        return
    yield f"TEMPLATE {values[0]}"
    if system:
        yield f"SYSTEM {values[1]}"


# ---------------------------------------------------------------- templates


@dataclass(frozen=True)
class Frame:
    """Texts around the turns of a chat."""

    begin: str
    before: Mapping[str, str]
    """Role → text before its turns."""
    behind: Mapping[str, str]
    end: str
    """Text before the answer that the model shall write."""
    system: str
    """Default system text for a chat without a system turn. Empty if such a chat gets none."""

    def rendered(self, turns: Sequence[Message]) -> str:
        """Return a chat as Ollama renders it."""
        if self.system and turns[0]["role"] != "system":
            turns = [{"role": "system", "content": self.system}, *turns]
        said = (self.before[each["role"]] + each["content"] + self.behind[each["role"]] for each in turns)
        return "".join([self.begin, *said, self.end])

    def as_go(self) -> str:
        """Return the frame as a Go template."""
        turns = (
            f'if eq .Role "{role}" }}}}{self.before[role]}{{{{ .Content }}}}{self.behind[role]}{{{{ ' for role in ROLES
        )
        return f"{self.begin}{{{{ range .Messages }}}}{{{{ {'else '.join(turns)}end }}}}{{{{ end }}}}{self.end}"


def go_template(tokenizer: Tokenizer) -> tuple[str, str] | None:
    """Return a tokenizer's chat template as a Go template, and its default system text.

    None if it is no fixed frame around each turn: it has thoughts, dates, or roles that are refused or depend on
    other turns. Function calls are left out. Two differences remain: Ollama does not strip white space from texts,
    and it joins successive turns of one role (`collate` in `template/template.go` there).
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
    """Return the frame that two rendered chats show. None if a turn does not end with the token that ends answers."""
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
    """Return the texts before, between and after the words of turns."""
    words = "|".join(re.escape(each["content"]) for each in turns)
    return re.split(words, tokenizer.render_chat(turns, True))
