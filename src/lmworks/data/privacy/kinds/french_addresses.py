"""Postal addresses of France, and those in French of Belgium, Luxembourg and Switzerland: number, way, town.

The order of the lines is that of NF Z10-011: flat, building, number and way, hamlet or box, postcode and town.
"""

from __future__ import annotations

import re

from lmworks.data.privacy.findings import Detector, Pattern, Trigger

_UP = "A-ZÀ-ÖØ-Þ"
_LETTERS = "A-Za-zÀ-ÖØ-öø-ÿœŒ"
_NO_MORE = rf"(?![{_LETTERS}])"
_WAY = (
    r"(?:(?:grande|petite|haute|basse|vieille|ancienne|nouvelle) (?:rue|route|place|avenue)|grande?['’ -]rue"
    r"|(?:vieux|ancien|petit|"
    r"grand) chemin|rue|r\.|avenue|av\.?|ave\.?|boulevard|boul\.|bd\.?|bld\.?|blvd\.?|place|pl\.?|chemin|chem\.?"
    r"|ch\.|allées?|allees?|"
    r"all\.|impasse|imp\.?|quai|route|rte\.?|square|sq\.|passage|sentier|faubourg|fbg\.?|villa|cité|résidence"
    r"|lotissement|lot\.|"
    r"hameau|rond-point|esplanade|promenade|ruelle|voie|montée|venelle|cours|crs)"
)
_OTHER_WAY = (
    r"(?:traverse|parvis|chaussée|carrefour|galerie|clos|corniche|côte|porte|levée|domaine|mail|terrasse|cour"
    r"|descente|rampe|"
    r"boucle|berge|digue|pont|port|jardin|parc|quartier|sente|enclos|che|tour|mas|zone|z\.?[aic]\.?|zac|fg)"
)
"""Words that name other things, too: a way where a postcode follows."""
_LINK = r"(?:de la|de l['’]|de|du|des|d['’]|la|le|les|l['’]|à|en|sur|sous|et|aux?|lès) ?"
_MONTH = r"(?:janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre)"
_WORD = (
    rf"(?:[0-9]{{1,2}}(?:er)?[ -](?i:{_MONTH})(?:[ -](?:1[789]|20)[0-9]{{2}})?|[{_UP}0-9][{_LETTERS}0-9'’.-]{{0,30}})"
)
_NAME = rf"(?:{_LINK}){{0,3}}{_WORD}(?: (?:{_LINK}){{0,3}}{_WORD}){{0,6}}"
_ONE = rf"[0-9]{{1,4}}(?: ?(?:bis|ter|quater|[A-Da-d]){_NO_MORE})?"
_NUMBER = rf"(?:[nN][°º]\.? ?)?{_ONE}(?:(?: ?[-/] ?| et | à ){_ONE})?,? (?:de la |du )?"
_TOWN_WORD = rf"[{_UP}][{_LETTERS}'’.-]{{0,30}}"
_NAME_OF_TOWN = (
    rf"(?:L[ea]s? )?{_TOWN_WORD}(?:(?:[ -]| (?:sur|sous|en|de|la|le|les|lès|du|à) | d['’]){_TOWN_WORD}){{0,3}}"
    rf"(?: (?i:cedex)(?: [0-9]{{1,2}})?| [0-9]{{1,2}}(?:er?|[eè]me)?{_NO_MORE})?(?:,? ?\n?\(?(?:France|Belgique"
    rf"|Suisse|Luxembourg)\)?(?!\w))?"
)
_FRENCH_CODE = r"(?:(?:F|FR)[ -])?(?:[0-9]{5}|2[AB][0-9]{3}|[0-9]{2} [0-9]{3})"
_CODE = rf"(?:{_FRENCH_CODE}|(?:(?:B|BE|CH|L|LU)[ -])?[1-9][0-9]{{3}})"
_APART = r"(?: | ?[;|,] ?| ?\n ?)"
_TOWN = rf"{_FRENCH_CODE}{_APART}{_NAME_OF_TOWN}"
_ANY_TOWN = rf"{_CODE}{_APART}{_NAME_OF_TOWN}"
_JOINT = r"(?:,? ?\n ?| ?[,;|·•/–-] ?| \(?)"
_WITH = r"(?:c/o|chez) [^,;|\n]{2,40}"
_INSIDE = (
    rf"(?:(?i:appt?\.?|apt\.?|app\.|appartement|bât\.?|bat\.?|bâtiment|batiment|esc\.?|escalier|porte|entrée|hall"
    rf"|étage|rés\.?|résidence|"
    rf"immeuble|imm\.|lot|tour|bloc|bp|studio|chambre|les?|la|lieu-?dit|clos|domaine|villa|zac?|zi) "
    rf"?[{_UP}0-9][{_LETTERS}0-9 '’-]{{0,25}}"
    rf"|(?:[0-9]{{1,2}})(?:er|e|[eè]me) (?:étage|ét\.)(?: (?:gauche|droite|face|[A-Z]{_NO_MORE}))?|RDC"
    rf"|rez-de-chaussée|{_WITH})"
)
_BEFORE = rf"(?:{_WITH}(?:, ?| ?\n ?))?(?:{_TOWN}(?:,? ?\n ?| ?[,;|–-] ?))?(?:{_INSIDE}(?:,? ?\n ?|, ?| - )){{0,3}}"
_AFTER = rf"(?:(?:, ?| ?\n ?| - | ){_INSIDE}){{0,3}}"
_STOP = r"(?= ?(?:$|[\n.;)\"'|<]))"
_IN_TOWN = (
    rf"(?:,|,? à) {_TOWN_WORD}(?:[ -]{_TOWN_WORD})?(?: (?:[0-9]{{1,2}}(?:er?|[eè]me){_NO_MORE}|\([0-9]{{5}}\))"
    rf"|(?: [IVX]{{1,5}}{_NO_MORE})?{_STOP})"
)
_LOWER = (
    rf"{_ONE},? (?:(?:rue|avenue|boulevard|bd\.?|chemin|impasse|allée) (?:{_LINK}){{0,3}}|(?:av"
    rf"|pl)\.? (?:{_LINK}){{1,3}}"
    rf"|(?:place|quai|route) (?:{_LINK}){{1,3}})(?!{_MONTH}|barrée)[a-zà-ÿ'’-]{{3,20}}"
    rf"(?:(?: (?:{_LINK}){{0,2}}[a-zà-ÿ'’-]{{2,20}}){{0,4}},? (?:à )?[0-9]{{5}} [a-zà-ÿ'’-]{{2,30}}"
    r"|(?: (?!et\b|aux?\b|chez\b|est\b|sont\b|pour\b|par\b|sur\b|qui\b|que\b|avec\b|dans\b|mais\b|où\b|ou\b|code\b"
    r"|porte\b|il\b|elle\b|on\b|je\b|"
    r"nous\b|vous\b|le\b|la\b|les\b|un\b|une\b|sonne|svp\b|merci\b|demain\b|vers\b|après\b|avant\b|ce\b"
    r"|en\b)[a-zà-ÿ'’-]{3,20})?(?:,? à [a-zà-ÿ-]{3,20})?)"
)
"""As people type it to each other: a number before a way in the singular is hardly anything else."""
ADDRESS = re.compile(
    rf"(?<![\w./-])(?:{_BEFORE}{_NUMBER}(?:(?i:{_WAY}) {_NAME}|(?i:grande?['’ -]rue|(?:basse"
    rf"|haute)[ -]rue)(?!\w))(?:{_AFTER}{_JOINT}{_ANY_TOWN}\)?"
    rf"|{_IN_TOWN}|{_AFTER})"
    rf"|{_BEFORE}{_NUMBER}(?i:{_OTHER_WAY}) {_NAME}{_AFTER}{_JOINT}{_TOWN}\)?"
    rf"|{_TOWN_WORD}(?:[ -]{_TOWN_WORD})? \([0-9]{{5}}\), {_NUMBER}(?i:{_WAY}) {_NAME}{_AFTER}"
    rf"|{_LOWER})(?<! )(?<!,)(?![\w-])"
)
BEHIND = re.compile(
    rf"(?<![\w./-])(?i:rue|avenue|av\.|boulevard|bd\.?|place|chemin|chaussée|quai|route|allée|impasse|square|clos"
    rf"|drève) (?:{_LINK}){{0,3}}"
    rf"[{_UP}][{_LETTERS}'’.-]{{0,30}}(?: (?:{_LINK}){{0,3}}[{_UP}][{_LETTERS}'’.-]{{0,30}}){{0,4}}"
    rf"(?:,? (?:[nN][°º]\.? ?)?{_ONE}(?:/[0-9]{{1,3}})?(?: (?:bte|boîte) [0-9A-Z]{{1,4}})?{_JOINT}{_ANY_TOWN}"
    rf"|,? [nN][°º]\.? ?{_ONE}|, {_ONE}{_STOP})(?![\w-])"
)
"""The number behind, as in Belgium and Switzerland."""
PLACE = re.compile(
    rf"(?<![\w./-])(?:{_ONE},? )?(?:(?i:lieu[- ]?dit|hameau|ferme|domaine|château|"
    rf"rue|avenue|boulevard|place|chemin|route|allée|impasse|quai|résidence|immeuble|mas|clos|quartier|moulin|"
    rf"zone (?:artisanale|"
    rf"industrielle|d['’]activités?))|Z\.?[AI]\.?C?\.?|B\.?P\.?|C\.?S\.?|TSA)(?::|"
    rf" ?:)? {_NAME}(?:,? ?\n ?| ?[,;|] ?| | - ){_TOWN}(?![\w-])"
)
"""Hamlets, business parks and boxes, which have no street."""
HAMLET = re.compile(
    rf"(?<![\w./’'-])(?:(?:L[ea]s?|Au|Aux) |L['’]){_TOWN_WORD}(?: (?:{_LINK}){{0,2}}{_TOWN_WORD}){{0,3}}(?:,? ?\n ?"
    rf"|, ?| - ){_TOWN}(?![\w-])"
)
"""Le Bourg, 24200 Sarlat-la-Canéda: a hamlet has an article."""

NEEDS = ("[0-9]",)
TRIGGER = Trigger(
    re.compile(
        rf"(?i)[0-9](?: ?(?:bis|ter|quater|[a-d]))?,? (?:de la |du )?(?:{_WAY}|{_OTHER_WAY} (?:d[eu]s? |d['’]|les? "
        rf"|la )|(?:{_OTHER_WAY}) [a-zà-ÿ'’ -]+,? ?\n?"
        r"[0-9]{5} [a-zà-ÿ])"
        r"|[0-9],? (?:[Gg]rande?['’ -][Rr]ue|[Bb]asse[ -][Rr]ue|[Hh]aute[ -][Rr]ue)"
    ),
    reach=130,
    needs=NEEDS,
)
PLACE_TRIGGER = Trigger(re.compile(
    "(?:,? ?\n ?| ?[,;|] ?| | - )(?:F-)?[0-9]{5} [A-ZÀ-Ý]"), reach=110, near_digits=True, words=(
        "lieu", "hameau", "ferme ", "domaine", "château", "zone ", "z.", "za ", "zi ", "zac ", "bp ", "b.p",
        "cs ", "tsa ", "rue ", "avenue ", "boulevard ", "place ", "chemin ", "route ", "allée ", "impasse ",
        "quai ", "résid",
        "immeuble", "mas ", "clos ", "quartier", "moulin",
    ))  # fmt: skip
BEHIND_TRIGGER = Trigger(
    re.compile(
        r"(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]hemin|[Cc]haussée|[Qq]uai|[Rr]oute|[Aa]llée"
        r"|[Ii]mpasse) [^\n,;0-9]+(?:,? [nN][°º]\.? ?|,? )[0-9]"
    ),
    reach=110,
    near_digits=True,
)
HAMLET_TRIGGER = Trigger(
    re.compile(
        r"(?:L[ea]s?|Aux?) [A-ZÀ-Ý][^\n,]+(?:,|,? ?\n| -) ?[0-9]{5} [A-ZÀ-Ý]|L['’][A-ZÀ-Ý][^\n,]+(?:,|,? ?\n"
        r"| -) ?[0-9]{5} [A-ZÀ-Ý]"
    ),
    reach=80,
    near_digits=True,
)

FRENCH: tuple[Detector, ...] = (
    Pattern("address", TRIGGER, ADDRESS),
    Pattern("address", PLACE_TRIGGER, PLACE),
    Pattern("address", BEHIND_TRIGGER, BEHIND),
    Pattern("address", HAMLET_TRIGGER, HAMLET),
)
