"""Made-up postal addresses in the ways people of five countries write them; surnames and given streets are Faker's."""

from __future__ import annotations

from functools import cache

from audit_drawing import FORMS, Chance, Make
from faker import Faker

LOCALES = {"US": "en_US", "GB": "en_GB", "DE": "de_DE", "FR": "fr_FR", "ES": "es_ES"}
ADDRESSES = tuple(LOCALES)


@cache
def faker(country: str) -> Faker:
    return Faker(LOCALES[country])


def surname(chance: Chance, country: str) -> str:
    """A surname of the country, from the given source of chance."""
    source = faker(country)
    source.seed_instance(chance.randrange(1 << 32))
    return source.last_name()


def address(country: str) -> Make:
    """Addresses of a country: in one line mostly, over two lines, or (one of eight) the street and the house alone."""

    def make(chance: Chance, bare: bool) -> str:
        name = surname(chance, country).split()[0].title()
        given = {"DE": f"{name}gasse", "FR": f"du Docteur {name}"}.get(country, name)
        pattern: str = chance.choice(FORMS["streets"][country])
        street = pattern.format(n=chance.randrange(12, 4999), k=chance.randrange(2, 99), s=name, f=given)
        town = chance.choice(FORMS["towns"][country])
        letters = {"#": "123456789", "~": "ABDEFGHJLNPQRSTUWXYZ"}
        town = "".join(chance.choice(letters[sign]) if sign in letters else sign for sign in town)
        draw = 1.0 if bare else chance.random()
        if draw < 0.125 and not street.startswith(("P.O.", "BP", "Postfach", "lieu")):
            return street
        if 0.125 <= draw < 0.2:
            return f"{street} {town}"
        return f"{street}\n{town}" if draw < 0.35 else f"{street}, {town}"

    return make
