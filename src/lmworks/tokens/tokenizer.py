"""Tokenizers as Hugging Face folders: the same bytes in training, evaluation and serving."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmworks.errors import LmworksError, told
from lmworks.lazy import tokenizers
from lmworks.pipeline.stage import Handle

if TYPE_CHECKING:
    from lmworks.tokens.chat_template import ChatTemplate

END_OF_TEXT, START_OF_TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, START_OF_TURN, END_OF_TURN)
"""Their ids are 0, 1, 2 in every tokenizer that lmworks trains."""
UNKNOWN = "<unk>"
"""What a tokenizer that cannot encode every text writes for the rest; id 3 in those that lmworks trains."""

CHAT_TEMPLATE = (
    "<|endoftext|>{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""ChatML, led by the token that begins every document."""

FILES = ("tokenizer.json", "tokenizer_config.json")
"""What a tokenizer folder, and a model folder, hold of it."""

Message = Mapping[str, Any]
"""`role` and `content`; `finish_reason`, "length", of an answer that a model was not let end; `weight`, 0, of one that
is not to be learned from."""


def was_cut(message: Message) -> bool:
    """Whether a limit of tokens ended the answer, and not its model; `finish_reason` as in OpenAI's API."""
    return message.get("finish_reason") == "length"


class Tokenizer:
    """Text to ids and back. Text is never read as control tokens: only a chat's frame makes those."""

    def __init__(self, folder: Path) -> None:
        try:
            raw = [(folder / name).read_bytes() for name in FILES]
        except OSError as error:
            raise LmworksError(
                f"{error.filename}: {error.strerror}; a tokenizer folder holds {' and '.join(FILES)}"
            ) from error
        self.digest = hashlib.sha256(b"\0".join(raw)).hexdigest()
        with told(folder / FILES[1], "the settings of a tokenizer as `transformers` writes them"):
            settings = dict(json.loads(raw[1]).items())
        self.folder = folder
        with self._told():
            self._backend: tokenizers.Tokenizer = tokenizers.Tokenizer.from_str(raw[0].decode())
        self._backend.encode_special_tokens = True  # the library's name for: special tokens in text are plain text
        vocabulary = self._backend.get_vocab(with_added_tokens=True)
        missing = [token for token in SPECIAL_TOKENS if token not in vocabulary]
        if missing := missing + ["chat_template"] * ("chat_template" not in settings):
            raise LmworksError(
                f"{folder}: the tokenizer has no {', '.join(missing)}; chats and documents need them (that of an "
                "encoder is none: name the recipe's `tokenizer`)"
            )
        self.chat_template: str = settings["chat_template"]
        if not isinstance(self.chat_template, str):
            raise self._refused(f"found a {type(self.chat_template).__name__}, expected a text")
        self.vocab_size = max(vocabulary.values()) + 1
        """Number of ids, special tokens included."""
        self.unknown_id = vocabulary.get(unknown_token(self._backend))
        """Stands for text that is lost; None if none ever is."""
        self._special = {token: vocabulary[token] for token in SPECIAL_TOKENS}
        self.end_of_text_id, self.start_of_turn_id, self.end_of_turn_id = self._special.values()

    def _told(self) -> AbstractContextManager[None]:
        return told(self.folder / FILES[0], "a tokenizer that the `tokenizers` library reads and can use")

    def to_json(self) -> str:
        """What `tokenizer.json` says."""
        return self._backend.to_str()

    def encode(self, text: str) -> list[int]:
        """Ids of a text; neither begins nor ends with special tokens."""
        with self._told():
            return self._backend.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` for many texts, on all cores."""
        with self._told():
            return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def encode_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """`encode` for many texts, with the characters [first, last + 1) that each id stands for."""
        with self._told():
            encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        return [(encoding.ids, encoding.offsets) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids without their special tokens; bytes that are no UTF-8 yet show as U+FFFD."""
        return self._backend.decode(list(ids), skip_special_tokens=True)

    def spell(self, ids: Sequence[int]) -> str:
        """Text of ids, to look at: special tokens stand there by their names."""
        return self._backend.decode(list(ids), skip_special_tokens=False)

    @cached_property
    def _template(self) -> ChatTemplate:
        from lmworks.tokens.chat_template import ChatTemplate

        return ChatTemplate(self.chat_template, counted=self.chat_template != CHAT_TEMPLATE)

    def render_chat(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        """The chat as one text, to look at. To feed a model, use `encode_chat`: text cannot be told from frame here.

        Raises LmworksError for a template that is none, or that goes beyond the limits of `ChatTemplate`.
        """
        from lmworks.tokens.chat_template import ERRORS

        names = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TURN}  # as `tokenizer_config.json` has them
        try:
            return self._template.render(messages, add_generation_prompt, **names)
        except ERRORS as error:
            line = f"line {found}: " if (found := getattr(error, "lineno", None)) else ""
            raise self._refused(line + (str(error) or type(error).__name__)) from error

    def _refused(self, what: str) -> LmworksError:
        line = " ".join(what.split())[:200]
        return LmworksError(f"{self.folder / FILES[1]}: chat_template: {line}; mend the template")

    def encode_chat(
        self, messages: Sequence[Message], add_generation_prompt: bool = False
    ) -> tuple[list[int], list[bool]]:
        """Ids of a chat, and which of them are trained: assistants' words and the <|im_end|> that closes them, but
        for turns of weight 0.

        Nothing closes a last answer that was cut: whether to end there was never its model's choice. The template is
        rendered around placeholders, so contents (stripped) are encoded as text whatever they say.
        """
        framed = [
            {"role": message["role"], "content": f"\ue000{index}\ue001"} for index, message in enumerate(messages)
        ]
        pieces = re.split(r"\ue000(\d{1,9})\ue001", self.render_chat(framed, add_generation_prompt))
        self._check_frame(messages, [int(index) for index in pieces[1::2]])
        ids, trained = self._encode_frame(pieces[0]), []
        trained += [False] * len(ids)
        for index, frame in zip(pieces[1::2], pieces[2::2], strict=True):
            message = messages[int(index)]
            answer = message["role"] == "assistant" and message.get("weight") != 0
            words, after = self.encode(message["content"].strip()), self._encode_frame(frame)
            if int(index) + 1 == len(messages) and was_cut(message):
                after = []
            closing = after.index(self.end_of_turn_id) + 1 if answer and self.end_of_turn_id in after else 0
            ids += words + after
            trained += [answer] * len(words) + [position < closing for position in range(len(after))]
        return ids, trained

    def turns(self, prompt: Sequence[int]) -> list[Message]:
        """What was said in a prompt, read out of its frame: whoever reads it next has a frame of their own."""
        found: list[Message] = []
        start = None
        for place, token in enumerate(prompt):
            if token == self.start_of_turn_id:
                start = place + 1
            elif token == self.end_of_turn_id and start is not None:
                role, _, content = self.decode(prompt[start:place]).partition("\n")
                found.append({"role": role, "content": content})
                start = None
        return found

    def _check_frame(self, messages: Sequence[Message], written: Sequence[int]) -> None:
        """Refuse a template that writes messages that there are not, or contents so often that it makes too many."""
        from lmworks.tokens.chat_template import CHARACTERS, TIMES

        if beyond := [index for index in written if index >= len(messages)]:
            raise self._refused(f"it writes the number of a message that there is not, {beyond[0]}")
        most = CHARACTERS + TIMES * sum(len(message["content"]) for message in messages)
        if sum(len(messages[index]["content"]) for index in written) > most:
            raise self._refused(f"it makes more than {most:,} characters of this chat")

    def _encode_frame(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in re.split("(" + "|".join(map(re.escape, SPECIAL_TOKENS)) + ")", text):
            ids += [self._special[piece]] if piece in self._special else self.encode(piece)
        return ids


def unknown_token(backend: tokenizers.Tokenizer) -> str:
    """The name of the token for what cannot be encoded, if there is one; models of type Unigram do not tell theirs."""
    return getattr(backend.model, "unk_token", None) or UNKNOWN


@dataclass(frozen=True)
class TokenizerFolder(Handle):
    """A folder with `tokenizer.json` and `tokenizer_config.json`."""

    def open(self) -> Tokenizer:
        return Tokenizer(self.path)


def open_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of any folder that holds one: a model folder carries its own."""
    return Tokenizer(folder)
