"""Telephone numbers in text: by form, by the numbering plans of countries, and by the words before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from lmworks.data.privacy.findings import CONTEXT_BEFORE, Finding

PHONE = re.compile(
    r"(?<![\w.,/+@#$€£-])(?<![^A-Za-z]:)[+(]{0,2}[0-9](?:[ .()/-]{0,2}[0-9]){6,16}(?: ?(?:x|ext\.?) ?[0-9]{1,6})?"
    r"(?![\w@%-]| ?[=*<>])"
)
PHONE_WORDS = re.compile(
    r"(?i)\b(?:calls?\b|called|calling|phone|tel\b|telef|teléf|télé|mobile?|móvil|cell\b|cellph|cellul|handy|fax|dial|ring\b|"
    r"reach\b|contact|text me|sms\b|whatsapp|hotline|helpline|desk\b|answering|messages?\b|appel|llam|chiam|"
    r"anruf|numéro|número|numero|rufnummer)"
)
NORTH_AMERICAN = re.compile(r"(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])[2-9][0-9]{2}[-.][0-9]{4}(?: ?(?:x|ext).*)?")
ZERO_LED = re.compile(r"\(?0[1-9][0-9]{0,3}\)?(?:[ .-][0-9]{2,4}){2,4}|0[1-9][0-9]{1,3}[ /-][0-9]{6,8}")
GROUPED = re.compile(
    r"(?!0|[0-9]{1,3}(?: [0-9]{3})+$|[0-9]{3}-[0-9]{2}-)"
    r"[0-9]{2,4}(?P<first>[ -])[0-9]{2,4}(?:(?P=first)[0-9]{2,4}){1,3}"
    r"|\([0-9]{2,4}\) [0-9]{3,4}-[0-9]{3,4}"
)
"""Groups of a telephone number, but not thousands (12 345 678), nor what might be a social security number."""
REGIONS = ("US", "GB", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "CZ", "SE", "NO", "DK", "PT", "BR", "AU", "IN")
"""Whose plans a grouped number without a word before it must fit; Germany's fits nearly any."""
SENTENCE_END = re.compile(r"(?<!:)\n|[.!?;] +(?=[A-Z])")
OTHER_NUMBER = re.compile(
    r"(?i)\b(?:isbn|issn|sku|ean|upc|order|ticket|invoice|ref|serial|account|iban|card|ssn|zip|part|case|pin|code|id|"
    r"licen[cs]e|passport|policy)(?: (?:no|number|nr|id))?(?: is)?[ .:#]{0,3}$"
)
DATE_LIKE = re.compile(
    r"(?:1[89]|20)[0-9]{2}[-/.][01]?[0-9][-/.][0-3]?[0-9]|[0-3]?[0-9][/.][0-3]?[0-9][/.][12][0-9]{3}"
)


def phones(text: str) -> Iterator[Finding]:
    """Telephone numbers: international ones, national ones in a form of their own, others after a word such as "call".

    Where a run of digits is none as a whole, a date after it and then its last groups are left off one by one.
    """
    position = 0
    while match := PHONE.search(text, position):
        start, end = match.span()
        position = start + 1
        if date := re.search(f" (?:{DATE_LIKE.pattern})", text[start:end]):
            end = start + date.start()
        sentence = SENTENCE_END.split(text[max(0, start - CONTEXT_BEFORE) : start])[-1]
        other = bool(OTHER_NUMBER.search(sentence))
        spoken = not other and bool(PHONE_WORDS.search(sentence))
        alone = not other and not re.search(r"[0-9<=-] ?$", sentence)
        while end > start:
            if is_phone(text[start:end], spoken, alone and end == match.end()):
                yield Finding("phone", start, end, text[start:end], _check(text[start:end]))
                position = end
                break
            end = start + max(text[start:end].rfind(separator) for separator in " ./-(")


def is_phone(number: str, spoken: bool, alone: bool) -> bool:
    """Whether a number is one to call; `spoken` if words before it say so, `alone` if no other number is beside it."""
    main = re.split(r" ?(?:x|ext)", number)[0].replace("(0)", "")
    digits = "".join(filter(str.isdigit, main))
    if not number[-1].isdigit() or DATE_LIKE.match(main):
        return False
    if main.lstrip("(").startswith("+") or (main.startswith("00") and spoken):
        return valid_phone("+" + digits.removeprefix("00"))
    if NORTH_AMERICAN.fullmatch(number):
        return True
    if ZERO_LED.fullmatch(main) and 9 <= len(digits) <= 11:
        return True
    if GROUPED.fullmatch(main) and 8 <= len(digits) <= 11 and not re.search(r"\b(?:1[89]|20)[0-9]{2}\b", main):
        return spoken or (alone and any(valid_phone(digits, region) for region in REGIONS))
    short = sum(len(group) == 1 for group in re.findall("[0-9]+", main))
    return spoken and short < 2 and 7 <= len(digits) <= 12 and ("/" not in main or digits[0] == "0")


def _check(number: str) -> Callable[[str], bool]:
    """What the digits of another number must pass to be one of the same sort."""
    digits = "".join(filter(str.isdigit, number))
    if number.lstrip("(").startswith("+"):
        return international
    return north_american if north_american(digits) else bool if digits.startswith("00") else national


def international(digits: str) -> bool:
    """Digits of a number that begins with a country's code."""
    return valid_phone(f"+{digits}")


def north_american(digits: str) -> bool:
    """Ten digits whose area and exchange begin with 2 to 9, and perhaps an extension."""
    return len(digits) >= 10 and digits[0] not in "01" and digits[3] not in "01"


def national(digits: str) -> bool:
    """Any other number of a country: two zeros at its front would lead abroad."""
    return not digits.startswith("00")


def valid_phone(number: str, region: str | None = None) -> bool:
    """Whether a number fits its country's plan: an international one by its length, a region's own one in full."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(parsed) if region else phonenumbers.is_possible_number(parsed))
