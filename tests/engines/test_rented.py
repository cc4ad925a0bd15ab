"""What becomes of an address that answers well, badly, late or not at all."""

from __future__ import annotations

import asyncio
import base64
import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from address import KEY, VARIABLE, Address, at_address
from lmworks.engines.rented import secret as module
from lmworks.engines.rented.address import RentedModelConfig
from lmworks.engines.rented.client import Answered, Client
from lmworks.engines.rented.secret import Secret
from lmworks.engines.rented.stages import rent
from lmworks.errors import GateRefused, LmworksError, Stopped, UsageError
from support import make_context


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)


def config(address: Address | str, **fields: Any) -> RentedModelConfig:
    url = address if isinstance(address, str) else address.url
    known = {"address": url, "model": "adder", "licence": "LicenseRef-test", "key_variable": VARIABLE, "attempts": 3}
    return RentedModelConfig.model_validate(known | fields)


def ask(address: Address, count: int = 1, **fields: Any) -> list[Answered]:
    bodies = [{"model": "adder", "messages": [{"role": "user", "content": f"{n} and 1"}]} for n in range(count)]
    found: dict[int, Answered] = {}
    Client(config(address, **fields)).ask(bodies, found.__setitem__)
    return [found[number] for number in range(count)]


def test_each_is_asked_once_and_answered_in_its_place() -> None:
    with at_address() as address:
        assert [each.text for each in ask(address, 9)] == [f"It is {number + 1}" for number in range(9)]
        assert len(address.asked) == 9


@pytest.mark.parametrize("odd", ["busy", "fails", "half"])
def test_what_may_go_well_another_time_is_asked_again(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.engines.rented.client.FIRST_WAIT", 0.0)
    with at_address(first=[odd]) as address:
        assert ask(address)[0].text == "It is 1" and len(address.asked) == 2


def test_a_server_that_hangs_is_asked_again_in_vain_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmworks.engines.rented.client.FIRST_WAIT", 0.0)
    with at_address(always="hangs") as address, pytest.raises(LmworksError, match=r"no whole answer in 0.3 s, 2 times"):
        ask(address, timeout_seconds=0.3, attempts=2)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ("redirects", "sends elsewhere, to elsewhere.invalid"),
        ("large", "more than 4 MiB"),
        ("no JSON", "no JSON where a chat completion"),
        ("no choices", "no choices where"),
        ("numbers", "no answer where"),
        ("closed", "come back in 86,400 s"),
        ("bomb", "more than 4 MiB"),
        ("bombs", "in the coding 'gzip, gzip, gzip'"),
        ("unlike its coding", "is no gzip, though it says so"),
        ("no redirect", "sends elsewhere, to what is no address"),
        ("billions", "a number of tokens that no model reads or writes"),
        ("float", "a number of tokens that no model reads or writes"),
        ("infinite", "a number of tokens that no model reads or writes"),
        ("long", "no answer where"),
    ],
)
def test_what_cannot_go_well_is_told_at_once(odd: str, said: str) -> None:
    with at_address(always=odd) as address, pytest.raises(LmworksError, match=said):
        ask(address)
    assert len(address.asked) == 1


def test_a_compressed_answer_and_half_a_character_are_read() -> None:
    with at_address(first=["packed", "half a character"]) as address:
        assert [each.text for each in ask(address, 2, requests_at_once=1)] == ["It is 1", "It is \ufffd 1"]


WAYS = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "but for its end": KEY[:-1],
    "spelled": " - ".join(KEY),
    "backwards": KEY[::-1],
    "in an address": "%" + "%".join(f"{ord(each):02X}" for each in KEY),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 behind a byte": base64.urlsafe_b64encode(f":{KEY}:".encode()).decode(),
    "in base64 behind two": base64.b64encode(f"k={KEY};".encode()).decode(),
    "as hexadecimals": KEY.encode().hex(" "),
    "as a string of C": "".join(f"\\x{ord(each):02x}" for each in KEY),
    "escaped twice": "".join(f"\\\\x{ord(each):02X}" for each in KEY),
    "as a string of JSON": "".join(f"\\u{ord(each):04x}" for each in KEY),
    "as a string of Rust": "".join(f"\\u{{{ord(each):x}}}" for each in KEY),
    "here and there": "".join(f"\\x{ord(each):02x}" if n % 3 else each for n, each in enumerate(KEY)),
    "in a page": "".join(f"&#{ord(each)};" for each in KEY),
    "in a page, as hexadecimals": "".join(f"&#x{ord(each):x};" for each in KEY),
    "in octal": "".join(f"\\{ord(each):03o}" for each in KEY),
    "in an address twice": "".join(f"%25{ord(each):02x}" for each in KEY),
    "as names of characters": " ".join(f"U+{ord(each):04X}" for each in KEY),
    "as numbers": ", ".join(f"{ord(each)}" for each in KEY),
    "as numbers of C": ", ".join(f"0x{ord(each):02x}" for each in KEY),
    "in bits": " ".join(f"{ord(each):08b}" for each in KEY),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_key_is_taken_out_of_what_a_server_says(way: str) -> None:
    with at_address(says=f"Yes: {WAYS[way]}. So it is.") as address:
        assert re.fullmatch(r"Yes: .{0,9}‹key›.{0,9}\. So it is\.", ask(address)[0].text)


def test_an_answer_without_the_key_is_kept_as_it_is() -> None:
    said = f"The tests {KEY[:9]}: 0123456 \N{LATIN SMALL LETTER SHARP S}\n\tİ"
    with at_address(says=said) as address:
        assert ask(address)[0].text == said


def test_a_text_of_which_every_letter_is_half_a_key_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    secret, seen = Secret(KEY), 0
    find = module._Runs.found

    def counting(self: Any, eights: Any) -> Any:
        nonlocal seen
        seen += len(eights)
        return find(self, eights)

    monkeypatch.setattr(module._Runs, "found", counting)
    bare = KEY.replace("-", "")
    for hostile in (bare[:10] + "!", bare[:11] + "z", "\\x73", "\\" * 5, "%25", KEY):
        text, seen = hostile * (2**18 // len(hostile)), 0
        said = secret.taken_out(text)
        assert seen <= 12 * 4 * len(text)
        assert said == ("‹key›" if hostile == KEY else said) and KEY not in said


@pytest.mark.parametrize(
    "text", ["", "é\u0301", "a%4", "\\u{0", "&#00", "=\n=\r\n", "0x", "100%25 of \\x41 and \ud800"]
)
def test_a_text_with_what_looks_escaped_is_left_as_it_is(text: str) -> None:
    assert Secret(KEY).taken_out(text * 3) == text * 3


def test_a_word_in_place_of_a_key_is_left_in_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Secret("EMPTY").taken_out("EMPTY YTPME") == "EMPTY YTPME"


def test_a_model_is_called_by_a_name_on_one_line_that_holds_no_key() -> None:
    with at_address(always="forms") as address:
        assert ask(address)[0].reported == "adder [2J ‹key›"


def test_a_model_that_is_called_after_the_key_is_refused_without_it(tmp_path: Path) -> None:
    with at_address(model=f"other-{KEY}") as address, pytest.raises(LmworksError, match="other-‹key›") as caught:
        rent(config(address), tmp_path / "out", make_context(tmp_path))
    assert KEY not in str(caught.value)


def test_a_key_in_another_field_of_the_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the recipe holds this key") as caught:
        Client(config("http://127.0.0.1:9/v1", parameters={"user": KEY}))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "parameters",
    [{"n": 50}, {"max_tokens": 100_000}, {"max_completion_tokens": None}, {"temperature": 1.0}, {"model": "other"}],
)
def test_what_is_stated_and_counted_elsewhere_is_no_parameter(parameters: dict[str, Any]) -> None:
    (name,) = parameters
    with pytest.raises(ValueError, match=f"parameters: found {name}, which"):
        config("http://127.0.0.1:9/v1", parameters=parameters)
    assert config("http://127.0.0.1:9/v1", parameters={"temperature": None, "reasoning_effort": "low"})


def test_a_refused_key_is_told_by_the_name_of_its_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "sk-wrong-and-secret")
    with at_address() as address, pytest.raises(LmworksError, match=VARIABLE) as caught:
        ask(address)
    assert "sk-wrong-and-secret" not in str(caught.value)  # which the server repeats
    monkeypatch.delenv(VARIABLE)
    with at_address() as address, pytest.raises(UsageError, match=f"{VARIABLE} is not set"):
        ask(address)


def test_a_key_in_the_recipe_is_refused_and_not_repeated() -> None:
    for fields in ({"key_variable": "sk-proj-secret"}, {"address": "https://me:sk-proj-secret@api.example.com/v1"}):
        with pytest.raises(ValueError, match="environment variable") as caught:
            config(fields.pop("address", "https://api.example.com/v1"), **fields)
        assert "sk-proj-secret" not in str(caught.value.errors()[0]["msg"])  # type: ignore[attr-defined]


def test_an_unencrypted_address_elsewhere_must_be_said() -> None:
    with pytest.raises(ValueError, match="unencrypted: true"):
        config("http://models.example.com/v1")
    assert config("http://models.example.com/v1", unencrypted=True) and config("http://localhost:1/v1")


def test_a_prompt_beyond_its_context_is_an_answer_and_ends_nothing() -> None:
    with at_address(first=["too long"]) as address:
        assert [each.is_beyond for each in ask(address, 2, requests_at_once=1)] == [True, False]


def test_a_stop_keeps_what_was_answered() -> None:
    found: dict[int, Answered] = {}

    def check_stop() -> None:
        if found:
            raise Stopped("stopped")

    bodies = [{"model": "adder", "messages": [{"role": "user", "content": f"{n}"}]} for n in range(500)]
    with at_address(seconds=0.05) as address:
        with pytest.raises(Stopped):
            Client(config(address, requests_at_once=2)).ask(bodies, found.__setitem__, check_stop)
        assert 0 < len(found) < 100 and len(address.asked) == len(found)  # those under way were waited for


def test_another_model_than_asked_for_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    with at_address(model="other-7b") as address:
        with pytest.raises(LmworksError, match=r"answers as 'other-7b', but the recipe names 'adder'"):
            rent(config(address), tmp_path / "out", make_context(tmp_path))
        rent(config(address, reports="other-7b"), tmp_path / "out", make_context(tmp_path))


@pytest.mark.parametrize(("most", "asked"), [(0, 0), (0.0001, 0), (1, 1)])
def test_what_the_first_request_may_cost_is_counted_before_it_is_sent(most: float, asked: int, tmp_path: Path) -> None:
    prices = {"usd_per_million_prompt_tokens": 3, "usd_per_million_answer_tokens": 15, "most_usd": most}
    refusal = rf"most_usd is {most:g}, but this may cost \$0\.00; nothing was sent"
    with at_address() as address:
        with nullcontext() if asked else pytest.raises(GateRefused, match=refusal):
            rent(config(address, **prices), tmp_path / "out", make_context(tmp_path))
        assert len(address.asked) == asked


def test_it_asks_from_within_a_notebook(tmp_path: Path) -> None:
    async def cell() -> str:
        return ask(address)[0].text

    with at_address() as address:
        assert asyncio.run(cell()) == "It is 1"
