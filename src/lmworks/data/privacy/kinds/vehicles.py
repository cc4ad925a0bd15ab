"""Detectors of the numbers of things that tell their owner: vehicles and telephones."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lmworks.data.privacy.findings import (
    Detector,
    Finding,
    Function,
    Pattern,
    Trigger,
    named,
    near,
)
from lmworks.data.privacy.kinds import checksums
from lmworks.data.privacy.kinds.identities import MANY_DIGITS, form, number

EUROPEAN_VIN = number(
    "(?:S[A-MU-Z]|T[A-HJ-VX]|U[5-7]|V[A-W]|W[A-Z0-9]|X[A-Z4-9]|Y[A-KS-W]"
    "|Z[A-R])[A-HJ-NPR-Z0-9](?=[A-HJ-NPR-Z0-9]{0,9}[A-HJ-NPR-Z])"
    "[A-HJ-NPR-Z0-9]{10}[0-9]{4}"
)
"""Without a check digit: Europe's codes of makers (ISO 3780), and four digits at the end (ISO 3779)."""
VIN = form("[A-HJ-NPR-Z0-9]{17}")
ANY_VIN = form("[A-HJ-NPR-Za-hj-npr-z0-9]{17}", (
        "vin", "chassis", "fin:", "fin ", "fin,", "fin;", "fin_", "fin\"", "fahrgestell", "fahrzeug", "identifi",
        "vehicle", "immatricul", "série", "case e", "bastidor", "telaio", "nadwozi", "voertuig", "véhicule",
        "vehículo", "veicolo",
    ))  # fmt: skip
VIN_NUMBER = number(r"(?=[A-HJ-NPR-Z0-9]{0,15}[0-9]{2})(?=[0-9]{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{17}")
ANY_CASE_VIN = re.compile(VIN_NUMBER.pattern, re.IGNORECASE)
VIN_WORDS = named(
    r"vin\w*|chassis\w*|frame|fin|fahrgestell\w*|fahrzeug-?ident\w*|identifikation\w*|vehicle\w*|car|"
    r"truck|immatricul\w*|"
    r"(?:n° de )?série(?:_vin)?|case e|bastidor\w*|telaio|nadwozi\w*|voertuig\w*|véhicule|vehículo|"
    r"veicolo|service history"
)
PLATE_WORDS = named(
    r"plates?|number[ _-]?plate|licen[cs]e[ _-]?plate|regist\w*|reg|vrm|vrn|vehicle\w*|car|van|"
    r"kennzeichen\w*|kfz\w*|kz|"
    r"(?:eu-)?kennz|nummernschild\w*|fahrzeug\w*|pkw|lkw|auto|wagen|halter\w*|parke\w*|parkausweis\w*|immat\w*|"
    r"plaques?\w*|véhicule\w*|voiture|"
    r"mot|dashcam|anpr|parking|garage|fahrerflucht|stellplatz|motorrad|bmw|vw|golf|polo|audi|renault|"
    r"twingo|clio|peugeot|citroën|fiat|ford|opel|astra|toyota|tesla|skoda|seat|"
    r"garée?s?|caisse|mercedes|porsche|passat|dacia|hyundai|kia|nissan|mazda|honda|volvo|mini|vauxhall|"
    r"corsa|focus|fiesta|yaris|mégane|kangoo|carte grise|contravention|amende|péage|stationn\w*|moto|"
    r"scooter|camion|fourgon|conducteur|radar|towed|toll|speeding|parked|taxi|lorry|truck|driver|"
    r"strafzettel|bußgeld\w*|blitzer|unfall\w*|tüv|mietwagen|zugelassen|angemeldet|fahrer\w*|fahren|fährt|"
    r"\w*parken|parkt|drove|driving|dvla|v5c?|pcn|index|ulez|clamp\w*|driveway|drive|blocking|hatchback|saloon"
    r"|estate|lorr\w+|trailer|courier|transit|tow(?:ed|ing)?|"
    r"hit and run|penalty charge|log ?book|hire|fleet|abgeschlepp\w*|geparkt|\w*parker\w*|einfahrt|"
    r"zulassung\w*|wunschkenn\w*|"
    r"werkstatt\w*|inspektion|km(?=[ -]?(?:stand|[0-9]))|kilometerstand|suv|am steuer|gefahren|reifen\w*"
    r"|ölwechsel|leasing|tour|"
    r"tankkarte|parkplatz|parkhaus|tiefgarage|schaden\w*|dienstwagen|firmenwagen|blechschaden|carsharing|maut|"
    r"transporter|anhänger|kombi|lieferwagen|abschlepp\w*|fuhrpark\w*|amtl|fourrière|accident|constat|utilitaire"
    r"|remorque|flash\w*|"
    r"crit'?air|contrôle technique|camionnette|bagnole|loueur|location|assurance auto|pv|jeep|jaguar|lexus|"
    r"smart|mitsubishi|subaru|"
    r"suzuki|cupra|sprinter|tiguan|touran|caddy|insignia|qashqai|juke|kuga|puma|zoe|duster|sandero|scenic|espace"
    r"|berlingo|partner"
)
GB_PLATE = r"[A-HJ-PR-Y][A-HJ-PR-Y](?:0[1-9]|[1-2][0-9]|5[1-9]|[67][0-9])[ -]?[A-HJ-PR-Z]{3}"
DE_PLATE = (
    r"[A-ZÄÖÜ]{1,3}-[A-Z]{1,2} [1-9][0-9]{0,3}(?: ?[EH](?!\w))?"
    r"|(?:AÖ|BÖ|BÜD|BÜR|BÜS|BÜZ|DÜW|FLÖ|FÜ|FÜS|GÖ|HÖS|JÜL|KÖN|KÖT|KÖZ|KÜN|LÖ|LÖB|LÜN|MÜ|MÜB|MÜL|MÜN|MÜR|NÖ|PLÖ|RÜD|RÜG|"
    r"SÄK|SLÜ|SÖM|SÜW|TÖL|TÜ|ÜB|WÜ|WÜM|ZÜ)(?: ?[:·–-] ?| )[A-Z]{1,2}[ -]?[1-9][0-9]{1,3}[EH]?"
)
"""With a hyphen, or of a district whose letters stand in no other word."""
FR_PLATE = r"(?!SS|WW)[A-HJ-NP-TV-Z]{2}(?P<fr>[ -])[0-9]{3}(?P=fr)(?!SS)[A-HJ-NP-TV-Z]{2}"
ANY_PLATE = (
    r"[A-Z]{2}[ -]?[0-9]{2}[ -]?[A-Z]{3}|[A-Z]{2}[ -]?[0-9]{3}[ -]?[A-Z]{2}|"
    r"(?!(?:a[nst]|b[ey]|d[eou]|go|i[fnst]|l[ae]|m[ey]|no|o[fnr]|s[eio]|t[ou]|up|us|"
    r"we) )[a-z]{2}(?:[ -]?(?:[0-2][0-9]|[5-7][0-9])[ -]?[a-z]{3}"
    r"|[ -]?[0-9]{3}[ -]?[a-z]{2})|(?i:"
    r"[A-Z][0-9]{2,3}[ -]?[A-Z]{3}|[A-Z]{3}[ -]?[0-9]{2,3}[ -]?[A-Z])"
    r"|[0-9]{1,4} ?[A-Z]{2,3} ?[0-9]{2}|[A-ZÄÖÜ]{1,3}(?: [:·–-] "
    r"|[ :·–-]{1,2})[A-Z]{1,2}[ ·-]?[1-9][0-9]{1,3}(?: ?[EH](?!\w))?"
    r"|[a-zäöü]{1,3} ?- ?[a-z]{1,2}[ -]?[1-9][0-9]{1,3}[eh]?"
)
PLATES = form(
    r"[0-9](?:(?<=[A-ZÄÖÜ][0-9])[0-9]|(?<=[A-ZÄÖÜ][ -][0-9])[0-9]|(?<=[a-z][0-9])[0-9]{1,2}[ -]?[a-z]{2}|"
    r"(?<=[a-z][ -][0-9])[0-9]{1,2}[ -]?[a-z]{2,3}(?![a-z])|(?<=-[a-z][ -][0-9])[0-9]|(?<=-[a-z]{2}[ -][0-9])[0-9])",
    (
        "plate", "caisse", "regist", "reg ", "reg:", "vrm", "vrn", "vehicle", "kennz", "kfz", "kz", "nummernschild",
        "fahrzeug", "pkw", "lkw", "auto ", "auto,", "wagen", "halter", "parke", "parkausweis", "parking", "garé",
        "immat",
        "plaque", "véhicule", "voiture", "dashcam", "anpr", "fahrerflucht", "stellplatz", "motorrad", "van ",
        "car ", "golf", "polo", "audi", "bmw", "renault", "twingo", "clio", "peugeot", "citroën", "fahren", "fährt",
        "parkt", "drove", "fiat", "ford", "opel", "astra", "toyota", "tesla", "skoda", "seat ", "mercedes",
        "porsche", "passat", "dacia", "hyundai", "nissan", "mazda", "honda", "volvo", "mini ", "vauxhall", "corsa",
        "focus", "fiesta", "yaris", "mégane", "kangoo", "carte grise", "contravention", "amende", "péage",
        "stationn", "moto", "scooter", "camion", "fourgon", "conducteur", "radar", "towed", "toll", "speeding",
        "parked", "taxi", "lorry", "truck", "driver", "strafzettel", "bußgeld", "blitzer", "unfall", "tüv",
        "mietwagen", "zugelassen", "angemeldet", "dvla", "v5", "pcn", "index", "ulez", "clamp", "driveway",
        "your drive", "my drive", "blocking",
        "hatchback", "saloon", "estate", "lorr", "trailer", "courier", "transit", "tow", "hit and run",
        "penalty charge",
        "logbook", "log book", "hire ", "fleet", "abgeschlepp", "geparkt", "parker", "einfahrt", "zulassung",
        "wunschkenn",
        "transporter", "anhänger", "kombi", "lieferwagen", "abschlepp", "fuhrpark", "amtl", "fourri",
        "accident", "constat",
        "utilitaire", "remorque", "flash", "crit", "contrôle", "bagnole", "loueur", "location", "assurance auto", "pv ",
        "jeep", "jaguar", "lexus", "smart", "mitsubishi", "subaru", "suzuki", "cupra", "sprinter", "tiguan", "touran",
        "caddy", "insignia", "qashqai", "juke", "kuga", "puma", "zoe", "duster", "sandero", "scenic",
        "espace", "berlingo",
        "partner", "fahrer", "werkstatt", "inspektion", "km ", "kilometerst", "suv", "am steuer", "gefahren",
        "reifen", "ölwechsel",
        "leasing", "tour ", "tankkarte", "parkplatz", "parkhaus", "tiefgarage", "schaden", "carsharing", "maut",
    ),
    "[A-Za-zÄÖÜäöü][ -]?[0-9]{2}",
)  # fmt: skip
STANDING_PLATES = Trigger(
    re.compile(
        "[A-Z]{2}[0-9]{2} ?[A-Z]{3}|[A-Z]{2} [0-9]{3} [A-Z]{2}|[A-ZÄÖÜ]-[A-Z]{1,2} [0-9]{1,4}|"
        "[ÄÖÜ][A-Z]{0,2} ?[ :·–-] ?[A-Z]{1,2}[ -]?[0-9]{2}|"
        "[A-Z]{2}-[0-9]{3}-[A-Z]{2}"
    ),
    needs=("[0-9]",),
)
IMEI = Trigger(MANY_DIGITS.pattern, near_digits=True, words=(
        "imei", "handset", "device", "phone", "handy", "mobil", "telefon", "téléphone", "teléfono", "terminal",
        "carrier", "cellular", "serial", "locked", "stolen",
    ))  # fmt: skip
IMEI_WORDS = named(
    r"\w*imei\w*|handsets?|devices?|\w*phones?|handys?|mobil\w*|telefon\w*|téléphone\w*|teléfono\w*|terminal|carrier|"
    r"geräte?\w*|locked|stolen"
)
STANDING_IMEI = number(
    "(?:35|86|01)[0-9]{13}|(?:35|86|01)[ -]?[0-9]{6}[ -][0-9]{6}[ -][0-9]|(?:35|86|"
    "01)[0-9]{4}[ -][0-9]{2}[ -][0-9]{6}[ -][0-9]"
)
IMEI_NUMBER = number(
    r"[0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{6}[ -/]?[0-9]{1,2}|"
    r"[0-9]{6}[ -]?[0-9]{2}[ -]?[0-9]{6}[ -/]?[0-9]{1,2}|[0-9]{15,16}"
)


def european_vins(text: str) -> Iterator[Finding]:
    """Vehicles' numbers without North America's check digit, near a word that says so."""
    for match in ANY_CASE_VIN.finditer(text):
        if near(VIN_WORDS, text, *match.span()):
            yield Finding("vehicle", *match.span(), match[0])


THINGS: tuple[Detector, ...] = (
    Pattern("vehicle", VIN, VIN_NUMBER, checksums.vin),
    Pattern("vehicle", VIN, EUROPEAN_VIN),
    Function("vehicle", ANY_VIN, european_vins),
    Pattern("vehicle", STANDING_PLATES, number(f"{GB_PLATE}|{DE_PLATE}|{FR_PLATE}")),
    Pattern("vehicle", PLATES, number(ANY_PLATE), context=PLATE_WORDS),
    Pattern("imei", MANY_DIGITS, STANDING_IMEI, checksums.imei),
    Pattern("imei", IMEI, IMEI_NUMBER, checksums.imei, IMEI_WORDS),
)
"""In the order in which they are asked."""
