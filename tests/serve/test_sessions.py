"""Sessions of browsers: they end, can be ended, and guessing keys becomes slow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from live_server import KEY, PAGE, listening
from lmworks.engines.decoder import DecoderEngine
from lmworks.serve.access import SESSION_SECONDS, Access
from lmworks.serve.app import create_app
from lmworks.serve.attempts import FREE, LONGEST_SECONDS, MOST_A_MINUTE, MOST_CLIENTS, Attempts
from lmworks.serve.service import Service


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def address(engine: DecoderEngine, clock: Clock) -> Iterator[str]:
    with listening(create_app(Service(engine, ["m"]), KEY, [PAGE], clock=clock)) as found:
        yield found


def browser(address: str, client: str = "203.0.113.1") -> httpx.Client:
    """A browser behind a proxy of this machine, which says whose request it is."""
    return httpx.Client(base_url=address, headers={"X-Forwarded-For": client}, timeout=30)


def place_of(http: httpx.Client) -> str:
    return f"/{http.post('/', data={'key': KEY}).headers['location']}"


def signed_in(http: httpx.Client) -> str:
    place = place_of(http)
    assert http.post(place, data={"key": KEY}).status_code == 303
    return place


def test_a_session_ends_after_twelve_hours_and_another_begins(address: str, clock: Clock) -> None:
    with browser(address) as http:
        place = signed_in(http)
        clock.now += SESSION_SECONDS - 1
        assert SESSION_SECONDS == 12 * 3600
        assert http.get(f"{place}v1/models").status_code == 200
        clock.now += 2
        assert http.get(f"{place}v1/models").status_code == 401
        assert "<form" in http.get(place).text, "the page asks for the key again"
        assert http.post(place, data={"key": KEY}).status_code == 303
        assert http.get(f"{place}v1/models").status_code == 200


def test_signing_out_ends_one_session_on_the_server(address: str) -> None:
    with browser(address) as http, browser(address) as other:
        place = signed_in(http)
        assert signed_in(other) == place
        stolen = dict(http.cookies)
        page = http.get(place).text
        assert 'action="sign-out"' in page and "Sign out" in page
        out = http.post(f"{place}sign-out")
        assert (out.status_code, out.headers["location"]) == (303, "./")
        assert http.get(f"{place}v1/models").status_code == 401
        with browser(address) as thief:
            assert (
                thief.get(
                    f"{place}v1/models", headers={"Cookie": "; ".join("=".join(each) for each in stolen.items())}
                ).status_code
                == 401
            )
        assert other.get(f"{place}v1/models").status_code == 200, "other browsers stay"
        assert http.post(f"{place}sign-out").status_code == 401, "there is nothing to end: the form asks for the key"
        assert other.post(f"{place}sign-out", headers={"sec-fetch-site": "cross-site"}).status_code == 401
        assert other.get(f"{place}v1/models").status_code == 200, "another site signs nobody out"


@pytest.mark.whole
def test_wrong_keys_make_the_next_one_wait_and_others_do_not(address: str, clock: Clock) -> None:
    with browser(address) as guesser, browser(address, "203.0.113.2") as owner:
        found = [guesser.post("/", data={"key": f"guess-{number}"}).status_code for number in range(300)]
        assert found == [401] * FREE + [429] * (300 - FREE)
        refused = guesser.post("/", data={"key": KEY})
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1", "right or wrong, it is not read"
        assert "Wait 1 s" in refused.text
        signed_in(owner)
        clock.now += 1
        assert guesser.post("/", data={"key": "guess"}).status_code == 401
        assert guesser.post("/", data={"key": "guess"}).headers["retry-after"] == "2"
        clock.now += LONGEST_SECONDS
        signed_in(guesser)
        assert guesser.get("/v1/models", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_a_browser_that_signed_in_before_is_not_locked_out_by_who_shares_its_address(address: str) -> None:
    with browser(address) as owner, browser(address) as guesser:
        place = signed_in(owner)
        owner.post(f"{place}sign-out")
        for number in range(FREE + 1):
            guesser.post("/", data={"key": f"guess-{number}"})
        assert guesser.post(place, data={"key": KEY}).status_code == 429
        assert owner.post(place, data={"key": KEY}).status_code == 303
        name = next(name for name in owner.cookies if name.endswith("-known"))
        forged = {"Cookie": f"{name}=00112233.{'0' * 64}"}
        assert guesser.post(place, data={"key": KEY}, headers=forged).status_code == 429


def test_waits_double_up_to_a_bound_and_are_forgotten() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(FREE + 8):
        attempts.failed("a")
        waits.append(attempts.wait("a"))
        clock.now += waits[-1]
        assert attempts.wait("a") == 0
    assert waits == [0] * (FREE - 1) + [1, 2, 4, 8, 16] + [LONGEST_SECONDS] * 4
    clock.now += 1000
    attempts.failed("a")
    assert attempts.wait("a") == 0


def test_many_addresses_together_try_no_more_than_the_bound() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    tried = 0
    for number in range(10 * MOST_A_MINUTE):
        if not attempts.wait(f"client {number}"):
            attempts.failed(f"client {number}")
            tried += 1
    assert tried == MOST_A_MINUTE
    assert attempts.wait("the owner") <= 60 and attempts.wait("a known browser", is_known=True) == 0
    clock.now += 61
    assert attempts.wait("the owner") == 0


def test_guessers_and_browsers_fill_no_memory() -> None:
    attempts, access = Attempts(Clock()), Access(KEY, Clock())
    for number in range(2 * MOST_CLIENTS):
        attempts.failed(f"client {number}")
    assert len(attempts._clients) == MOST_CLIENTS
    for _ in range(1500):
        access.begin_session()
    assert len(access._sessions) == 1000


@pytest.mark.whole
def test_the_key_is_shown_when_it_is_made_and_never_again(model_folder: Path, tmp_path: Path) -> None:
    environment = os.environ | {"XDG_STATE_HOME": str(tmp_path)}
    environment.pop("LMWORKS_API_KEY", None)

    def started(*options: str, **more: str) -> str:
        command = [sys.executable, "-m", "lmworks", "serve", str(model_folder), "--port", "0", "--unmeasured", *options]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment | more
        ) as child:
            assert child.stdout and child.stderr
            line = child.stdout.readline()
            child.send_signal(signal.SIGTERM)
            rest = child.stdout.read()
            assert child.wait(timeout=60) == 0, child.stderr.read()
        return line + rest

    first = started()
    (file,) = (tmp_path / "lmworks" / "keys").iterdir()
    key = file.read_text().strip()
    assert key in first and "shown this once" in first and str(file) in first
    second = started()
    assert key not in second and str(file) in second and "delete that file and start again" in second
    told = json.loads(started("--json"))
    assert told["key_file"] == str(file) and "key" not in told
    own = started(LMWORKS_API_KEY=KEY)
    assert KEY not in own and "LMWORKS_API_KEY" in own
    file.unlink()
    again = started()
    assert file.read_text().strip() in again and key not in again
