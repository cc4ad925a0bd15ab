"""Values that were erased, and the search for them by keyed digests: who lacks the key learns nothing of them.

A value is an e-mail address, a number in whatever grouping, or words that follow one another. What may be one in a text
is brought into one form, digested with the key (HMAC-SHA256, RFC 2104) and looked up.
"""

from __future__ import annotations

import functools
import hmac
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.clean.normalise import parted_marks
from lmworks.data.duplicates.minhash import hash_windows
from lmworks.data.erasure.candidates import (
    COUNTRY,
    LEAST_ALONE,
    LEAST_DIGITS,
    LONGEST_NUMBER,
    LONGEST_PREFIX,
    WHOLE_NUMBER,
    Written,
    addresses,
    as_phones,
    hidden_addresses,
    joined_pieces,
    numbers,
    trunk_prefixes,
)
from lmworks.data.erasure.names import (
    MOST_WORDS,
    is_one_name,
    is_whole_name,
    is_whole_of_one,
    spacings,
    without_particles,
)
from lmworks.data.erasure.readings import read_together, spellings
from lmworks.data.identity import ID_KEY
from lmworks.data.privacy.people import given_name_first
from lmworks.data.records import Document
from lmworks.data.structure import take_apart
from lmworks.data.words import combining_marks, hash_words, mixed_bits
from lmworks.errors import UsageError
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.erasure import remarks_in
from lmworks.pipeline.files import write_atomically

VALUES_FILE = "erased-values.txt"
"""Beside the recipe: a keyed digest and a form a line, with the digest of the key behind a `#`.

It holds no value, and belongs under version control.
"""
LEAST_CHARACTERS = 3
"""Letters and digits of a value that is sought in texts: fewer stand in too many other words' place."""
FILTER_BITS = 12
"""Of a keyed hash of words, stored beside their digest: one of 4,096 words that stand in a text is digested."""

_IN_NAMES = frozenset(" .'’ʼ‘`´·・‐‑-,")
"""Between the words of a name, and in them: "O'Neill", "Groß-Hübener", "M."."""
_TAGGED = re.compile(r"@[^@\s]*\+")
"""The tag of a mailbox, from its end to its beginning: so no sign of a text is looked at for more than one `@`."""
_IN_WORDS = re.compile(
    r"[0-9](?:(?<=[^\W\d_].)[0-9]{0,3}(?!\w)|(?<!\w.)[0-9]{0,3}(?=[^\W\d_]))|(?<=[^\W\d_])\*{1,3}(?=[^\W\d_])"
)
"""The number of a note that is glued to a word, and Markdown's marks inside of one."""


class Form(NamedTuple):
    """How a value is looked for: its kind, and what narrows the search."""

    kind: str
    """`email`, `number`; `phrase`, whatever stands between its words; `name`, whose words are of one; `turned`, one in
    another order, which is offered alone; `phone` of any country, `national` without a country's code, `home` so, as a
    whole, where no zero stands before it, `abroad` with the code; `words`, as they were read once: a vowel sign or an
    accent by itself parts words; `subject`, `person` and `text`, which are compared whole; or `kept`, an id with the
    digest of a value that this record may hold."""
    size: int = 0
    """Letters and digits of a number; words."""
    filter: int = 0
    """Of words: the first bits of a keyed hash."""


class Line(NamedTuple):
    """One line of `erased-values.txt`."""

    digest: str
    form: Form

    def __str__(self) -> str:
        return " ".join([self.digest, *(str(part) for part in self.form if part)])

    @classmethod
    def read(cls, line: str) -> Line:
        """Raises ValueError, TypeError for what is no line of the file."""
        digest, kind, *numbers = line.split()
        if not re.fullmatch("[0-9a-f]{32}", digest) or kind not in KINDS:
            raise ValueError(line)
        return cls(digest, Form(kind, *map(int, numbers)))


PHONES = ("phone", "national", "home", "abroad")
PHRASES = ("phrase", "name", "turned")
KINDS = ("email", "number", *PHONES, "phrase", "name", "words", "subject", "person", "text", "kept")
"""Those that lists have."""
LONGEST_FACT = 300
"""Characters of a field that may name a person."""


def digest(key: bytes, kind: str, normal: str) -> str:
    """What stands for a value: 32 hexadecimal digits."""
    return hmac.digest(key, "\0".join(("erased", kind, normal)).encode(), "sha256").hex()[:32]


def lines_of(key: bytes, value: str, *, offered: bool = False) -> list[Line]:
    """What finds a value again: in texts, and as the subject of a record; with what is only offered where it is asked.

    Raises UsageError if it holds no letter and no digit.
    """
    if not any(map(str.isalnum, _normal_subject(value))):
        raise UsageError("a value has letters or digits: every record without a subject would be taken")
    texts = () if is_subject_alone(value) else [form for text in spellings(value.strip()) for form in spacings(text)]
    found = (line for text in texts for line in _lines_of(key, text.strip()))
    kept = (line for line in found if offered or line.form.kind != "turned")
    return [*dict.fromkeys([*kept, subject_line(key, value)])]


def is_subject_alone(value: str) -> bool:
    """Whether a value stands in too many texts, so that it is sought as the subject of records alone."""
    plain = "".join(filter(str.isalnum, value))
    return len(plain) < (LEAST_DIGITS if plain.isdigit() else LEAST_CHARACTERS)


def one_values(values: Sequence[str], lines: Sequence[Iterable[Line]]) -> list[int]:
    """Of each value, by its lines, the place of the first that is the same in another spelling; else its own.

    Telephone numbers of two countries are two, though their numbers at home may be the same.
    """
    first = [*range(len(values))]
    for place, value in enumerate(values):
        for before in range(place):
            are_abroad = all(each.lstrip("( ").startswith("+") for each in (value, values[before]))
            if any(
                not are_abroad or line.form.kind not in ("national", "home")
                for line in {*lines[before]} & {*lines[place]}
            ):
                both_of = {first[before], first[place]}
                first = [min(both_of) if one in both_of else one for one in first]
    return first


def states_country(lines: Iterable[Line]) -> bool:
    """Whether the lines of a value are of a telephone number with its country's code."""
    kinds = {line.form.kind for line in lines}
    return "abroad" in kinds and "phone" not in kinds


def subject_line(key: bytes, subject: str) -> Line:
    """What finds the records of a subject."""
    return Line(digest(key, "subject", _normal_subject(subject)), Form("subject"))


def _normal_subject(subject: str) -> str:
    return _folded(given_name_first(spellings(subject)[-1]))


def text_line(key: bytes, text_digest: str) -> Line:
    """What finds the copies of a text."""
    return Line(digest(key, "text", text_digest), Form("text"))


def kept_line(key: bytes, name: str, line: Line) -> Line:
    """What says that the record of an id is kept, though it holds a value."""
    return Line(digest(key, "kept", f"{name}\0{line.digest}"), Form("kept"))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", parted_marks(text)).casefold().split())


def _lines_of(key: bytes, value: str) -> Iterator[Line]:
    if re.fullmatch(r"[^\s@]+@[^\s@]+", value):
        yield Line(digest(key, "email", value.casefold()), Form("email"))
        return
    found = WHOLE_NUMBER.fullmatch(value.lstrip("+( ")) if len(value) <= LONGEST_NUMBER else None
    plain = "".join(filter(str.isalnum, value)).upper()
    if found and sum(map(str.isdigit, plain)) >= LEAST_DIGITS:
        yield Line(digest(key, "number", plain), Form("number", len(plain)))
        for kind, digits in dict.fromkeys(phones(value, plain)) if plain.isdigit() and 7 <= len(plain) <= 15 else ():
            yield Line(digest(key, kind, digits), Form(kind, len(digits)))
        return
    given = given_name_first(value)
    is_name = len(given.split()) <= MOST_WORDS and all(each in _IN_NAMES or _is_letter(each) for each in value)
    kinds = dict.fromkeys(_turned(given), "turned") if is_name else {value: "phrase"}
    for written, kind in (kinds | {given: "name" if is_name else "phrase"}).items():
        (words,) = hash_words(_array([written]))
        count = len(words.hashes)
        (gram,) = hash_windows(words, count)[0]
        yield Line(digest(key, "phrase", f"{gram:016x}"), Form(kind, count, int(_filter(key, np.array([gram]))[0])))


def _is_letter(character: str) -> bool:
    return character.isalpha() or unicodedata.category(character)[0] == "M"


def _turned(name: str) -> Iterator[str]:
    """The family name first, however many of a name's words are the family's."""
    words = name.split()
    yield from (" ".join([*words[place:], *words[:place]]) for place in range(1, len(words)))


def phones(value: str, plain: str) -> Iterator[tuple[str, str]]:
    """The digits of a telephone number without country code and leading zero, and with the code that it states or that
    it may begin with; by kind."""
    is_abroad = value.lstrip("( ").startswith(("+", "00"))
    if not is_abroad:
        yield from ((kind, plain.lstrip("0")) for kind in ("phone", "national"))
    if is_abroad or (len(plain) >= LEAST_ALONE + 2 and plain[0] != "0"):
        digits = plain.removeprefix("00")
        try:
            import phonenumbers
        except ImportError:
            code = COUNTRY.match(digits)
            yield from (("national", digits[code.end() :] if code else digits), ("abroad", digits))
            return
        try:
            parsed = phonenumbers.parse(f"+{digits}", None)
        except phonenumbers.NumberParseException:
            yield from (("national", digits), ("abroad", digits))
        else:
            if is_abroad or phonenumbers.is_valid_number(parsed):
                national = str(phonenumbers.national_significant_number(parsed))
                prefixes = trunk_prefixes(parsed.country_code)
                if "0" in prefixes:
                    yield "national", national
                else:
                    yield "home", national
                yield from (("home", prefix + national) for prefix in prefixes if prefix != "0")
                yield "abroad", f"{parsed.country_code}{national}"


def _filter(key: bytes, grams: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A few keyed bits of hashes of words."""
    first, second = np.frombuffer(hmac.digest(key, b"erased\0filter", "sha256")[:16], "<u8")
    found: NDArray[np.uint64] = mixed_bits(mixed_bits(grams ^ first) ^ second) >> np.uint64(64 - FILTER_BITS)
    return found


def named_facts(document: Document) -> Iterator[tuple[str, str]]:
    """The texts that fields of a document hold, also inside of others, with the outermost field's name."""
    kept, _ = take_apart(document.meta)
    yield from ((field.name.split(".")[0], field.text) for field in (*kept, *document.fields))


def without_folder(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """Facts of a document without the folder of its file: who has a folder is not whom each text in it is of."""
    return {**meta, "path": str(meta["path"]).rpartition("/")[2]} if "path" in meta else meta


class Erased:
    """Looks for erased values."""

    def __init__(self, key: bytes, lines: Iterable[Line]) -> None:
        self._key = key
        self._known: dict[str, set[str]] = defaultdict(set)
        self._sizes: dict[str, set[int]] = defaultdict(set)
        self._filters: dict[str, dict[int, NDArray[np.bool_]]] = {}
        for line in lines:
            kind, size, bits = line.form
            self._known[kind].add(line.digest)
            self._sizes[kind].add(size)
            if kind in (*PHRASES, "words"):
                self._filters.setdefault("words" if kind == "words" else "phrase", {}).setdefault(
                    size, np.zeros(2**FILTER_BITS, bool)
                )[bits] = True

    def __bool__(self) -> bool:
        return bool(self._known)

    def find(self, texts: Sequence[str]) -> list[set[str]]:
        """The digests of the values that each text holds, as it stands or decoded (see `readings`)."""
        found: list[set[str]] = [set() for _ in texts]
        read = read_together(texts)
        for (place, _), digests in zip(read, self.find_read([said for _, said in read]), strict=True):
            found[place] |= digests
        return found

    def find_read(self, texts: Sequence[str], may_hold: Sequence[set[str]] | None = None) -> list[set[str]]:
        """The digests of the values that each text holds as it stands.

        Where it is given, `may_hold` gets those of each text that stand inside of a longer number, address or, without
        spaces, name, whose words stand apart or in another order: of others.
        """
        found: list[set[str]] = [set() for _ in texts]
        of_others = [set[str]() for _ in texts] if may_hold is None else may_hold
        for place, text in enumerate(texts):
            for kind, value, is_sure in self._candidates(text, is_loose=may_hold is not None):
                (found if is_sure else of_others)[place].update(self._lookup(kind, value))
        if "email" in self._known:
            for place, address in hidden_addresses(texts):
                found[place] |= self._lookup("email", address)
        for kind in self._filters:
            for place, name, stands in self._words(kind, texts):
                for form in PHRASES if kind == "phrase" else (kind,):
                    if held := self._lookup(form, name):
                        (found if stands(form) else of_others)[place].update(held)
        return found

    def in_documents(self, documents: Sequence[Document]) -> list[set[str]]:
        """The digests of what each document holds, whose subject it is, or which text it has."""
        owners: list[int] = []
        texts: list[str] = []
        for place, document in enumerate(documents):
            some = [*document.texts(), document.structure or "", document.subject or ""]
            names = [field.name for field in document.fields]
            said = [without_folder(document.meta), document.licence, document.language, document.created, names]
            some.append(json.dumps(said, ensure_ascii=False, default=str))
            owners += [place] * len(some)
            texts += some
        found = [self.of_subject(document.subject) | self.named_by(document) for document in documents]
        for place, digests in zip(owners, self.find(texts), strict=True):
            found[place] |= digests
        if "text" in self._known:
            for place, document in enumerate(documents):
                found[place] |= self.of_text(document.text_digest)
        return [self.but_kept(document.id, some) for document, some in zip(documents, found, strict=True)]

    @property
    def knows_kept(self) -> bool:
        """Whether some records are kept though they hold a value."""
        return "kept" in self._known

    def but_kept(self, name: str, found: set[str]) -> set[str]:
        """Of the digests of what the record of an id holds, those for which it is not kept."""
        return {each for each in found if not self._lookup("kept", f"{name}\0{each}")}

    def named_by(self, document: Document) -> set[str]:
        """The digests of erased subjects whom fields of a document name."""
        facts = named_facts(document) if self.knows_persons else ()
        return set[str]().union(*(self.of_fact(name, value) for name, value in facts))

    def of_subject(self, subject: str | None) -> set[str]:
        """The digest of a subject if it was erased."""
        return self.of_fact("subject", subject or "")

    @property
    def knows_persons(self) -> bool:
        """Whether a field of a record may tell that it is of somebody who was erased."""
        return not self._known.keys().isdisjoint(("subject", "person"))

    def of_fact(self, name: str, value: str) -> set[str]:
        """The digest of an erased subject whom a field names, as a whole."""
        if (len(value) > LONGEST_FACT and name != "subject") or not self.knows_persons:
            return set()
        normals = {_folded(given_name_first(form)) for form in {value, *spellings(value)}}
        found = set[str]()
        for form in normals | {_TAGGED.sub("@", normal[::-1])[::-1] for normal in normals}:
            found |= self._lookup("person", f"{name}\0{form}") | self._lookup("person", f"\0{form}")
            found |= self._lookup("subject", form) if name == "subject" else set()
        return found

    def of_text(self, text_digest: str) -> set[str]:
        """The digest of a text if it was erased."""
        return self._lookup("text", text_digest)

    def _lookup(self, kind: str, normal: str) -> set[str]:
        digested = "phrase" if kind in PHRASES else kind
        return {digest(self._key, digested, normal)} & self._known[kind] if kind in self._known else set()

    def _candidates(self, text: str, *, is_loose: bool) -> Iterator[tuple[str, str, bool]]:
        """What may be an erased address or number in a text, and whether it is one, and not a part of another."""
        if "email" in self._known and "@" in text:
            yield from (("email", address, True) for address in addresses(text))
            yield from (("email", address, False) for address in (addresses(text, is_loose=True) if is_loose else ()))
        sizes, phones = self._sizes.get("number", set()), {kind: self._sizes.get(kind, set()) for kind in PHONES}
        every = set[int]().union(*phones.values())
        sought = sorted({*sizes, *(size + more for size in every for more in range(LONGEST_PREFIX + 1))})
        tried = set[Written]()
        for run in numbers(text) if sought else ():
            for written in joined_pieces(run, sought):
                if written in tried or (written.is_amount and not is_loose):
                    continue
                tried.add(written)
                digits = written.digits
                if len(digits) in sizes:
                    yield "number", digits.upper(), not written.is_amount
                if every and digits.isascii() and digits.isdigit():
                    yield from as_phones(written, phones, is_loose=is_loose)

    def _words(self, kind: str, texts: Sequence[str]) -> Iterator[tuple[int, str, Callable[[str], bool]]]:
        """Texts with what may be erased words in them, and what tells whether these are a value of a kind there."""
        if kind == "words":
            texts = [text if text.isascii() else _a_mark().sub(" ", text) for text in texts]
        others = (
            [] if kind == "words" else [(place, said) for place, text in enumerate(texts) for said in _unglued(text)]
        )
        owners = [*range(len(texts)), *(place for place, _ in others)]
        texts = [*texts, *(said for _, said in others)]
        done = 0
        for words in hash_words(_array(texts)):
            for size, wanted in self._filters[kind].items():
                grams, counts = hash_windows(words, size)
                ends = np.cumsum(counts)
                for place in np.flatnonzero(wanted[_filter(self._key, grams)]).tolist():
                    text = int(np.searchsorted(ends, place, "right"))
                    first = place - int(ends[text] - counts[text])
                    stands = functools.partial(_stands, texts[done + text], first, size)
                    yield owners[done + text], f"{grams[place]:016x}", stands
            done += len(words.counts)


def _stands(text: str, first: int, size: int, kind: str) -> bool:
    """Whether some words of a text are a value of a kind, and not of others."""
    if kind in ("words", "turned"):
        return kind == "words"
    if not is_whole_name(text, first, size):
        return False
    is_name = kind == "name" and size > 1
    return not is_name or (is_one_name(text, first, size) and is_whole_of_one(text, first, size))


def _unglued(text: str) -> list[str]:
    """A text without the numbers of notes and marks in its words, and without the particles of Korean names."""
    return [said for said in (_IN_WORDS.sub("", text), *without_particles(text)) if said != text]


@functools.cache
def _a_mark() -> re.Pattern[str]:
    return re.compile(f"[{combining_marks()}]")


def _array(texts: Sequence[str]) -> Any:
    """Texts for `hash_words`, whose words a low line parts, as it stands around what is stressed (CommonMark 6.2)."""
    return pa.array([text.replace("_", " ") for text in texts], pa.string())


def read_values(folder: Path) -> list[tuple[Line, str]]:
    """The erased values of a recipe's folder, each with the digest of the key that it was made with.

    Raises UsageError for a line that is none.
    """
    path = folder / VALUES_FILE
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        line, _, made_with = text.partition("#")
        try:
            found += [(Line.read(line), made_with.strip())] if line.strip() else []
        except (ValueError, TypeError):
            raise UsageError(f"{path}, line {number}: {text[:60]!r} is no erased value: restore the file") from None
    return found


def known_values(folder: Path) -> list[str]:
    """The erased values of a recipe's folder that were made with its key of ids."""
    key = ID_KEY.digest(folder)
    return [*dict.fromkeys(str(line) for line, made_with in read_values(folder) if made_with == key)]


def strangers_of(folder: Path, key_digest: str) -> list[Line]:
    """Those that were made with another key than the one of this digest: no text is searched for them."""
    return [line for line, made_with in read_values(folder) if made_with != key_digest]


def add_values(folder: Path, lines: Iterable[Line], key_digest: str) -> None:
    """Add values, digested with the key of this digest, to the list."""
    known = {(str(line), made_with) for line, made_with in read_values(folder)}
    known |= {(str(line), key_digest) for line in lines}
    written = [*remarks_in(folder / VALUES_FILE), *(f"{line}  # {made_with}" for line, made_with in sorted(known))]
    write_atomically(folder / VALUES_FILE, "".join(f"{line}\n" for line in written))
