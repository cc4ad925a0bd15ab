"""Made-up secrets in the shapes of the services that give them out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import string
import zlib

from audit_drawing import ALNUM, FORMS, Chance, Make, digits, drawn, grouped, one

KEYS = [
    ("RSA PRIVATE KEY", b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00", 1180),
    ("PRIVATE KEY", b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09", 1200),
    ("EC PRIVATE KEY", b"\x30\x77\x02\x01\x01\x04\x20", 114),
    ("OPENSSH PRIVATE KEY", b"openssh-key-v1\x00\x00\x00\x00\x04none", 380),
]
"""What each kind of key begins with, and how many bytes follow."""


def github(chance: Chance, bare: bool) -> str:
    if not bare and chance.random() < 0.25:
        return f"github_pat_{drawn(chance, 22)}_{drawn(chance, 59)}"
    body, end = drawn(chance, 30), ""
    number = zlib.crc32(body.encode())
    for _ in range(6):
        number, rest = divmod(number, 62)
        end = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[rest] + end
    return chance.choice(["ghp_", "ghp_", "gho_", "ghs_", "ghu_"]) + body + end


def slack(chance: Chance, bare: bool) -> str:
    teams = digits(chance, "N###########") + "-" + digits(chance, "N############")
    bot, user = f"xoxb-{teams}-{drawn(chance, 24)}", f"xoxp-{teams}-{digits(chance, 'N###########')}"
    app = f"xapp-1-A{drawn(chance, 10, string.ascii_uppercase + string.digits)}-{digits(chance, 'N############')}"
    user, app = f"{user}-{drawn(chance, 32, '0123456789abcdef')}", f"{app}-{drawn(chance, 64, '0123456789abcdef')}"
    return one(chance, bare, [bot, bot, user, app])


def slack_hook(chance: Chance, bare: bool) -> str:
    upper = string.ascii_uppercase + string.digits
    team, hook = "T" + drawn(chance, chance.choice([8, 10]), upper), "B" + drawn(chance, chance.choice([8, 10]), upper)
    return f"https://hooks.slack.com/services/{team}/{hook}/{drawn(chance, 24)}"


def stripe(chance: Chance, bare: bool) -> str:
    start = one(chance, bare, ["sk_live_", "sk_live_", "rk_live_", "sk_test_"])
    return start + (drawn(chance, 24) if chance.random() < 0.5 else "51" + drawn(chance, 97))


def jwt(chance: Chance, bare: bool) -> str:
    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def packed(fields: dict[str, object]) -> str:
        return part(json.dumps(fields, separators=(",", ":")).encode())

    claims: dict[str, object] = {
        "sub": str(chance.randrange(10**9)),
        "iat": 1700000000 + chance.randrange(10**7),
        "scope": "read",
    }
    body = packed({"alg": "HS256", "typ": "JWT"}) + "." + packed(claims)
    return body + "." + part(hmac.new(chance.randbytes(32), body.encode(), hashlib.sha256).digest())


def private_key(chance: Chance, bare: bool) -> str:
    kind, start, size = chance.choice(KEYS)
    raw = base64.b64encode(start + chance.randbytes(size)).decode()
    text = f"-----BEGIN {kind}-----\n{grouped(raw, (64,), chr(10))}\n-----END {kind}-----"
    return one(chance, bare, [text, text, text, text.replace("\n", "\\n")])


def password(chance: Chance, bare: bool) -> str:
    word, other = chance.sample(FORMS["passwords"], 2)
    two = digits(chance, "##")
    forms = [f"{word}20{two}!", f"{word.lower()}1{two}", f"{word}-{other}-{two}", f"{word}{other}{two[0]}?"]
    forms += [f"{drawn(chance, 14, ALNUM + '!#%*+?@')}", f"{drawn(chance, 12)}", f"{word[:3]}${other[:4]}_{two}"]
    forms += [word.lower().replace("a", "@").replace("i", "1") + two]
    return one(chance, bare, forms)


def aws_access_key(chance: Chance, bare: bool) -> str:
    return chance.choice(["AKIA", "ASIA"]) + drawn(chance, 16, string.ascii_uppercase + "234567")


SECRETS: dict[str, Make] = {
    "AWS_access_key": aws_access_key,
    "AWS_secret_key": lambda chance, bare: drawn(chance, 40, ALNUM + "/+"),
    "GitHub_token": github,
    "Slack_token": slack,
    "Slack_webhook": slack_hook,
    "Stripe_key": stripe,
    "Google_API_key": lambda chance, bare: "AIzaSy" + drawn(chance, 33, ALNUM + "-_"),
    "JWT": jwt,
    "private_key": private_key,
    **{f"password_{language}": password for language in ("en", "de", "fr", "es")},
}
