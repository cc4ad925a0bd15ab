"""Made-up personal values for the templates of `audit.py`: one maker for each cell.

Rules: ISO 13616 and ISO 7064 (IBAN), ISO/IEC 7812 (cards), 3GPP TS 23.003 (IMEI), 49 CFR 565 (VIN), and the
description of each national number by the office that gives it out. The numbers are drawn, not taken from anywhere.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Sequence

from audit_addresses import ADDRESSES, address, surname
from audit_checks import french_key, iban_digits, luhn_digit, spanish_digit
from audit_drawing import FORMS, Chance, Make, born, digits, fitting, grouped, one
from audit_numbers import NUMBERS
from audit_secrets import SECRETS


def phone(patterns: Sequence[str]) -> Make:
    """Numbers of the patterns of `digits`."""
    return lambda chance, bare: digits(chance, one(chance, bare, patterns))


def phone_us(chance: Chance, bare: bool) -> str:
    area = chance.choice(FORMS["area_codes"]["US"])
    office, line = digits(chance, "N##"), digits(chance, "####")
    office = office if office[0] != "1" and office[1:] != "11" else "482"
    forms = ["({a}) {o}-{l}", "{a}-{o}-{l}", "{a}.{o}.{l}", "{a} {o} {l}", "+1 {a} {o} {l}", "+1-{a}-{o}-{l}"]
    forms += ["1-{a}-{o}-{l}", "{a}{o}{l}", "+1{a}{o}{l}", "+1 ({a}) {o}-{l}", "({a}){o}-{l}", "001 {a} {o} {l}"]
    return one(chance, bare, forms).format(a=area, o=office, l=line)


def phone_gb(chance: Chance, bare: bool) -> str:
    m = f"7{chance.choice('458')}{digits(chance, '########')}"
    t = chance.choice(FORMS["area_codes"]["GB"]) + digits(chance, "N######")
    g = "20" + chance.choice("378") + digits(chance, "#######")
    forms = [f"0{m[:4]} {m[4:]}", f"0{m}", f"0{m[:4]} {m[4:7]} {m[7:]}", f"+44 {m[:4]} {m[4:]}", f"+44{m}"]
    forms += [f"+44 (0){m[:4]} {m[4:]}", f"0{m[:4]}-{m[4:]}", f"0044 {m[:4]} {m[4:7]} {m[7:]}"]
    forms += [f"0{g[:2]} {g[2:6]} {g[6:]}"]
    forms += [f"(0{g[:2]}) {g[2:6]} {g[6:]}", f"0{t[:3]} {t[3:6]} {t[6:]}", f"0{t}", f"+44 {t[:3]} {t[3:6]} {t[6:]}"]
    return one(chance, bare, forms)


def phone_de(chance: Chance, bare: bool) -> str:
    m = chance.choice(FORMS["area_codes"]["DE_mobile"])
    c, n = chance.choice(FORMS["area_codes"]["DE"]), digits(chance, "N######")
    r = digits(chance, chance.choice(["N######", "N#######"]))
    forms = [f"0{m} {r}", f"0{m}-{r}", f"0{m}/{r}", f"0{m}{r}", f"+49 {m} {r}", f"+49{m}{r}", f"0049 {m} {r}"]
    forms += [f"+49 (0) {m} {r}", f"+49 (0){c} {n}", f"0{c} {n}", f"0{c}/{n}", f"(0{c}) {n}"]
    forms += [f"0{c}-{n}", f"+49 {c} {n}"]
    forms += [f"0{m} {r[:3]} {r[3:5]} {r[5:]}", f"0{c} / {n[:3]} {n[3:5]} {n[5:]}"]
    return one(chance, bare, forms)


def phone_fr(chance: Chance, bare: bool) -> str:
    n = chance.choice(FORMS["area_codes"]["FR"]) + digits(chance, "######")
    pairs = [n[0], n[1:3], n[3:5], n[5:7], n[7:]]
    forms = [f"0{sign.join(pairs)}" for sign in (" ", ".", "-", "", " ")]
    forms += [f"+33 {' '.join(pairs)}", f"+33{n}", f"+33 (0){' '.join(pairs)}", f"0033 {' '.join(pairs)}"]
    return one(chance, bare, forms)


PHONES: dict[str, Make] = {
    **{"US": phone_us, "GB": phone_gb, "DE": phone_de, "FR": phone_fr},
    **{country: phone(patterns) for country, patterns in FORMS["phones"].items()},
}


def plain_name(chance: Chance, country: str) -> str:
    """A surname as it is written in an address."""
    name = surname(chance, country).replace("ß", "ss")
    spelled = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(sign for sign in spelled.lower() if sign.isalnum())


def email(chance: Chance, bare: bool) -> str:
    last, first = plain_name(chance, chance.choice(ADDRESSES)), chance.choice(FORMS["first_names"])
    number, domain = digits(chance, "##"), chance.choice(FORMS["domains"])
    names = [f"{first}.{last}", f"{first}{last}{number}", f"{first[0]}{last}", f"{last}_{first}", f"{first}+news"]
    names += [f"{last}-{first}", f"{first.title()}.{last.title()}"]
    address_ = f"{chance.choice(names)}@{domain}"
    return address_.upper() if chance.random() < 0.1 else address_


def email_for_people(chance: Chance, bare: bool) -> str:
    """An address spelled so that harvesters miss it."""
    name, domain = email(chance, bare).lower().replace("+news", "").split("@")
    at, dot = one(chance, bare, FORMS["mail_signs"])
    return f"{name.replace('.', dot) if chance.random() < 0.3 else name}{at}{domain.replace('.', dot)}"


def card(chance: Chance, bare: bool) -> str:
    if not bare and chance.random() < 0.2:
        number = fitting(chance, chance.choice(["34", "37"]) + "#" * 12, luhn_digit)
        return chance.choice([grouped(number, (4, 6, 5), " "), number, grouped(number, (4, 6, 5), "-")])
    number = fitting(chance, chance.choice(["4", "4", "51", "53", "55", "6011"]).ljust(15, "#"), luhn_digit)
    return one(
        chance, bare, [grouped(number, (4,), " "), number, grouped(number, (4,), "-"), grouped(number, (4,), ".")]
    )


def iban(country: str) -> Make:
    """IBANs of a country; the French and Spanish ones hold the check digits of the national account number too."""

    def make(chance: Chance, bare: bool) -> str:
        if country == "DE":
            body = digits(chance, "N" + "#" * 17)
        elif country == "GB":
            body = chance.choice(["BARC", "NWBK", "LOYD", "HBUK", "MIDL"]) + digits(chance, "#" * 14)
        elif country == "FR":
            bank, office, account = digits(chance, "N####"), digits(chance, "#####"), digits(chance, "#" * 11)
            body = bank + office + account + french_key(bank, office, account)
        else:
            bank, account = digits(chance, "N#######"), digits(chance, "#" * 10)
            body = bank + spanish_digit("00" + bank) + spanish_digit(account) + account
        full = country + iban_digits(country, body) + body
        spaced = grouped(full, (4,), " ")
        rare = [grouped(full, (4,), "-"), spaced.lower(), full.lower()]
        return one(chance, bare, [*[spaced, full] * 6, *rare])

    return make


def ip4(chance: Chance, bare: bool) -> str:
    while True:
        address = ipaddress.IPv4Address(chance.randrange(1 << 32))
        if address.is_global and not address.is_multicast:
            return str(address)


def ip6(chance: Chance, bare: bool) -> str:
    start = chance.choice(["2001:4860", "2a02:8109", "2a00:1450", "2003:c7", "2600:1f18", "2804:14c", "2409:8900"])
    parts = [format(chance.randrange(1, 65536), "x") for _ in range(6)]
    if chance.random() < 0.4:
        parts[2:5] = ["0", "0", "0"]
    address = ipaddress.IPv6Address(start + ":" + ":".join(parts))
    return one(chance, bare, [str(address), str(address), address.exploded, str(address).upper()])


def birth_date(language: str) -> Make:
    def make(chance: Chance, bare: bool) -> str:
        day = born(chance, 1935, 2015)
        if language == "en":
            day = day.replace(day=chance.choice([4, 5, 9, 12, 14, 17, 18, 19, 26, 27]))  # each takes "th"
        month = FORMS["months"][language][day.month - 1]
        form: str = one(chance, bare, FORMS["dates"][language])
        return form.format(d=day.day, m=day.month, y=day.year, s=f"{day.year % 100:02d}", M=month, B=month[:3])

    return make


CELLS: dict[str, Make] = {
    **{f"phone/{country}": make for country, make in PHONES.items()},
    "email/plain": email,
    "email/obfuscated": email_for_people,
    "card/any": card,
    **{f"iban/{country}": iban(country) for country in ("DE", "FR", "GB", "ES")},
    "ip/v4": ip4,
    "ip/v6": ip6,
    **{f"secret/{name}": make for name, make in SECRETS.items()},
    **{f"birth_date/{language}": birth_date(language) for language in FORMS["dates"]},
    **NUMBERS,
    **{f"address/{country}": address(country) for country in ADDRESSES},
}
