"""Secrets: keys of providers by their prefixes, what is assigned to a secret's name, and passwords told in prose."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from lmworks.data.privacy.findings import Finding, Trigger, named

PREFIXES = Trigger(
    words=(
        "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-", "AIza",
        "GOCSPX-", "ya29.", "k_live_", "k_test_", "whsec_", "sk-", "SG.", "npm_", "hf_", "eyJ", "earer ", "pypi-",
        "dop_v1_", "hooks.slack.com/", "/api/webhooks/", "webhook.office.com/", ":AA",
    ),
    exact=True,
    reach=400,
)  # fmt: skip
PROVIDER_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?P<value>(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}"
    r"|(?:xoxe\.)?xox[a-z]-[A-Za-z0-9%-]{10,250}|xapp-[0-9]-[A-Za-z0-9-]{10,250}"
    r"|AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{20,64}|ya29\.[A-Za-z0-9_-]{20,250}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/=]{16,100}"
    r"|sk-(?:[a-z]{2,8}-){0,2}[A-Za-z0-9_-]{20,250}|SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"
    r"|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,64}|pypi-[A-Za-z0-9_-]{50,250}|dop_v1_[a-f0-9]{64}"
    r"|eyJ[A-Za-z0-9_-]{8,300}\.eyJ[A-Za-z0-9_-]{8,600}(?:\.[A-Za-z0-9_-]{8,600})?"
    r"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"
    r"|https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{8,200}"
    r"|https://[a-z.]{0,20}discord(?:app)?\.com/api/webhooks/[A-Za-z0-9_/-]{20,200}"
    r"|https://[a-z0-9-]{1,63}\.webhook\.office\.com/[A-Za-z0-9_/@-]{20,300}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{20,600}=*)(?![A-Za-z0-9])"
)
"""Each provider's own form, as its documentation gives it."""
UNLABELLED = Trigger(
    re.compile(
        r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}|(?:SK|AC)[0-9a-f]{32}|[0-9a-f]{32}-us[0-9]|pat[A-Za-z0-9]{14}\.[0-9a-f]{64}"
    ),
    reach=100,
    probe=r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{20}|(?:SK|AC)[0-9a-f]{20}|[0-9a-f]{9}-us[0-9]|pat[A-Za-z0-9]{14}\.[0-9a-f]{9}",
    near_digits=True,
)
UNLABELLED_KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:[MNO][A-Za-z0-9_-]{22,28}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}|(?:SK|AC)[0-9a-f]{32}"
    r"|[0-9a-f]{32}-us[0-9]{1,2}|pat[A-Za-z0-9]{14}\.[0-9a-f]{64})(?![A-Za-z0-9_-])"
)
"""Those of Discord, Twilio, Mailchimp and Airtable, whose form says more than how they begin."""
MORE_PREFIXES = Trigger(
    words=(
        "hvs.", "hvb.", "hvr.", "PMAK-",
        "figd_", "r8_", "shpat_", "shpca_", "shppa_", "shpss_", "sq0", "EAAA", "dapi", "lin_api_", "ntn_",
        "dckr_pat_", "rubygems_", "glsa_", "glc_", "sntry", "NRAK-", "HRKU-", "gsk_", "xai-", "pplx-",
        "ATATT3", "ATCTT3",
        "ATBB", "ATTA", "pscale_", "sbp_", "xkeysib-", "rzp_", "lsv2_", "nvapi-", "tskey-", "pul-", "doo_v1_",
        "dor_v1_", "glrt-", "gldt-", "glptt-", "CFPAT-", "nfp_", "dt0c01.", "AGE-SECRET-KEY-1", "AccountKey=",
        ": Basic ",
        "pat-na", "pat-eu", "dp.pt.", "dp.st.", "tfp_", "sgp_", "EZAK", "bkua_", "phx_", "phc_", "1//0", "Q~",
    ),
    exact=True,
    reach=400,
)  # fmt: skip
MORE_PROVIDERS_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?P<value>hv[sbr]\.[A-Za-z0-9_-]{24,300}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|figd_[A-Za-z0-9_-]{36,64}|r8_[A-Za-z0-9]{37}"
    r"|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|sq0[a-z]{3}-[A-Za-z0-9_-]{22,50}|EAAA[A-Za-z0-9_-]{56,64}|dapi[a-f0-9]{32}(?:-[0-9])?"
    r"|lin_api_[A-Za-z0-9]{32,48}|ntn_[A-Za-z0-9]{40,50}|dckr_pat_[A-Za-z0-9_-]{27}"
    r"|rubygems_[a-f0-9]{48}|glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,2}|sntry[su]_[A-Za-z0-9_=+/-]{40,300}"
    r"|NRAK-[A-Z0-9]{27}|HRKU-[A-Za-z0-9_-]{36,64}|gsk_[A-Za-z0-9]{48,64}|xai-[A-Za-z0-9]{64,100}|pplx-[A-Za-z0-9]{40,64}"
    r"|AT[AC]TT3[A-Za-z0-9_=-]{60,250}|ATBB[A-Za-z0-9]{32}|ATTA[A-Za-z0-9]{64,80}|pscale_[a-z]{2,5}_[A-Za-z0-9_.-]{32,64}"
    r"|sbp_[a-f0-9]{40}|xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|rzp_(?:live|test)_[A-Za-z0-9]{14}"
    r"|lsv2_[a-z]{2}_[a-f0-9]{32}_[a-f0-9]{10}|nvapi-[A-Za-z0-9_-]{60,70}|tskey-[a-z]{3,8}-[A-Za-z0-9]{8,20}-[A-Za-z0-9]{20,40}"
    r"|pul-[a-f0-9]{40}|do[or]_v1_[a-f0-9]{64}|gl(?:rt|dt|ptt)-[A-Za-z0-9_-]{20,64}|CFPAT-[A-Za-z0-9_-]{43}|nfp_[A-Za-z0-9]{36}"
    r"|dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}|AGE-SECRET-KEY-1[A-Z0-9]{58}|(?<=AccountKey=)[A-Za-z0-9+/]{86}=="
    r"|(?<=: Basic )[A-Za-z0-9+/]{12,300}={0,2}|pat-(?:na|eu)[0-9]-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}"
    r"|dp\.[ps]t\.[A-Za-z0-9_.-]{40,64}|tfp_[A-Za-z0-9_-]{40,64}|sgp_[a-f0-9_]{40,64}|EZAK[A-Za-z0-9]{54}|bkua_[a-f0-9]{40}"
    r"|ph[xc]_[A-Za-z0-9]{40,50}|1//0[A-Za-z0-9_-]{40,120}|[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"
    r")(?![A-Za-z0-9])"
)
"""Those of further providers: each fewer texts are searched for than for the ones above."""
PRIVATE_KEY = Trigger(words=("PRIVATE KEY",), exact=True, reach=8_500)
PRIVATE_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|"
    r"-(?!----)){0,8000}(?:-----END [A-Z0-9 ]{0,60}-----)?"
)
URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@\"'<>]{0,64}:(?P<value>[^\s/@\"'<>:${}]{3,100})@(?=[\w.-])")
URLS = Trigger(re.compile(r"://[^\s/:@\"'<>]{0,64}:[^\s/@\"'<>]{3,100}@"))
SECRETS = Trigger(
    words=("key", "token", "secret", "passw", "passphrase", "pwd", "credential"),
    probe=r"(?:key|token|secret|passwor[dt]|passwd|passphrase|pwd|credentials?)[\"']?(?:[\s\x0b\x1c-\x1f\x85]{0,3}(?:[:=]|is\b)"
    r"[\s\x0b\x1c-\x1f\x85>]{0,4}[\"']?[A-Za-z0-9+/_.~!@#$%^&*-]{8}|[\s\x0b\x1c-\x1f\x85][\"']?[A-Za-z0-9+/_-]{16})",
)
SECRET_ASSIGNED = re.compile(
    "[kK\u212atTsS\u017fpPcC](?:(?<=[kK\u212a])ey|(?<=[tT])oken|(?<=[sS\u017f])ecret|(?<=[cC])redentials?"
    r"|(?<=[pP])(?:asswor[dt]|asswd|assphrase|wd))[\"']?"
    r"(?:\s{0,3}(?:[:=]>?|is\b)\s{0,3}[\"']?(?P<value>[A-Za-z0-9+/_.~!@#$%^&*-]{8,200}={0,2})"
    r"|\s[\"']?(?P<beside>[A-Za-z0-9+/_-]{16,200}={0,2})(?![\w(]))",
    re.IGNORECASE,
)


def assigned_secret(text: str) -> Iterator[Finding]:
    """What is given to a name such as `api_key` or `password`, or stands beside it, and looks drawn at random."""
    for match in SECRET_ASSIGNED.finditer(text):
        group = "value" if match["value"] else "beside"
        if looks_random(match[group]):
            yield Finding("secret", *match.span(group), match[group])


CONSONANTS = re.compile("[bcdfghjklmnpqrstvwxz]{6}|[BCDFGHJKLMNPQRSTVWXZ]{6}")


def looks_random(token: str) -> bool:
    """Letters mixed with digits, and at least 3 bits a character, or all that so short a token can have but a little.

    Words have few digits; paths and numbers have few kinds of characters. Letters alone are random where words have
    vowels: the longest runs of English without one are of five letters ("lengths").
    """
    if len(token) >= 16 and token.isalpha() and token.isascii():
        return CONSONANTS.search(token) is not None
    if not (any(map(str.isdigit, token)) and any(map(str.isalpha, token))) or token.count("/") > 2:
        return False
    return _bits(token) >= min(3.0, math.log2(len(token)) - 0.75)


def _bits(token: str) -> float:
    """Shannon's entropy of a character."""
    shares = [times / len(token) for times in Counter(token).values()]
    return -sum(share * math.log2(share) for share in shares)


FORTY = re.compile(r"(?<![A-Za-z0-9/+_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")
AWS = Trigger(
    FORTY,
    probe=r"[A-Za-z0-9/+]{40}",
)
AWS_WORDS = named(
    r"aws\w{0,30}|\w{0,30}secret\w{0,30}|\w{0,30}key\w{0,30}|\w{0,30}token\w{0,30}|\w{0,30}cred\w{0,30}|amazon|s3|bucket|passw\w{0,30}"
)


def aws_secret(text: str) -> Iterator[Finding]:
    """Forty random characters of base64 near a word that says what they are, or as random as can be."""
    for match in FORTY.finditer(text):
        kinds = (str.isupper, str.islower, str.isdigit)
        random = all(any(map(kind, match[0])) for kind in kinds) and _bits(match[0]) >= 4
        around = text[max(0, match.start() - 80) : match.start()] + " " + text[match.end() : match.end() + 60]
        if random and (AWS_WORDS.search(around) or _bits(match[0]) >= 4.4):
            yield Finding("secret", *match.span(), match[0])


PASSWORD_WORDS = named(
    r"passwords?|passwd|passphrase|passcode|pwd|pw|pass(?!-?n)|(?:temp|initial|wifi|user|db|root|admin|my|"
    r"the)[_-]?(?:pass|pw|pwd)|"
    r"\w{0,30}passwort\w{0,30}|\w{0,30}kennw[oö]rt\w{0,30}|losung\w{0,30}|wlan-?schlüssel|zugangsdaten|"
    r"credentials?|creds|"
    r"mots? de passe|mdp|(?:le|code|mot)? ?passe|code secret|code d'accès|identifiants|"
    r"contraseñas?|contrasenas?|contra|claves?|clave_\w{1,30}|credenciales|senhas?|parola d'ordine|"
    r"wachtwoord\w{0,30}|hasł[oae]"
    r"|mot_de_passe\w{0,30}|wifi key|secret|wpa2?(?:[ _-]?(?:key|psk))?|(?:network|unlock|access|login|"
    r"entry) ?(?:key|code)|pass ?code|"
    r"(?:netzwerk|sicherheits)-?schlüssel|(?:wlan|wi-?fi)-?(?:code|key|pw|passw\w{0,30})|zugangs-?code|(?:anmelde|login)-?daten|losungswort|"
    r"cl[eé]f? (?:wi-?fi|wpa|réseau|d'accès)|code (?:wi-?fi|confidentiel|personnel|du wi-?fi)|(?:código|"
    r"codigo|palabra) de (?:acceso|paso)|"
    r"palabra clave",
    anywhere="密码|口令|비밀번호",
)
PHRASES = Trigger(
    words=(
        "assphrase", "PASSPHRASE", "ass phrase", "eed phrase", "ecovery phrase", "ackup phrase", "nemonic",
    ),
    exact=True,
    reach=260,
)  # fmt: skip
_NO_WORDS = (
    "the|and|for|you|your|that|this|with|from|not|are|was|must|should|will|can|has|have|use|used|when|which|its|may"
)
SAID_PHRASE = re.compile(
    r"(?i:pass ?phrase|(?:seed|recovery|backup) phrase|mnemonic)[^:=\n]{0,40}[:=] ?[\"'`]?"
    rf"(?P<value>(?:(?!(?:{_NO_WORDS})\b)[a-z]{{3,10}}[ -]){{3,23}}(?!(?:{_NO_WORDS})\b)[a-z]{{3,10}})(?=[\"'`.]?\s*(?:$|\n))"  # noqa: E501
)
"""Words drawn one by one: "passphrase: maple orbit candle river"."""
PLAINLY = re.compile(r"(?i)\w*passwor[dt]|passcode|\w*kennwort|mots? de passe|mdp|contraseñas?|pwd?")
"""Words behind which digits alone, or a word, may be what they tell of."""
SAID_DIGITS = re.compile(r" ?(?:[:=]|(?i:is|ist|est|es) ) ?[\"'`]?(?P<value>[0-9]{4,12})(?![\w.,:/-]\w|\w)")
SAID_PIN = re.compile(
    r"(?<![^\W_])(?i:pin)(?:[ -]?(?i:code))? ?(?:[:=]|(?i:is|ist|est"
    r"|es) ) ?[\"'`]?(?P<value>[0-9]{4})(?![\w.,:/-]\w|\w)"
)
SAID_WORD = re.compile(r" ?(?:[:=]|(?i:is|ist) ) ?[\"'`]?(?P<value>[a-z]{6,30})(?=[\"'`.!,]?\s*(?:$|\n))")
SAID_QUOTED = re.compile(r" (?i:is|ist|est|es) (?P<quote>[\"'`“«])(?P<value>[A-Za-z]{5,30})[\"'`”»]")
OWNED = re.compile(
    r"(?<![^\W_])(?i:wi-?fi|wlan|guests?|network|router|hotspot|netflix|laptop|computer|phone|tablet|garage|alarm|gäste|"
    r"e-?mail|facebook|instagram|bank|gmail|my|meine?) $"
)
"""Of what people tell each other the password: of a program's it would be the name of a variable."""
NO_PASSWORD = frozenset(
    (
        "required", "optional", "string", "password", "passwort", "hidden", "changed", "invalid", "incorrect",
        "correct",
        "wrong", "expired", "encrypted", "missing", "empty", "weak", "strong", "secret", "secure", "protected",
        "falsch",
        "unknown", "public", "needed", "forgotten", "stored", "default", "abgelaufen", "redacted", "removed",
    )
)  # fmt: skip


def _said(text: str, word: re.Match[str]) -> Finding | None:
    """A password of digits alone or a plain word, where a sign or a verb says that it is one."""
    if not PLAINLY.fullmatch(word[0]):
        return None
    said = SAID_DIGITS.match(text, word.end()) or SAID_QUOTED.match(text, word.end())
    if not said and OWNED.search(text, max(0, word.start() - 12), word.start()):
        said = SAID_WORD.match(text, word.end())
    if not said or said["value"].lower() in NO_PASSWORD:
        return None
    return Finding("secret", *said.span("value"), said["value"])


PASSWORDS = Trigger(
    words=(
        "passw", "passphrase", "passcode", "pw", "pass ", "pass:", "pass=", "passe", "kennw", "losung",
        "schlüssel", "zugangsdaten", "credential", "creds", "mdp", "code secret", "code d'accès", "identifiants",
        "contrase", "contra ", "contra:", "clave", "credenciales", "senha", "parola d'ordine", "wachtwoord",
        "hasł", "secret ", "wpa", "network key", "unlock ", "access code", "login code", "wlan", "wi-fi", "wifi",
        "zugangscode", "zugangs-code", "anmeldedaten", "logindaten", "clé ", "code confidentiel", "de acceso",
        "de paso",
        "palabra clave", "pin:", "pin is ", "pin code", "pin-code", "密码", "口令", "비밀번호",
    )
)  # fmt: skip
TOKEN = re.compile(r"(?:^|(?<=[\"'«“„`*>])|(?<=[\s:=(|,;]))[^\s\"'«»“”„`<>|,;()\[\]{}]{5,64}")
PASSWORD_REACH, PASSWORD_BEFORE, RIGHT_BESIDE = 60, 50, 18
TOLD = re.compile(
    r"(?i)(?:[:=]|(?<![^\W_])(?:is|was|ist|war|lautet|est|étant|était|es|era|sea|é|now|jetzt|to|als|remains|reads|"
    r"becomes|auf|heißt|bleibt|wäre|wurde|sera|reste|devient|par|será|siendo|queda|a|con|mit|with|use|usa|"
    r"using|nimm|utilise))[ \"'`]{1,3}$"
)
"""Words right before what they tell."""
FEW_DIGITS = re.compile(r"[A-Za-z]+[-_.]?[0-9]{1,2}")
NAMED_WITH_DIGITS = re.compile(
    r"(?i)(?:(?:[a-z]{0,6}(?:sha|md|utf|base|crypt|pbkdf|oauth|pkcs|rfc|ipv|http|aes|ntlm|iso|tls|ssl|des|argon|python|"
    r"rsa|int|float)|(?:[a-z]{1,12}[-_.])?(?:win|x|v|s|ec|p|h|id|str|arg|param|value|key|user|test|step|line|page|option|"
    r"item|field|col|row|fig|table|level|part|chapter|section|version|type|class|area|port|case|phase|mp|usb|log|web|db|"
    r"host|node|server|room|floor|gate))"
    r"[-_.]?[0-9]{1,4}(?:[-_.][a-z0-9.]{1,10})*|[0-9]+(?:st|nd|rd|th|[a-z]{1,3})|[0-9]+(?:[-.:/][0-9a-z]+)+)"
)
"""What has letters and digits but is no password: names of methods and versions, ordinals, dates, sizes."""


def passwords(text: str) -> Iterator[Finding]:
    """Words that look like a password near one that says so: "das Passwort lautet Sommer!2024"."""
    for pin in SAID_PIN.finditer(text) if "pin" in text.lower() else ():
        yield Finding("secret", *pin.span("value"), pin["value"])
    for match in PASSWORD_WORDS.finditer(text):
        if said := _said(text, match):
            yield said
        start, place = max(0, match.start() - PASSWORD_BEFORE), match.end()
        behind = TOKEN.finditer(text, place, min(len(text), place + PASSWORD_REACH + 64))
        told = next((token for token in behind if _told(text, token, token.start() - place)), None)
        before = () if told else TOKEN.finditer(text, start, match.start())
        for token in [told] if told else [each for each in before if _told(text, each, match.start() - each.end())]:
            value = token[0].rstrip(".:*" if token[0][0] == "*" else ".:") or token[0]
            yield Finding("secret", token.start(), token.start() + len(value), value)


def _told(text: str, token: re.Match[str], distance: int) -> bool:
    """Whether a word may be the password that another word tells of, so many characters away."""
    start, end = token.span()
    called = text[end : end + 1] in ("(", "[") or (text[start - 1 : start] == "(" and text[end : end + 1] in (",", "["))
    beside = distance <= RIGHT_BESIDE or TOLD.search(text, max(0, start - 10), start) is not None
    return distance <= PASSWORD_REACH and not called and like_a_password(token[0], beside)


def like_a_password(token: str, beside: bool = True) -> bool:
    """Letters with digits, or with signs that stand in no word, and nothing that a program or a version is made of.

    Further away from the word that tells of it, a name with one or two digits is none.
    """
    shouted = token.endswith("!") and sum(map(str.isdigit, token)) > 1
    token = token.strip("*_").rstrip(".:?!")
    if re.fullmatch(r"[$#&%](?!(?i:[0-9a-f]{3,8})$)[A-Za-z0-9][^\s=]*[0-9][^\s=]*[0-9][^\s=]*", token):
        token = token[1:]
    if shouted and re.fullmatch("[A-Za-z]{3,}[0-9]{2,4}", token):
        return not NAMED_WITH_DIGITS.fullmatch(token)
    if len(token) < 5 or any(part in token for part in ("://", "::", "->", "==", "\\", "@", "...", "--")):
        more = any(map(str.isdigit, token)) or any(sign in token for sign in "!#$%^&*+?~")
        return "@" in token and "." not in token and more and any(map(str.isalpha, token))
    if token.isalpha() and token.isascii():
        return beside and _drawn_letters(token)
    letters, digits = sum(map(str.isalpha, token)), sum(map(str.isdigit, token))
    signs = sum(character in "!#$%^&*?+~§€" for character in token)
    if not letters or not (digits or signs):
        return False
    if (
        token.count("/") > 1
        or token[0] in "$%-/.&#"
        or token[-1] in ":=/"
        or token[:-1].isdigit()
        or "=" in token
        or "{" in token
    ):
        return False
    if signs and letters >= 3:
        return bool(digits) or token[0].isalnum()
    return letters >= 3 and not NAMED_WITH_DIGITS.fullmatch(token) and (beside or not FEW_DIGITS.fullmatch(token))


def _drawn_letters(token: str) -> bool:
    """Whether letters change case as in no word and no name of a program."""
    pieces = re.findall("[A-Z]*[a-z]*", token)[:-1]
    return len(token) >= 8 and len(pieces) >= 4 and sum(len(piece) < 3 for piece in pieces) >= 2
