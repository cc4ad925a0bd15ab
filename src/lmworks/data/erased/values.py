"""Erased values, and the search for them by keyed digests, from which nobody learns the values without the key.

A value is an e-mail address, a number in any grouping, or consecutive words. A text is read by the view of
`data.base.text`: decoded, without markup, case and accents. Each possible value in it is digested with the key
(HMAC-SHA256, RFC 2104) and looked up.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lmworks.data.base.encoded import MOST_UNPACKED, UNPACKED_PER_CHARACTER, decodings, repaired, texts_of
from lmworks.data.base.identity import ID_KEY
from lmworks.data.base.text import fold, letters, one_form, without_markup, without_tags
from lmworks.data.base.words import hash_words, mixed_bits, word_spans
from lmworks.data.duplicates.minhash import hash_windows
from lmworks.data.erased.contacts import (
    LEAST_DIGITS,
    LONGEST_NUMBER,
    LONGEST_PREFIX,
    PHONES,
    WHOLE_NUMBER,
    addresses,
    numbers_in,
    phone_forms,
    phones_of,
)
from lmworks.data.erased.names import MOST_WORDS, is_one_name, spellings, without_particles
from lmworks.data.privacy.people import given_name_first
from lmworks.data.shards.records import Document
from lmworks.errors import UsageError
from lmworks.lazy import NDArray, np, pa
from lmworks.pipeline.erasure import remarks_in
from lmworks.pipeline.files import write_atomically
from lmworks.recipe.patterns import Pattern

VALUES_FILE = "erased-values.txt"
"""List beside the recipe: a keyed digest and a form per line, with the digest of the key after a `#`.

It does not contain the values, and belongs under version control.
"""
LEAST_CHARACTERS = 3
"""Minimum letters and digits of a value to be searched in texts. Shorter values are in too many texts."""
FILTER_BITS = 12
"""Bits of a keyed hash of words, stored with their digest, so that only one in 4,096 words of a text is digested."""
PHRASES = ("phrase", "name")
KINDS = ("email", "number", *PHONES, *PHRASES, "subject", "text", "kept")

_IN_NAMES = frozenset(" .'’ʼ‘`´·・‐‑-,")
_NOTE = re.compile("[\u00b2\u00b3\u00b9\u2070\u2074-\u2079\u2080-\u2089\u2460-\u249b\u24ea]+")
"""Pattern of raised, lowered and enclosed numbers, which number a note or are digits of a number."""
_IN_WORDS = re.compile(
    r"[0-9](?:(?<=[^\W\d_].)[0-9]{0,3}(?!\w)|(?<!\w.)[0-9]{0,3}(?=[^\W\d_]))|\*(?<=[^\W\d_]\*)\*{0,2}(?=[^\W\d_])"
)
"""Pattern of the number of a note that is attached to a word, and of Markdown's marks inside a word."""
_COLOUR = re.compile("\x1b\\[[0-9;]{0,9}m")
"""Pattern of the control sequence by which logs colour a word."""
_CELL = re.compile(r"<(?:p|div|li|td|th|tr|dd|dt|h[1-6]|option|caption)\b", re.IGNORECASE)
"""Pattern of the beginning of a cell, item or paragraph. A name does not continue from one to the next."""
_HIDDEN = re.compile(r"[(\[{<]\s{0,2}(?:at|ät|@)\s{0,2}[)\]}>]|\\@", re.IGNORECASE)
_AT = re.compile(rf"\s{{0,3}}(?:{_HIDDEN.pattern})\s{{0,3}}", re.IGNORECASE)
_DOT = re.compile(r"\s{0,3}[(\[{<]\s{0,2}(?:dot|punkt|point|punto|kropka)\s{0,2}[)\]}>]\s{0,3}", re.IGNORECASE)
"""Pattern of the dot of an address that is written out to hide the address from machines."""
_TAGGED = re.compile(r"@[^@\s]*\+")
"""Pattern of the tag of a mailbox, for a reversed text, so that each sign is read for one `@` only."""


def readings(text: str, room: list[int] | None = None) -> Iterator[str]:
    """Yield the forms of a text that are searched: decoded, with and without markup, in letters as a reader sees them.

    `room` is the number of bytes that may be unpacked of it.
    """
    seen: set[str] = set()
    for form in decodings(text, room=room):
        forms = [_COLOUR.sub("", form) if "\x1b" in form else form]
        if "<" in form or "&" in form or "]" in form:
            forms += without_markup(_CELL.sub(r" | \g<0>", form)), without_tags(form, "")
        for reading in map(letters, dict.fromkeys(forms)):
            hidden = _DOT.sub(".", _AT.sub("@", reading)) if "@" in reading or _HIDDEN.search(reading) else reading
            for said in (reading, hidden, unicodedata.normalize("NFKC", reading) if _NOTE.search(reading) else reading):
                plain = _NOTE.sub(" ", said)
                if plain not in seen:
                    seen.add(plain)
                    yield plain


def said_by(quarantined: Mapping[str, Any]) -> list[str]:
    """Return the texts of a record that could not be read: its bytes as text, its columns, its place, and the reason.

    Raises ValueError or KeyError if its entry in the quarantine is damaged.
    """
    raw = base64.b64decode(quarantined.get("raw", ""))
    columns = "\n".join(quarantined.get("settings", {}).get("columns", ()))
    places = (str(quarantined[name]) for name in ("source", "path", "record", "reason"))
    return [*texts_of(raw), columns, *places]


class Form(NamedTuple):
    """Kind of a value, and facts that narrow the search for it.

    Kinds: `email`, `number`, `name` (the words of one name), `phrase` (other words), the kinds of `contacts.phones_of`,
    `subject` and `text` (compared as a whole), and `kept` (an id with the digest of a value that this record is
    allowed to hold).
    """

    kind: str
    size: int = 0
    """Number of letters and digits of a number, or number of words."""
    filter: int = 0
    """First bits of a keyed hash of words."""


class Line(NamedTuple):
    """One line of `erased-values.txt`."""

    digest: str
    form: Form

    def __str__(self) -> str:
        return " ".join([self.digest, *(str(part) for part in self.form if part)])

    @classmethod
    def read(cls, line: str) -> Line:
        """Return the line that a text states. Raises ValueError or TypeError for another text."""
        digest, kind, *numbers = line.split()
        if not re.fullmatch("[0-9a-f]{32}", digest) or kind not in KINDS:
            raise ValueError(line)
        return cls(digest, Form(kind, *map(int, numbers)))


def digest(key: bytes, kind: str, normal: str) -> str:
    """Return the digest that represents a value: 32 hexadecimal digits."""
    return hmac.digest(key, "\0".join(("erased", kind, normal)).encode(), "sha256").hex()[:32]


def lines_of(key: bytes, value: str) -> list[Line]:
    """Return the lines that find a value again, in texts and as the subject of a record.

    Raises UsageError if the value has no letter and no digit.
    """
    plain = dict.fromkeys(letters(form.strip()) for form in (value, repaired(value)))
    if not any(map(str.isalnum, _subject("".join(plain)))):
        raise UsageError("a value needs letters or digits: otherwise every record without a subject would be taken")
    texts = (" ".join(_NOTE.sub(" ", text).split()) for text in plain if not is_subject_alone(text))
    forms = (form for text in texts for form in spellings(text))
    found = (line for form in forms for line in _lines_of(key, form))
    return [*dict.fromkeys([*found, subject_line(key, value)])]


def _lines_of(key: bytes, value: str) -> Iterator[Line]:
    if re.fullmatch(r"[^\s@]+@[^\s@]+", value):
        yield Line(digest(key, "email", fold(value)), Form("email"))
        return
    is_number = len(value) <= LONGEST_NUMBER and WHOLE_NUMBER.fullmatch(value.lstrip("+( "))
    plain = "".join(filter(str.isalnum, value)).upper()
    if is_number and sum(map(str.isdigit, plain)) >= LEAST_DIGITS:
        yield Line(digest(key, "number", plain), Form("number", len(plain)))
        is_phone = plain.isdigit() and 7 <= len(plain) <= 15
        for kind, digits in dict.fromkeys(phones_of(value, plain)) if is_phone else ():
            yield Line(digest(key, kind, digits), Form(kind, len(digits)))
        return
    given = given_name_first(value)
    is_name = len(given.split()) <= MOST_WORDS and all(sign in _IN_NAMES or _is_letter(sign) for sign in value)
    (words,) = hash_words(as_words([fold(given if is_name else value)]))
    count = len(words.hashes)
    if count:
        (gram,) = hash_windows(words, count)[0]
        form = Form("name" if is_name else "phrase", count, int(_filter(key, np.array([gram]))[0]))
        yield Line(digest(key, "phrase", f"{gram:016x}"), form)


def _is_letter(sign: str) -> bool:
    return sign.isalpha() or unicodedata.category(sign)[0] == "M"


def is_subject_alone(value: str) -> bool:
    """Return whether a value is so short that it is searched only as the subject of records, not in texts."""
    plain = "".join(filter(str.isalnum, value))
    return len(plain) < (LEAST_DIGITS if plain.isdigit() else LEAST_CHARACTERS)


def subject_line(key: bytes, subject: str) -> Line:
    """Return the line that finds the records of a subject."""
    return Line(digest(key, "subject", _subject(letters(subject))), Form("subject"))


def _subject(plain: str) -> str:
    return " ".join(fold(given_name_first(plain)).split())


def text_line(key: bytes, text_digest: str) -> Line:
    """Return the line that finds the copies of a text."""
    return Line(digest(key, "text", text_digest), Form("text"))


def match_line(key: bytes, pattern: str) -> Line:
    """Return the line of a pattern. No list holds it: later builds do not search for patterns."""
    return Line(digest(key, "match", pattern), Form("match"))


def kept_line(key: bytes, name: str, line: Line) -> Line:
    """Return the line by which the record of an id is kept although it holds a value."""
    return Line(digest(key, "kept", f"{name}\0{line.digest}"), Form("kept"))


def _filter(key: bytes, grams: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a few keyed bits of hashes of words."""
    first, second = np.frombuffer(hmac.digest(key, b"erased\0filter", "sha256")[:16], "<u8")
    bits: NDArray[np.uint64] = mixed_bits(mixed_bits(grams ^ first) ^ second) >> np.uint64(64 - FILTER_BITS)
    return bits


def scalars(value: Any) -> Iterator[str]:
    """Yield the texts, numbers and names of fields of nested lists and objects, and the texts in bytes."""
    if isinstance(value, Mapping):
        yield from map(str, value)
        yield from scalars([*value.values()])
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from scalars(inner)
    elif isinstance(value, bytes):
        yield from texts_of(value)
    elif value is not None:
        yield str(value)


def without_folder(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the facts of a document without its file's folder, as a person's folder can hold texts of others."""
    return {**meta, "path": str(meta["path"]).rpartition("/")[2]} if "path" in meta else meta


class Erased:
    """Search for erased values. `patterns` are searched in the decoded text, with and without case and accents."""

    def __init__(self, key: bytes, lines: Iterable[Line], patterns: Sequence[str] = ()) -> None:
        self._key = key
        self.patterns = {match_line(key, text).digest: Pattern(text) for text in patterns}
        self._known: dict[str, set[str]] = defaultdict(set)
        self._sizes: dict[str, set[int]] = defaultdict(set)
        self._filters: dict[int, NDArray[np.bool_]] = {}
        for line in lines:
            kind, size, bits = line.form
            self._known[kind].add(line.digest)
            self._sizes[kind].add(size)
            if kind in PHRASES:
                self._filters.setdefault(size, np.zeros(2**FILTER_BITS, bool))[bits] = True
        phones = {size + more for kind in PHONES for size in self._sizes[kind] for more in range(LONGEST_PREFIX + 1)}
        self._lengths = frozenset(self._sizes["number"] | phones)

    def __bool__(self) -> bool:
        return any(self._known.values()) or bool(self.patterns)

    @property
    def _reads_texts(self) -> bool:
        """Return whether anything is searched inside texts, rather than only subjects and whole texts."""
        return bool(self._filters or self._lengths or self._known["email"] or self.patterns)

    def find(self, texts: Sequence[str]) -> list[set[str]]:
        """Return the digests of the values that each text holds, as it is or decoded."""
        found: list[set[str]] = [set() for _ in texts]
        if not self._reads_texts:
            return found
        owners: list[int] = []
        forms: list[str] = []
        shared = MOST_UNPACKED  # so that many hostile texts take no more time than their length allows
        for place, text in enumerate(texts):
            room = [shared + UNPACKED_PER_CHARACTER * len(text)]
            for reading in readings(text, room):
                owners.append(place)
                forms.append(reading)
                found[place].update(self._mails_in(reading), self._numbers_in(reading), self._matches_in(reading))
            shared = max(0, min(shared, room[0]))  # each text keeps the room of its own length
        for form, digests in self._words_in(forms):
            found[owners[form]] |= digests
        return found

    def in_documents(self, documents: Sequence[Document]) -> list[set[str]]:
        """Return the digests of the erased values that each document holds, of its subject, and of its text."""
        owners: list[int] = []
        texts: list[str] = []
        for place, document in enumerate(documents if self._reads_texts else ()):
            some = [*document.texts(), document.structure or "", document.subject or ""]
            names = [field.name for field in document.fields]
            facts = [without_folder(document.meta), document.licence, document.language, document.created, names]
            some.append(json.dumps(facts, ensure_ascii=False, default=str))
            owners += [place] * len(some)
            texts += some
        found = [self.of_subject(document.subject) for document in documents]
        for place, digests in zip(owners, self.find(texts), strict=True):
            found[place] |= digests
        for place, document in enumerate(documents):
            found[place] |= self._lookup("text", document.text_digest)
        return [self.but_kept(document.id, some) for document, some in zip(documents, found, strict=True)]

    @property
    def knows_kept(self) -> bool:
        """Return whether some records are kept although they hold a value."""
        return bool(self._known["kept"])

    def but_kept(self, name: str, found: set[str]) -> set[str]:
        """Return the digests of values that a record holds, without the values for which it is kept."""
        return {held for held in found if not self._lookup("kept", f"{name}\0{held}")}

    @property
    def knows_subjects(self) -> bool:
        """Return whether a subject was erased."""
        return bool(self._known["subject"])

    def of_subject(self, subject: str | None) -> set[str]:
        """Return the digest of a subject if it was erased."""
        if not (subject and self.knows_subjects):
            return set()
        plain = letters(subject)
        given = given_name_first(plain)
        normals = {_subject(plain), one_form(given), one_form(_dotless(given))}
        forms = normals | {_TAGGED.sub("@", normal[::-1])[::-1] for normal in normals}
        return set[str]().union(*(self._lookup("subject", form) for form in forms))

    def _lookup(self, kind: str, normal: str) -> set[str]:
        digested = "phrase" if kind in PHRASES else kind
        return {digest(self._key, digested, normal)} & self._known[kind] if self._known[kind] else set()

    def _mails_in(self, text: str) -> Iterator[str]:
        for address in addresses(text) if self._known["email"] and "@" in text else ():
            yield from self._lookup("email", address)

    def _numbers_in(self, text: str) -> Iterator[str]:
        for number in numbers_in(text, self._lengths):
            if len(number.digits) in self._sizes["number"]:
                yield from self._lookup("number", number.digits.upper())
            for kind, digits in phone_forms(number, self._sizes):
                yield from self._lookup(kind, digits)

    def _matches_in(self, text: str) -> set[str]:
        forms = {text, fold(text)} if self.patterns else set[str]()
        return {name for name, pattern in self.patterns.items() if any(map(pattern.is_in, forms))}

    def _words_in(self, texts: Sequence[str]) -> Iterator[tuple[int, set[str]]]:
        """Yield the place of a text, and the digests of erased words that it holds."""
        forms = [(place, form) for place, text in enumerate(texts) for form in self._spellings(text)]
        done = 0
        for words in hash_words(as_words([form for _, form in forms])) if self._filters else ():
            for size, wanted in self._filters.items():
                grams, counts = hash_windows(words, size)
                ends = np.cumsum(counts)
                for hit in np.flatnonzero(wanted[_filter(self._key, grams)]).tolist():
                    number = int(np.searchsorted(ends, hit, "right"))
                    place, form = forms[done + number]
                    first = hit - int(ends[number] - counts[number])
                    for kind in PHRASES:
                        held = self._lookup(kind, f"{grams[hit]:016x}")
                        if held and (kind == "phrase" or _is_name(form, texts[place], first, size)):
                            yield place, held
            done += len(words.counts)

    def _spellings(self, text: str) -> list[str]:
        """Return a text and the forms in which words are compared: folded, and without signs attached to words."""
        forms = [text, _IN_WORDS.sub("", text)]
        if not text.isascii():
            forms += fold(text), fold(without_particles(text)), _dotless(text)
        return [*dict.fromkeys(form for form in forms)]


def _dotless(text: str) -> str:
    """Return a text with i for İ and ı, as older lists have it."""
    return text.replace("İ", "i").replace("ı", "i") if "ı" in text or "İ" in text else text


def _is_name(form: str, text: str, first: int, size: int) -> bool:
    """Return whether some words of a form of a text are one name. If possible, the text's own capitals are used."""
    if len(word_spans(form.replace("_", " "))) == len(word_spans(text.replace("_", " "))):
        form = text
    return size == 1 or is_one_name(form, first, size)


def as_words(texts: Sequence[str]) -> Any:
    """Return texts for `hash_words`. An underscore separates words, as around emphasis (CommonMark 6.2)."""
    return pa.array([text.replace("_", " ").encode("utf-8", "replace").decode() for text in texts], pa.string())


def read_values(folder: Path) -> list[tuple[Line, str]]:
    """Return the erased values of a recipe's folder, each with the digest of the key that made its digest.

    Raises UsageError for a line that is not an erased value.
    """
    path = folder / VALUES_FILE
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        line, _, made_with = text.partition("#")
        try:
            found += [(Line.read(line), made_with.strip())] if line.strip() else []
        except (ValueError, TypeError):
            raise UsageError(f"{path}, line {number}: {text[:60]!r} is not an erased value: restore the file") from None
    return found


def known_values(folder: Path) -> list[str]:
    """Return the erased values of a recipe's folder that were made with its key of ids."""
    key = ID_KEY.digest(folder)
    return [*dict.fromkeys(str(line) for line, made_with in read_values(folder) if made_with == key)]


def strangers_of(folder: Path, key_digest: str) -> list[Line]:
    """Return values noted with another key than the key of this digest. They cannot be searched for."""
    return [line for line, made_with in read_values(folder) if made_with != key_digest]


def add_values(folder: Path, lines: Iterable[Line], key_digest: str) -> None:
    """Add values, digested with the key of this digest, to the list."""
    known = {(str(line), made_with) for line, made_with in read_values(folder)}
    known |= {(str(line), key_digest) for line in lines}
    written = [*remarks_in(folder / VALUES_FILE), *(f"{line}  # {made_with}" for line, made_with in sorted(known))]
    write_atomically(folder / VALUES_FILE, "".join(f"{line}\n" for line in written))
