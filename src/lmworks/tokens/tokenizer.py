"""Tokenizers in Hugging Face folders. Training, evaluation and serving read the same files."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lmworks.data.base.tokenizer_file import read_tokenizer
from lmworks.data.forms.turns import CALLS, REASONING, RESULTS, SAID, TOOLS, answering, calling
from lmworks.errors import LmworksError, UsageError, told
from lmworks.lazy import tokenizers
from lmworks.pipeline.files import read_regular
from lmworks.pipeline.stage import Handle
from lmworks.tokens.answers import OTHER_WORDS, Message, answers_of, shared, was_cut, whole_chat
from lmworks.tokens.calls import HOUSE as HOUSE_CALLS
from lmworks.tokens.calls import Calls, Turn, calls_of, expanded, rendered, why_not_called
from lmworks.tokens.framing import EncodedWithOffsets, Framing, joined, longest_first
from lmworks.tokens.settings import TEMPLATE_FILE, read_template, text_of, unknown_token
from lmworks.tokens.thoughts import HOUSE, Thoughts, thoughts_of

if TYPE_CHECKING:
    from lmworks.tokens.chat_template import ChatTemplate

END_OF_TEXT, START_OF_TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, START_OF_TURN, END_OF_TURN)
"""Their ids are 0, 1, 2 in every tokenizer that lmworks trains."""
CHAT_TEMPLATE = (
    "<|endoftext|>{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, led by the token that begins every document."""

FILES = ("tokenizer.json", "tokenizer_config.json")
"""Files of a tokenizer in its folder, and in a model folder."""
SPOKEN = ("content", *REASONING, SAID, TOOLS, CALLS, RESULTS)
"""Fields with the contents of a message."""
TOLD = ("role", "content", CALLS, "tool_call_id", "name")
"""Fields of a turn that a chat template gets, in addition to thoughts."""
STOPS_AT = "stops_at"
"""Setting that names more tokens that end an answer, like the ids of such tokens in `generation_config.json`."""
TAIL = 32
"""Number of tokens at the end of a prompt that are searched for the mark that begins thoughts."""


class ChatRefused(LmworksError):
    """Error of a chat template that cannot render these messages."""


class TurnsRefused(ChatRefused):
    """Error of a chat template that rejects these messages. Some templates reject a system message."""


Before = Literal["auto", "nothing", "end-of-text", "begin-of-text"]
"""Token before a text: the model's usual one, or a named one."""


def alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens at their beginnings are equal."""
    apart = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(apart, min(len(one), len(other)))


class Tokenizer:
    """Converter of text to ids and back. Only a chat's frame makes control tokens, and text never does."""

    def __init__(self, folder: Path) -> None:
        try:
            raw = [read_regular(folder / name) for name in FILES]
        except OSError as error:
            raise LmworksError(
                f"{error.filename}: {error.strerror}; a tokenizer folder holds {' and '.join(FILES)}"
            ) from error
        self.digest = hashlib.sha256(b"\0".join(raw)).hexdigest()
        with told(folder / FILES[1], "the settings of a tokenizer as `transformers` writes them"):
            settings = dict(json.loads(raw[1]).items())
        self.folder = folder
        self._backend: tokenizers.Tokenizer = read_tokenizer(folder / FILES[0])
        self._backend.no_truncation()  # a text that does not fit is told, and never cut in silence
        self._backend.no_padding()
        self._backend.encode_special_tokens = True  # the library's name for: special tokens in text are plain text
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        extra = settings.get("extra_special_tokens")
        named = {name: value for name, value in settings.items() if name.endswith("_token")}
        named = {name: text_of(value) for name, value in (named | (extra if isinstance(extra, dict) else {})).items()}
        self._names = {name: token for name, token in named.items() if isinstance(token, str) and token in vocabulary}
        begins = [END_OF_TEXT, *(self._names.get(name) for name in ("bos_token", "eos_token", "cls_token"))]
        document = next((token for token in begins if token in vocabulary), None)
        if document is None:
            raise LmworksError(
                f"{folder}: the tokenizer has no token that begins a document. Name one in {FILES[1]} as bos_token, "
                "eos_token or cls_token"
            )
        stated = settings.get("chat_template")
        self.chat_template: str = stated if isinstance(stated, str) else read_template(folder, settings) or ""
        """Chat template. Empty if the folder has none, as for a base that was never tuned on chats."""
        if not isinstance(self.chat_template, str):
            raise self._refused(f"found a {type(self.chat_template).__name__}, expected a text")
        self.vocab_size = max(vocabulary.values()) + 1
        """Number of ids, special tokens included."""
        self.unknown_id = vocabulary.get(unknown_token(self._backend))
        """Id that replaces text that cannot be encoded. None if every text can be encoded."""
        self.longest_token = max(map(len, vocabulary)) if self.unknown_id is None else 0
        """Maximum number of characters per token. 0 if there is an unknown token, which replaces text of any length."""
        self.end_of_text, self.end_of_text_id = document, vocabulary[document]
        """Token that begins every document: <|endoftext|>, or else `bos_token`, `eos_token` or `cls_token`."""
        added = json.loads(raw[0]).get("added_tokens") or []
        self._added = {token["content"]: (bool(token["lstrip"]), bool(token["rstrip"])) for token in added}
        """Added tokens, and whether each includes the white space before it, and after it."""
        self._special = {token["content"]: self._added[token["content"]] for token in added if token["special"]}
        self._is_found_otherwise = any(token["special"] and token["normalized"] for token in added)
        """Whether normalised text can match a special token, for example if case is ignored."""
        self._adds_begin: bool | None = settings.get("add_bos_token")
        self._stops = [token for token in settings.get(STOPS_AT, ()) if token in vocabulary]

    def _told(self) -> AbstractContextManager[None]:
        return told(self.folder / FILES[0], "a tokenizer that the `tokenizers` library reads and can use")

    def to_json(self) -> str:
        """Return the text of `tokenizer.json`."""
        return self._backend.to_str()

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens at its beginning or end."""
        with self._told():
            return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of many texts, encoded on all cores."""
        with self._told():
            return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode_with_offsets(self, texts: Sequence[str]) -> list[EncodedWithOffsets]:
        """Return the ids of many texts, and the characters [first, last + 1) that each id covers."""
        with self._told():
            encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def decode(self, ids: Sequence[int], calls: bool = False) -> str:
        """Return the text of ids without special tokens, except the marks of thoughts, and with `calls` also those of
        function calls. Incomplete UTF-8 becomes U+FFFD.
        """
        if (hidden := self._hidden_ids[calls]) is None:
            return self._backend.decode(list(ids), skip_special_tokens=True)
        return self._backend.decode([token for token in ids if token not in hidden], skip_special_tokens=False)

    def spell(self, ids: Sequence[int]) -> str:
        """Return the text of ids for a person to read, with special tokens written by their names."""
        return self._backend.decode(list(ids), skip_special_tokens=False)

    def before(self, policy: Before = "auto") -> tuple[int, ...]:
        """Return the tokens before a text. Raises UsageError for a token that the tokenizer does not name.

        Models that lmworks trains usually have `end_of_text`. Others have the tokens that their tokenizer adds, which
        may be none.
        """
        if policy == "nothing":
            return ()
        if policy == "end-of-text":
            return (self.end_of_text_id,)
        if policy == "begin-of-text" and "bos_token" not in self._names:
            raise UsageError(f"before: begin-of-text: {self.folder / FILES[1]} names no bos_token. Use `end-of-text`")
        return (self._id(self._names["bos_token"]),) if policy == "begin-of-text" else self._added_before

    @property
    def beginning_id(self) -> int:
        """Id to put before a text that has no other token before it. The first token then has a predecessor."""
        return self._id(self._names.get("bos_token") or self._names.get("eos_token") or self.end_of_text)

    @cached_property
    def _added_before(self) -> tuple[int, ...]:
        with self._told():
            bare, whole = (self._backend.encode("a", add_special_tokens=adds).ids for adds in (False, True))
        places = (place for place in range(1, len(whole)) if whole[place : place + len(bare)] == bare)
        if (length := next(places, 0)) and whole[: len(bare)] != bare:
            return tuple(whole[:length])
        begin, end = (self._names.get(name) for name in ("bos_token", "eos_token"))
        is_ours = (begin, end) == (END_OF_TEXT, END_OF_TURN) and self._adds_begin is None
        return (self._id(begin),) if begin and (self._adds_begin or is_ours) else ()

    @property
    def end_of_turn_id(self) -> int:
        """Id of the token that ends an assistant's turn."""
        return self._id(self.end_of_turn)

    @cached_property
    def end_of_turn(self) -> str:
        """Token that the chat template writes after an answer. Raises LmworksError if it writes none."""
        if self.chat_template == CHAT_TEMPLATE and END_OF_TURN in self._added:
            return END_OF_TURN
        chat = [{"role": role, "content": role} for role in ("user", "assistant")]
        text = whole_chat(self.render_chat, chat)
        ((_, end),) = answers_of(self.render_chat, chat, text)
        closing = re.search("|".join(longest_first(self._added)) or "(?!)", text[end:])
        if not closing:
            raise self._refused("it writes no special token after an answer, so a model could not end an answer")
        return closing[0]

    @cached_property
    def begin_of_answer(self) -> list[int]:
        """Return the template's tokens between a user's words and an answer. Raises LmworksError if the template writes
        some of them only before an answer that is given, because a requested answer would not begin so.
        """
        one, other = ([{"role": "user", "content": words}] for words in "?a")
        answer = {"role": "assistant", "content": "."}
        asked, whole = self.render_chat(one, True), whole_chat(self.render_chat, [*one, answer])
        words = shared(whole, whole_chat(self.render_chat, [*one, {**answer, "content": "!"}]))
        if re.search("|".join(longest_first(self._special)) or "(?!)", whole[len(asked) : words]):
            raise self._refused(
                f"it writes {whole[len(asked) : words]!r} before an answer, but does not write this text when "
                "add_generation_prompt is true"
            )
        return self._end_of_both(one, other)

    @cached_property
    def begins_of_answer(self) -> list[list[int]]:
        """Tokens of `begin_of_answer`, and those between results of functions and an answer, if they differ."""
        begins = [self.begin_of_answer]
        if self.chat_template != CHAT_TEMPLATE and self.calls:
            ask, call = {"role": "user", "content": "?"}, calling("", [{"name": "f", "arguments": {}}])
            one, other = ([call, answering([words])] for words in "?a")
            begins.append(self._end_of_both([ask, *one], [ask, *other, *other]))
        return begins if begins[-1][-len(begins[0]) :] != begins[0] else begins[:1]

    def _end_of_both(self, one: Sequence[Message], other: Sequence[Message]) -> list[int]:
        """Return the common end of two prompts."""
        ids, others = (self.encode_chat(chat, True)[0][::-1] for chat in (one, other))
        return ids[: alike(ids, others)][::-1]

    @cached_property
    def thoughts(self) -> Thoughts | None:
        """Marks with which the chat template separates thoughts from an answer. None if it does not separate them."""
        if self.chat_template in (CHAT_TEMPLATE, ""):
            return None
        return thoughts_of(self.render_chat, lambda: self._template.constants)

    def begins_thoughts(self, prompt: Sequence[int]) -> bool:
        """Return whether the answer to a prompt begins within thoughts."""
        return bool(self.thoughts and self.thoughts.is_begun and self.thoughts.begun_by(self.spell(prompt[-TAIL:])))

    @cached_property
    def calls(self) -> Calls | None:
        """Format in which the chat template writes function calls. None if it writes none, or if it fails."""
        if self.chat_template == CHAT_TEMPLATE:
            return HOUSE_CALLS
        try:
            return calls_of(self._rendered, self.end_of_turn, self.thoughts)
        except LmworksError:  # is told where a chat is rendered
            return None

    @cached_property
    def _marks(self) -> frozenset[str]:
        """Added tokens that mark thoughts, or occur in the text that describes functions and their calls."""
        text = self.thoughts.begin + self.thoughts.end if self.thoughts else ""
        if self.chat_template != CHAT_TEMPLATE and self.calls:
            text += rendered(self._rendered)
        return frozenset(token for token in self._added if token in text)

    @cached_property
    def _hidden_ids(self) -> tuple[frozenset[int] | None, frozenset[int] | None]:
        """Special tokens that `decode` leaves out, without and with `calls`. None means all of them."""
        around = [each.begin + each.end if each else "" for each in (self.thoughts, self.calls)]
        shown = [{token for token in self._special if token in text} for text in (around[0], "\n".join(around))]
        first, second = (frozenset(map(self._id, self._special.keys() - each)) if each else None for each in shown)
        return first, second

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end an answer: the end of a turn, the end of a text, and others that the model's files name."""
        turn = [self.end_of_turn] if self.chat_template else []
        ends = [self.end_of_text, *turn, *self._stops, self._names.get("eos_token", self.end_of_text)]
        return tuple(dict.fromkeys(map(self._id, ends)))

    def _id(self, token: str) -> int:
        found: int | None = self._backend.token_to_id(token)
        assert found is not None  # noqa: S101 - looked up when it was opened
        return found

    @cached_property
    def _template(self) -> ChatTemplate:
        from lmworks.tokens.chat_template import ChatTemplate

        return ChatTemplate(self.chat_template, counted=self.chat_template != CHAT_TEMPLATE)

    def render_chat(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        """Return the chat as one text for people. For a model, use `encode_chat`, which keeps text and frame apart.

        Raises LmworksError if there is no template, or if it is invalid or exceeds the limits of `ChatTemplate`.
        """
        if not self.chat_template:
            raise ChatRefused(
                f"{self.folder}: the tokenizer has no chat_template, in {FILES[1]} or {TEMPLATE_FILE}. Chats need one"
            )
        if self.chat_template == CHAT_TEMPLATE:
            turns: list[Turn] = [{"role": each["role"], "content": each["content"]} for each in messages]
            return self._rendered(turns, add_generation_prompt)
        if any(SAID in message for message in messages) and (why := why_not_called(self.calls, messages)):
            raise TurnsRefused(why)
        turns, tools = expanded(messages)
        return self._rendered(turns, add_generation_prompt, tools)

    def _rendered(self, turns: Sequence[Turn], add_generation_prompt: bool, tools: Any = None) -> str:
        """Return the text of turns that have the form in which `transformers` gives them to a template."""
        from lmworks.tokens.chat_template import ERRORS, TemplateRefusal

        told = [
            {name: turn[name] for name in TOLD if name in turn}
            | dict.fromkeys(REASONING if REASONING[0] in turn else (), turn.get(REASONING[0]))
            for turn in turns
        ]
        try:
            return self._template.render(told, add_generation_prompt, **self._names, tools=tools, documents=None)
        except TemplateRefusal as error:
            raise TurnsRefused(
                f"the model's chat template rejects these turns, and says {str(error)[:200]!r}; leave them out"
            ) from error
        except ERRORS as error:
            line = f"line {found}: " if (found := getattr(error, "lineno", None)) else ""
            raise self._refused(line + (str(error) or type(error).__name__)) from error

    def _refused(self, what: str) -> LmworksError:
        line = " ".join(what.split())[:200]
        return ChatRefused(f"{self.folder / FILES[1]}: chat_template: {line}; fix the template")

    def encode_chat(
        self, messages: Sequence[Message], add_generation_prompt: bool = False
    ) -> tuple[list[int], list[bool]]:
        """Return the ids of a chat and which are trained, as `encode_answers` does. A prompt has no trained ids."""
        if add_generation_prompt:
            literals: list[str] = []
            hidden = [self._hidden(each, literals) for each in messages]
            ids, _ = self._framing.encode(self.render_chat(hidden, True), literals)
            if len(ids) > 1 and ids[0] == ids[1] and ids[0] in {*self._added_before, self.end_of_text_id}:
                raise self._refused(f"it begins a chat with {self.spell(ids[:1])} twice")
            return ids, [False] * len(ids)
        return self.encode_answers(messages)[:2]

    def encode_answers(self, messages: Sequence[Message]) -> tuple[list[int], list[bool], int]:
        """Return the ids of a chat, and which are trained: assistants' words with the closing token, but not turns of
        weight 0. Also return the number of turns that are not trained, because the template writes them in another way
        than they were requested, for example without thoughts.

        A last answer that was cut has no closing token, because its model did not choose to end there. Contents are
        always encoded as text.
        """
        literals: list[str] = []
        hidden = [self._hidden(each, literals) for each in messages]
        if hidden and self.thoughts and self.thoughts.is_ended:  # the last answer has none; those before are history
            hidden[-1] = {name: value for name, value in hidden[-1].items() if name != REASONING[0]}
        text = whole_chat(self.render_chat, hidden)
        spoken = [number for number, message in enumerate(hidden) if message["role"] == "assistant"]
        places = list(answers_of(self.render_chat, hidden, text))
        lost = {number for number in spoken if self._loses_thoughts(hidden, number, text)}
        is_in_thoughts = bool(places and self.thoughts and self.thoughts.hold(text, *places[-1]))
        if self.thoughts and places and spoken[-1] == len(hidden) - 1 and (is_in_thoughts or spoken[-1] in lost):
            begin, end = places[-1]
            thoughts = self.thoughts.before(hidden[-1], is_begun=is_in_thoughts)
            text, places[-1] = text[:begin] + thoughts + text[begin:], (begin, end + len(thoughts))
            lost.discard(spoken[-1])
        elif messages and was_cut(messages[-1]):
            cut = hidden[-1]
            if cut.get(REASONING[0]) and not cut["content"]:  # it was cut within its thoughts
                other = whole_chat(self.render_chat, [*hidden[:-1], {**cut, REASONING[0]: OTHER_WORDS[0]}])
                places[-1] = places[-1][0], len(text) - shared(text[::-1], other[::-1])
        if messages and was_cut(messages[-1]):
            text = text[: places[-1][1]]
        closing = re.compile(r"\s*" + re.escape(self.end_of_turn))
        learned, unlike = [], 0
        for number, (begin, end) in zip(spoken, places, strict=True):
            message = hidden[number]
            if message.get("weight") == 0:
                continue
            if number in lost or begin >= end:
                unlike += any(message.get(name) for name in ("content", CALLS, REASONING[0]))
                continue
            closed = closing.search(text, end) if message.get(CALLS) else closing.match(text, end)
            learned.append((begin, closed.end() if closed else end))
        ids, edges = self._framing.encode(text, literals)
        if places and messages[-1]["role"] == "assistant":
            asked, given = text[: places[-1][0]], text[places[-1][0] :]
            lengths = [self._framing.length(each, literals) for each in (asked, given)]
            if all(first != lengths[0] for first, _ in edges):
                # a token would stand across the place where the answer begins; where it is asked for, none does
                apart = (self._framing.encode(each, literals) for each in (asked, given))
                ids, edges = joined(zip(apart, lengths, strict=True))
        trained = [False] * len(ids)
        for begin, end in learned:
            first, last = (self._framing.length(text[:place], literals) for place in (begin, end))
            for place in range(bisect_left(edges, (first, first)), len(edges)):
                if edges[place][0] >= last:
                    break
                trained[place] = True
        return ids, trained, unlike

    def _loses_thoughts(self, messages: Sequence[Message], number: int, text: str) -> bool:
        """Return whether the template leaves out an answer's thoughts, although a model would begin with thoughts."""
        thoughts = messages[number].get(REASONING[0]) or ""
        if not self.thoughts or self.thoughts.is_ended or not thoughts.strip():
            return False
        other = {**messages[number], REASONING[0]: OTHER_WORDS[0]}
        return whole_chat(self.render_chat, [*messages[:number], other, *messages[number + 1 :]]) == text

    def _hidden(self, message: Message, literals: list[str]) -> Message:
        """Return a message with its thoughts in their own field, and marks in place of what looks like the frame."""
        thoughts, made = message.get(REASONING[0]), dict(message)
        if self.thoughts and message["role"] == "assistant" and thoughts is None:
            for name in ("content", SAID):
                if name in message:
                    known = HOUSE if message[name].startswith(f"{HOUSE.begin}\n") else self.thoughts
                    thoughts, made[name] = known.apart(message[name])
            made |= {REASONING[0]: thoughts} if thoughts else {}
        return {name: self._framing.hidden(made[name], literals) if name in SPOKEN else made[name] for name in made}

    @cached_property
    def _framing(self) -> Framing:
        """Encoder of rendered chats. Text in messages never becomes a special token or a token of the frame."""
        try:
            turn = self.render_chat([{"role": "user", "content": "."}])
            framing = {token for token in self._added if token in turn} | {self.end_of_turn} | self._marks
        except LmworksError:
            framing = set()
        frame = self._special | {token: takes for token, takes in self._added.items() if token in framing}
        otherwise = self._is_found_otherwise
        return Framing(self._backend, frame, self._special, self._told, self._refused, is_found_otherwise=otherwise)


@dataclass(frozen=True)
class TokenizerFolder(Handle):
    """Folder with `tokenizer.json` and `tokenizer_config.json`."""

    def open(self) -> Tokenizer:
        return Tokenizer(self.path)


def open_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a tokenizer folder or of a model folder."""
    return Tokenizer(folder)
