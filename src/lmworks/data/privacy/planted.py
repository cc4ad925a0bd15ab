"""How much personal data is found: values planted into copies of the user's own documents, beside look-alikes.

The values are Faker's, not those of the detectors' own patterns, so the figures are no echo of them.
"""

from __future__ import annotations

import functools
import heapq
import json
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from lmworks.data.privacy.checksums import public_address
from lmworks.data.privacy.entities import Spans, linked
from lmworks.data.privacy.findings import Detector, Kind, scan
from lmworks.data.records import Documents, read_columns, shard_ids
from lmworks.pipeline.figure import Figure, wilson
from lmworks.pipeline.files import digest_text

if TYPE_CHECKING:
    from faker import Faker

COPIES = 200
"""Copies of documents, each with one value of every kind: a recall near 1 is then known to 2 percent."""
CHARACTERS = 2_000
"""How much of a document is copied."""
GROUPS = 16
"""Of copies that are measured together, and again where one of them is another."""
_COPIES, _WRONG = "copies", "wrong"

METHOD = (
    f"{COPIES} copies of a seeded sample of this data's documents, each with one made-up value of every kind and as "
    "many look-alikes that are none; a finding counts if its kind and both ends are right; 95 % Wilson interval"
)

LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "pt_BR")

_TEXTS = json.loads((files(__package__) / "planted.json").read_text(encoding="utf-8"))
SENTENCES: Mapping[Kind, Sequence[str]] = _TEXTS["sentences"]
"""What stands around a value; `{label}` is the name of a national number."""
LOOK_ALIKES: Sequence[str] = _TEXTS["look_alikes"]
"""Sentences that hold nothing personal."""


class Copy(NamedTuple):
    """A copy that values are planted into."""

    text: str
    number: int
    """Of those of one document."""


def copies_of(documents: Documents) -> list[list[Copy]]:
    """Copies of the beginnings of the documents whose ids have the lowest hashes, in groups by their text.

    A document that comes or goes changes few groups.
    """
    lowest = heapq.nsmallest(COPIES, shard_ids(documents.path), key=digest_text)
    places = {name: place for place, name in enumerate(lowest)}
    groups: list[list[Copy]] = [[] for _ in range(GROUPS)]
    for shard in documents.shards() if places else ():
        columns = read_columns(shard, ["id", "text"])
        for row, name in enumerate(columns.column("id").to_pylist()):
            if name in places:
                text = columns.column("text")[row].as_py()[:CHARACTERS]
                group = groups[int(digest_text(text)[:8], 16) % GROUPS]
                group += [Copy(text, number) for number in range(len(range(places[name], COPIES, len(places))))]
    return groups


def count_found(
    copies: Sequence[Copy],
    detectors: Sequence[Detector],
    entities_of: Callable[[Sequence[str]], Sequence[Spans]] | None = None,
    guessed: Sequence[Kind] = (),
) -> Counter[str]:
    """How many planted values of each kind are found, by detectors or `guessed` by a model, in how many copies.

    Beside them, how many findings are wrong.
    """
    kinds = _kinds(detectors, guessed)
    counts = Counter({_COPIES: len(copies)} if kinds else {})
    planted = [_Values().plant(copy, kinds) for copy in copies] if kinds else []
    entities = entities_of([text for text, _, _ in planted]) if entities_of else [[]] * len(planted)
    for (text, plants, stretches), spans in zip(planted, entities, strict=True):
        findings = {(each.kind, each.start, each.end) for each in scan(text, detectors, linked(text, spans))}
        counts.update(kind for kind, _, _ in findings & plants)
        counts[_WRONG] += sum(
            any(start < last and end > first for first, last in stretches) for _, start, end in findings - plants
        )
    return counts


def figures_of(counts: Counter[str], detectors: Sequence[Detector], guessed: Sequence[Kind] = ()) -> list[Figure]:
    """Recall of each kind that is looked for, and of all; precision of all. `counts` are sums of `count_found`."""
    kinds, copies, wrong = _kinds(detectors, guessed), counts[_COPIES], counts[_WRONG]
    if not copies:
        return []
    right = sum(counts[kind] for kind in kinds)
    figures = [_share(f"recall of planted {kind}", counts[kind], copies) for kind in kinds]
    figures.append(_share("recall of planted personal data", right, copies * len(kinds)))
    return [*figures, _share("precision on planted personal data", right, max(1, right + wrong))]


def _kinds(detectors: Sequence[Detector], guessed: Sequence[Kind]) -> list[Kind]:
    return sorted({*(detector.kind for detector in detectors), *guessed})


def _share(name: str, right: int, n: int) -> Figure:
    return Figure(name=name, value=right / n, n=n, method=METHOD, interval=wilson(right, n))


@functools.cache
class _Values:
    """Made-up values and where they are put, the same in every run."""

    def __init__(self) -> None:
        from faker import Faker

        self.faker = {locale: Faker(locale) for locale in LOCALES}

    def plant(self, copy: Copy, kinds: Sequence[Kind]) -> tuple[str, set[tuple[Kind, int, int]], list[tuple[int, int]]]:
        """The text with a value of each kind and as many look-alikes in it, between words.

        Returns it with the plants (kind, start, end) and the stretches that are not the document's own.
        """
        seed = int(digest_text(f"{copy.number} {copy.text}")[:12], 16)
        for number, faker in enumerate(self.faker.values()):
            faker.seed_instance(seed * len(LOCALES) + number)
        draw = self.faker["en_US"].random
        sentences: list[tuple[Kind | None, str, str]] = [(kind, *self._sentence(kind, seed)) for kind in kinds]
        sentences += [(None, sentence, "") for sentence in draw.sample(LOOK_ALIKES, k=len(kinds))]
        draw.shuffle(sentences)
        words = copy.text.split(" ")
        places = sorted(draw.randint(0, len(words)) for _ in sentences)
        new, done, plants, stretches = "", 0, set(), []
        for place, (kind, sentence, value) in zip(places, sentences, strict=True):
            new += "".join(f"{word} " for word in words[done:place])
            done = place
            stretches.append((len(new), len(new) + len(sentence)))
            if kind:
                start = len(new) + sentence.index(value)
                plants.add((kind, start, start + len(value)))
            new += sentence + "\n"
        return new + " ".join(words[done:]), plants, stretches

    def _sentence(self, kind: Kind, seed: int) -> tuple[str, str]:
        """A sentence, and the value of the kind in it."""
        locale = LOCALES[seed % len(LOCALES)]
        faker, draw = self.faker[locale], self.faker["en_US"].random
        label = ""
        if kind == "national_id":
            label, value = _national_id(faker, self.faker["en_US"], locale)
        else:
            value = _MAKERS[kind](faker)
        return draw.choice(SENTENCES[kind]).replace("{label}", label).replace("{}", value), value


def _national_id(faker: Faker, american: Faker, locale: str) -> tuple[str, str]:
    """The name of a country's number, and one; American where Faker has none with the country's check."""
    match locale:
        case "es_ES":
            return "DNI", faker.random_element([faker.nif(), faker.nie()])
        case "fr_FR":
            return "numéro de sécurité sociale", faker.ssn()
        case "it_IT":
            return "codice fiscale", faker.ssn()
        case "nl_NL":
            return "BSN", faker.ssn()
        case "pl_PL":
            return "PESEL", faker.pesel()
        case "pt_BR":
            return "CPF", faker.cpf()
        case _:
            return "SSN", american.ssn()


def _in_groups(faker: Faker, value: str, separators: Sequence[str]) -> str:
    """The value in groups of four, or in one."""
    separator: str = faker.random_element(separators)
    return separator.join(value[start : start + 4] for start in range(0, len(value), 4))


def _card(faker: Faker) -> str:
    number = faker.credit_card_number()
    return _in_groups(faker, number, ("", " ", "-")) if len(number) == 16 else number


def _ip(faker: Faker) -> str:
    while not public_address(address := faker.random_element([faker.ipv4_public(), faker.ipv6()])):
        pass
    return str(address)


def _secret(faker: Faker) -> str:
    letters = f"{string.ascii_letters}{string.digits}"
    prefix, length = faker.random_element([("ghp_", 36), ("sk_live_", 24), ("AIza", 35), ("", 24), ("", 40)])
    return prefix + "".join(faker.random.choices(letters, k=length))


def _day(faker: Faker) -> str:
    day: date = faker.date_of_birth()
    forms = ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%d %b %Y", "%d/%m/%y")
    return day.strftime(faker.random_element(forms))


_MAKERS: Mapping[Kind, Callable[[Faker], str]] = {
    "email": lambda faker: faker.random_element([faker.ascii_email(), faker.ascii_company_email()]),
    "phone": lambda faker: faker.phone_number(),
    "card": _card,
    "iban": lambda faker: _in_groups(faker, faker.iban(), ("", " ")),
    "ip": _ip,
    "secret": _secret,
    "record_number": lambda faker: faker.numerify("%#######"),
    "birth_date": _day,
    "date": _day,
    "person": lambda faker: f"{faker.first_name()} {faker.last_name()}",
    "place": lambda faker: faker.city(),
    "organisation": lambda faker: faker.company(),
    "address": lambda faker: faker.street_address(),
}
