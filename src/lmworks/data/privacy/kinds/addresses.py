"""Postal addresses of the United States, Great Britain, Germany, France and Spain, by street, number and postcode."""

from __future__ import annotations

import re

from lmworks.data.privacy.findings import Detector, Pattern, Trigger
from lmworks.data.privacy.kinds.french_addresses import FRENCH
from lmworks.data.privacy.kinds.german_addresses import GERMAN

_BREAK = r"(?:,? ?\n ?| ?[,;|·] ?| )"
"""Between the lines of an address, or where they were joined."""
_UP = "A-ZÀ-ÖØ-Þ"
_CARE_OF = r"(?:c/o [^,;|\n]{2,40}(?:, ?| ?\n ?))?"
_STOP = r"(?= ?(?:$|[\n.;)\"'|<]))"
_LETTERS = "A-Za-zÀ-ÖØ-öø-ÿœŒ"
_WORD = rf"[{_UP}][{_LETTERS}'’.-]{{0,30}}"

_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|"
    "ND|OH|OK|OR|PA|"
    "RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|PR|GU|VI|AA|AE|AP"
)
_STATE_NAMES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|"
    "Idaho|Illinois|Indiana|"
    "Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|"
    "Montana|Nebraska|"
    "Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|"
    "Oregon|Pennsylvania|"
    "Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming"
)
_US_SUFFIX = (
    "Street|St|Avenue|Ave|Boulevard|Blvd|Road|Rd|Drive|Dr|Lane|Ln|Court|Ct|Place|Pl|Square|Sq|Terrace|"
    "Ter|Trail|Trl|Parkway|"
    "Pkwy|Circle|Cir|Highway|Hwy|Way|Loop|Alley|Aly|Plaza|Plz|Path|Pike|Row|Run|Crossing|Xing|Walk|Cove|"
    "Cv|Broadway|Point|Pt"
)
_US_UNIT = rf"(?:{_BREAK}(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Bldg|Building|Rm|Room|Lot|Trlr|Trailer|Spc|Space|#)\.? ?#?[A-Za-z0-9-]{{1,6}}|{_BREAK}[0-9]{{1,2}}(?:st|nd|rd|th) (?:Floor|Fl)\.?)?"  # noqa: E501
_US_NUMBER = r"(?:[0-9]{1,6}[A-Z½]?(?:-[0-9]{1,4})?|One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten)"
_US_STREET = (
    rf"{_US_NUMBER} (?:[NSEW]{{1,2}}\.? |(?:North|South|East|West) )?"
    rf"(?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd|th)) ){{0,4}}?(?:(?:County Road|State Route|Route|Highway|Hwy|"
    rf"FM|CR) [0-9]{{1,4}}|(?:{_US_SUFFIX})\.?(?: [NSEW]{{1,2}}\.?)?(?![{_LETTERS}]))"
)
_US_ROUTE = (
    r"(?:(?:RR|R\.R\.|Rural Route|HC|Star Route|PSC|CMR|Unit) ?[0-9]{1,5},? Box [0-9A-Z]{1,6}|"
    r"P\.? ?O\.? ?Box [0-9]{1,6}|(?:Bldg|Building)\.? [0-9A-Z]{1,5})"
)
"""Boxes of the mail's routes, of soldiers, and buildings of a base."""
_US_TOWN = (
    rf"{_WORD}(?: {_WORD}){{0,3}} ?[,;|]? ?(?:{_STATES}|{_STATE_NAMES})\.?(?:,? | ?[,;|] ?)[0-9]{{5}}(?:-[0-9]{{4}})?"
)
_LOWER_US = (
    rf"[0-9]{{1,5}} (?:[nsew] )?(?:[a-z0-9'-]{{2,20}} ){{1,3}}(?:{_US_SUFFIX.lower()})\.?(?:,? (?:apt|unit"
    rf"|#) ?[0-9a-z]{{1,4}})?"
    rf",? (?:[a-z'-]{{2,20}} ){{0,2}}[a-z'-]{{2,20}},? (?:{_STATES.lower()}) [0-9]{{5}}(?:-[0-9]{{4}})?"
)
"""As people type it to each other."""
US = re.compile(
    rf"(?<![\w./-])(?<![0-9],){_CARE_OF}(?:(?:(?:{_US_ROUTE}, )?{_US_STREET}{_US_UNIT}|{_US_ROUTE}|"
    rf"[0-9]{{1,6}} (?:{_WORD} ){{0,3}}{_WORD}{_US_UNIT})"
    rf"{_BREAK}{_US_TOWN}|(?:Bldg|Building)\.? [0-9A-Z]{{1,5}},? (?:(?:{_WORD}|[0-9]{{1,3}}(?:st|nd|rd"
    rf"|th)) ){{1,4}}(?:{_US_SUFFIX})\.?{_BREAK}{_US_TOWN}"
    rf"|{_LOWER_US}|{_US_STREET}{_US_UNIT}{_BREAK}{_WORD}(?: {_WORD}){{0,2}},? [0-9]{{5}}(?:-[0-9]{{4}})?"
    rf"|{_US_STREET}{_US_UNIT},? {_WORD}(?: {_WORD}){{0,2}}(?:,? (?:{_STATES})(?!\w)|{_STOP})"
    rf"|(?:{_WORD} ){{1,3}}(?:{_US_SUFFIX}),? (?:[Nn]umber|[Nn]o\.|#) ?[0-9]{{1,5}}"
    rf"|{_US_STREET}{_US_UNIT}(?=[\s.,;:!?)\"'|<`]|"
    rf"$)(?<!Way)(?<!Run)(?<!Walk)(?<!Point)(?<!Path)(?<!Row))(?![\w-])"
)
_GB_STREET = (
    "Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Close|Cl|Drive|Dr|Gardens|Gdns|Grove|Gr|Crescent|Cres|Terrace|"
    "Place|Pl|Court|Ct|Way|"
    "Mews|Square|Sq|Hill|Park|Walk|Row|Rise|View|Green|Parade|Gate|Yard|Wharf|Broadway|Mount|Vale|Meadow|"
    "Meadows|Croft|End"
)
_POSTCODE = r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][ABD-HJLNP-UW-Z]{2}"
_GB_DOOR = rf"(?:(?:Flat|Apartment|Apt|Unit|Studio|Room|Suite|Floor|Plot|Block)\.? [0-9A-Z]{{1,4}}{_BREAK})"
_GB_FLAT = rf"(?:{_GB_DOOR}|[0-9]{{1,2}}/[0-9]{{1,2}}{_BREAK})?"
_GB_HOUSE = (
    rf"(?:(?:The )?(?:{_WORD} ){{1,2}}(?:House|Cottage|Farm|Lodge|Barns?|Court|Mansions|Rectory|Vicarage|"
    rf"Manor|Grange|Stables|Bungalow|Chapel|Forge|School|Gatehouse|Hall|Villa|Mill|"
    rf"Heights|Point|Tower),? ?\n? ?)"
)
_LOWER_GB = (
    rf"[0-9]{{1,4}}[a-z]? (?:[a-z'-]{{2,20}} ){{1,3}}(?:{_GB_STREET.lower()})(?:,? [a-z'-]{{2,20}}){{0,4}},? "
    r"[a-z]{1,2}[0-9][0-9a-z]? ?[0-9][abd-hjlnp-uw-z]{2}(?![\w-])"
)
"""As people type it to each other."""
GB = re.compile(
    rf"(?<![\w./-])(?:{_GB_FLAT}(?:{_GB_HOUSE}?[0-9]{{1,4}}[A-Za-z]?(?:[-–/][0-9]{{1,4}}[A-Za-z]?)?,? |{_GB_HOUSE})"
    rf"(?:{_WORD}(?:(?: (?:of|the|on|upon|in|le|and|under|by|de)){{1,2}} |{_BREAK})){{1,9}}?{_POSTCODE}(?![\w-])"
    rf"|{_GB_DOOR}(?:{_WORD}{_BREAK}){{2,8}}?{_POSTCODE}(?![\w-])|{_LOWER_GB}"
    rf"|{_GB_FLAT}(?:{_GB_HOUSE}?[0-9]{{1,4}}[A-Za-z]? |"
    rf"{_GB_HOUSE})(?:{_WORD} ){{1,3}}(?:{_GB_STREET})(?:, {_WORD}(?:[ -]{_WORD}){{0,2}})?(?![\w-]))"
)
_ES_WAY = (
    r"Calle|C/|C\.|Cl\.?|Avenida|Avda\.?|Av\.?|Plaza|Pza\.?|Pl\.|Plz\.|Paseo|P\.?º|Pso\.|Camino|Cno\.|"
    r"Ronda|Rda\.|Travesía|Trav\.|Carrer|Carretera|Ctra\.|Glorieta|Callejón|Rambla|"
    r"Rúa|Gran Vía|Vía|Cuesta|Urbanización|Urb\.|Polígono|Alameda|Bulevar|Pasaje|Pje\.|Barrio|Acera"
)
ES = re.compile(
    rf"(?<![\w./-])(?:{_ES_WAY}|c/) ?(?:(?:de las|de los|de la|del|de|la|las|los|el|y|d['’]) |"
    rf"{_WORD} ?){{1,6}}?,? ?(?:n\.?[º°o]\.? ?|nº ?|núm\.? ?|número |km )?(?:[0-9]{{1,4}}|s/n)(?: ?(?:bis|"
    rf"[A-D])(?![{_LETTERS}]))?"
    rf"(?:,? ?(?:-|–)? ?(?:[0-9]{{1,2}}\.?[ºª°]|bajo|ático|entlo\.?|piso [0-9]{{1,2}}|"
    rf"portal [0-9A-Z]{{1,2}}|esc(?:alera|\.)? [0-9A-Z]{{1,2}}|planta [0-9]{{1,2}}"
    rf"|[A-J](?![{_LETTERS}0-9])|izq(?:uierda|da|d)?\.?|izda\.?|dcha\.?|derecha|ctro\.?|centro|"
    rf"puerta [0-9A-Z]{{1,2}}|pta\.? [0-9A-Z]{{1,2}})){{0,5}}"
    rf"(?:{_BREAK}[0-9]{{5}} {_WORD}(?:(?:[ -]| (?:de la|de las|de los|de|del|la|el|los|"
    rf"las) ){_WORD}){{0,3}}(?:,? \({_WORD}(?: {_WORD}){{0,2}}\))?)?(?![\w-])"
)

NEEDS = ("[0-9]",)
US_TRIGGER = Trigger(
    re.compile(
        rf"[ ,;|](?:{_STATES}|{_STATE_NAMES})\.?(?:,? | ?[,;|] ?)[0-9]{{5}}|[a-z],? (?:{_STATES.lower()}) [0-9]{{5}}"
        rf"|[a-z], (?:[Nn]umber|[Nn]o\."
        rf"|#) ?[0-9]|[0-9] [A-Z0-9][^\n,]{{0,50}} (?:{_US_SUFFIX})"
    ),
    reach=120,
    needs=NEEDS,
)
GB_TRIGGER = Trigger(
    re.compile(
        rf"{_POSTCODE}|[a-z] [a-z]{{1,2}}[0-9][0-9a-z]? ?[0-9][abd-hjlnp-uw-z]{{2}}|(?:[0-9][A-Za-z]?|Court|"
        rf"House|Mansions|Lodge),? [A-Z][^\n,]{{1,40}} (?:{_GB_STREET})"
    ),
    reach=130,
    needs=NEEDS,
)
ES_TRIGGER = Trigger(
    re.compile(rf"(?:{_ES_WAY}|c/) ?[A-Za-zÀ-ÿ]"),
    words=(
        "calle", "c/", "carretera", "avda", "avenida", "plaza", "pza", "paseo", "camino", "ronda", "traves", "carrer",
        "ctra", "glorieta", "rambla", "rúa", "vía", "cuesta", "urb", "av.", "alameda", "pasaje", "barrio", "p.º", "pº",
        "acera", "c. ", "cl. ", "pl. ",
    ),
    reach=130,
    needs=NEEDS,
)  # fmt: skip

ADDRESSES: tuple[Detector, ...] = (
    Pattern("address", US_TRIGGER, US),
    Pattern("address", GB_TRIGGER, GB),
    *GERMAN,
    *FRENCH,
    Pattern("address", ES_TRIGGER, ES),
)
