"""Made-up numbers of persons, papers, vehicles and devices, with the check digits of the real ones."""

from __future__ import annotations

import string

from audit_checks import (
    aadhaar_digit,
    bsn_digit,
    codice_fiscale_letter,
    cpf_digits,
    dni_letter,
    ean_digit,
    iso7064_11_10,
    luhn_digit,
    nhs_digit,
    nir_key,
    pension_digit,
    pesel_digit,
    resident_digit,
    rrn_digit,
    vin_digit,
)
from audit_drawing import FORMS, Chance, Make, born, digits, drawn, fitting, grouped, one

CONSONANTS = "BCDFGLMNPRSTV"


def ssn(chance: Chance, bare: bool) -> str:
    area = chance.choice([number for number in range(1, 900) if number != 666])
    parts = [f"{area:03d}", f"{chance.randrange(1, 100):02d}", f"{chance.randrange(1, 10000):04d}"]
    return one(chance, bare, ["-".join(parts), "-".join(parts), " ".join(parts), "".join(parts)])


def nino(chance: Chance, bare: bool) -> str:
    while True:
        prefix = chance.choice("ABCEGHJKLMNOPRSTWXYZ") + chance.choice("ABCEGHJKLMNPRSTWXYZ")
        if prefix not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ"):
            break
    full = prefix + digits(chance, "######") + chance.choice("ABCD")
    pairs = grouped(full, (2,), " ")
    return one(chance, bare, [pairs, full, pairs, full.lower(), grouped(full, (2, 6, 1), " ")])


def nhs(chance: Chance, bare: bool) -> str:
    full = fitting(chance, "N########", nhs_digit)
    return one(chance, bare, [grouped(full, (3, 3, 4), " "), full, grouped(full, (3, 3, 4), "-")])


def german_tax_id(chance: Chance, bare: bool) -> str:
    different = chance.sample(string.digits, 9)
    body = [*different, chance.choice(different)]
    chance.shuffle(body)
    if body[0] == "0":
        place = next(place for place, digit in enumerate(body) if digit != "0")
        body[0], body[place] = body[place], body[0]
    full = "".join(body) + iso7064_11_10("".join(body))
    return one(chance, bare, [grouped(full, (2, 3, 3, 3), " "), full, full, grouped(full, (2, 3, 3, 3), "-")])


def german_pension(chance: Chance, bare: bool) -> str:
    day, letter = born(chance), chance.choice(string.ascii_uppercase)
    body = chance.choice(["12", "15", "23", "53", "65", "24"]) + day.strftime("%d%m%y") + letter + digits(chance, "##")
    full = body + pension_digit(body)
    spaced, fully = grouped(full, (2, 6, 1, 3), " "), grouped(full, (2, 6, 1, 2, 1), " ")
    return one(chance, bare, [spaced, full, full, fully, full.lower()])


def nir(chance: Chance, bare: bool) -> str:
    day, department = born(chance), chance.choice(["13", "33", "44", "59", "69", "75", "92", "2A"])
    body = f"{chance.choice('12')}{day:%y%m}{department}{digits(chance, '0N#')}{digits(chance, '0N#')}"
    key, spaced = nir_key(body), grouped(body, (1, 2, 2, 2, 3, 3), " ")
    forms = [f"{spaced} {key}", body + key, f"{body} {key}", f"{spaced} / {key}", f"{spaced} {key}".replace(" ", ".")]
    return one(chance, bare, forms)


def dni(chance: Chance, bare: bool) -> str:
    start = "" if chance.random() < 0.65 else chance.choice("XYZ")
    body = digits(chance, "#######" if start else "########")
    letter = dni_letter(start + body)
    dotted = f"{start}-{body}-{letter}" if start else f"{body[:2]}.{body[2:5]}.{body[5:]}-{letter}"
    full = start + body + letter
    return one(chance, bare, [full, f"{start}{body}-{letter}", dotted, f"{start}{body} {letter}", full.lower()])


def codice_fiscale(chance: Chance, bare: bool) -> str:
    name, day = "".join(chance.choice(CONSONANTS) for _ in range(6)), born(chance)
    of_month = day.day + (40 if chance.random() < 0.5 else 0)
    town = chance.choice(["A944", "F205", "H501", "L219", "Z129"])
    body = f"{name}{day:%y}{'ABCDEHLMPRST'[day.month - 1]}{of_month:02d}{town}"
    full = body + codice_fiscale_letter(body)
    return one(chance, bare, [full, full, full.lower(), grouped(full, (3, 3, 5, 5), " ")])


def pesel(chance: Chance, bare: bool) -> str:
    day = born(chance, 1935, 2012)
    body = f"{day:%y}{day.month + (20 if day.year > 1999 else 0):02d}{day:%d}{digits(chance, '####')}"
    return body + pesel_digit(body)


def bsn(chance: Chance, bare: bool) -> str:
    full = fitting(chance, "N#######", bsn_digit)
    return one(chance, bare, [full, full, grouped(full, (4, 2, 3), "."), grouped(full, (3,), " ")])


def ahv(chance: Chance, bare: bool) -> str:
    body = "756" + digits(chance, "#########")
    full = body + ean_digit(body)
    dotted = grouped(full, (3, 4, 4, 2), ".")
    return one(chance, bare, [dotted, full, dotted.replace(".", " "), dotted])


def cpf(chance: Chance, bare: bool) -> str:
    body = digits(chance, "N########")
    end, dotted = cpf_digits(body), grouped(body, (3,), ".")
    spaced = grouped(body + end, (3,), " ")
    return one(chance, bare, [f"{dotted}-{end}", body + end, f"{dotted}-{end}", f"{body}-{end}", spaced])


def resident_id(chance: Chance, bare: bool) -> str:
    place = chance.choice(["110101", "110102", "110105", "110108", "120101", "310101", "310104", "310105"])
    body = f"{place}{born(chance):%Y%m%d}{digits(chance, '##N')}"
    full = body + resident_digit(body)
    return one(chance, bare, [full, full, full.lower(), grouped(full, (6, 8, 4), " ")])


def rrn(chance: Chance, bare: bool) -> str:
    body = f"{born(chance):%y%m%d}{chance.choice('12')}{digits(chance, '0####')}"
    full = body + rrn_digit(body)
    return one(chance, bare, [grouped(full, (6, 7), "-"), grouped(full, (6, 7), "-"), full, grouped(full, (6, 7), " ")])


def aadhaar(chance: Chance, bare: bool) -> str:
    body = chance.choice("23456789") + digits(chance, "##########")
    full = body + aadhaar_digit(body)
    return one(chance, bare, [grouped(full, (4,), " "), full, grouped(full, (4,), " "), grouped(full, (4,), "-")])


def pan(chance: Chance, bare: bool) -> str:
    full = digits(chance, "AAA") + "P" + digits(chance, "A####A")
    return one(chance, bare, [full, full, full, full.lower()])


def passport(country: str) -> Make:
    signs = "CFGHJKLMNPRTVWXYZ0123456789"
    forms: dict[str, Make] = {
        "US": lambda chance, bare: digits(chance, one(chance, bare, ["A########", "N########"])),
        "GB": lambda chance, bare: digits(chance, one(chance, bare, ["N########", "N########", "N## ### ###"])),
        "DE": lambda chance, bare: chance.choice("CFGHJK") + drawn(chance, 7, signs) + chance.choice("0123456789"),
        "FR": lambda chance, bare: digits(chance, one(chance, bare, ["##AA#####", "##AA#####", "## AA #####"])),
    }
    return forms[country]


def vin(chance: Chance, bare: bool) -> str:
    signs = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    start = chance.choice(["1HG", "WVW", "WBA", "JT2", "1FT", "VF1", "5YJ", "KNA"]) + drawn(chance, 5, signs)
    end = chance.choice("ABCDEFGHJKLMNPRSTVWXY123456789") + drawn(chance, 1, signs) + digits(chance, "######")
    full = start + vin_digit(start + "0" + end) + end
    return one(chance, bare, [full, full, full, full.lower()])


def plate(country: str) -> Make:
    def make(chance: Chance, bare: bool) -> str:
        if country == "DE":
            town, letters = chance.choice(FORMS["plate_towns"]), digits(chance, chance.choice(["A", "AA"]))
            number = digits(chance, chance.choice(["N#", "N##", "N###"]))
            signs = one(chance, bare, [("-", " "), (" ", " "), ("-", "-"), (" ", "")])
            return f"{town}{signs[0]}{letters}{signs[1]}{number}"
        if country == "GB":
            age = chance.choice(["07", "12", "15", "18", "21", "23", "58", "66", "70"])
            full = digits(chance, "AA") + age + digits(chance, "AAA")
            spaced = grouped(full, (4, 3), " ")
            return one(chance, bare, [spaced, full, spaced, full.lower(), spaced.lower()])
        parts = [digits(chance, "AA"), digits(chance, "#N#"), digits(chance, "AA")]
        dashed = "-".join(parts)
        return one(chance, bare, [dashed, dashed, " ".join(parts), "".join(parts), dashed.lower()])

    return make


def licence_gb(chance: Chance, bare: bool) -> str:
    day, name = born(chance), chance.choice(["MORGA", "SMITH", "KHAN9", "OKAFO", "JONES", "TAYLO", "LEE99", "PATEL"])
    month = day.month + (50 if chance.random() < 0.5 else 0)
    initials = digits(chance, "A") + chance.choice("9ABCDEJM")
    full = f"{name}{day.year // 10 % 10}{month:02d}{day:%d}{day.year % 10}{initials}9{digits(chance, 'AA')}"
    return one(chance, bare, [full, full, grouped(full, (5, 6, 5), " "), full.lower()])


def imei(chance: Chance, bare: bool) -> str:
    full = fitting(chance, "35" + "#" * 12, luhn_digit)
    return one(chance, bare, [full, full, grouped(full, (2, 6, 6, 1), "-"), grouped(full, (2, 6, 6, 1), " ")])


def medical_record(chance: Chance, bare: bool) -> str:
    forms = ["N#######", "N######", "N#####", "AN######", "##-##-##", "N###-####", "AA-######", "00N#####"]
    return digits(chance, one(chance, bare, forms))


NUMBERS: dict[str, Make] = {
    "national_id/US_SSN": ssn,
    "national_id/UK_NINO": nino,
    "national_id/UK_NHS": nhs,
    "national_id/DE_tax_id": german_tax_id,
    "national_id/DE_pension": german_pension,
    "national_id/FR_NIR": nir,
    "national_id/ES_DNI": dni,
    "national_id/IT_codice_fiscale": codice_fiscale,
    "national_id/PL_PESEL": pesel,
    "national_id/NL_BSN": bsn,
    "national_id/CH_AHV": ahv,
    "national_id/BR_CPF": cpf,
    "national_id/CN_resident_id": resident_id,
    "national_id/KR_RRN": rrn,
    "national_id/IN_Aadhaar": aadhaar,
    "national_id/IN_PAN": pan,
    **{f"passport/{country}": passport(country) for country in ("US", "GB", "DE", "FR")},
    "vehicle/VIN": vin,
    **{f"vehicle/plate_{country}": plate(country) for country in ("DE", "GB", "FR")},
    "driving_licence/GB": licence_gb,
    "imei/any": imei,
    "medical_record/any": medical_record,
}
