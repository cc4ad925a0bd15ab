"""Who comes in."""

from __future__ import annotations

import http.client
import logging
import shutil
import stat
from pathlib import Path

import httpx
import pytest

from live_server import CHAT, KEY, PAGE, Live
from lmworks.engines.decoder import DecoderEngine
from lmworks.errors import LmworksError, UsageError
from lmworks.serve.access import Access, load_or_make_key
from lmworks.serve.app import create_app
from lmworks.serve.service import Service


def raw(live: Live, method: str, target: str, headers: dict[str, str] | None = None) -> int:
    """The status of a request whose target goes out as it stands: clients tidy up paths."""
    connection = http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=30)
    connection.putrequest(method, target)
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_every_route_but_two_asks_for_the_key(live: Live, engine: DecoderEngine) -> None:
    app = create_app(Service(engine, ["any"]), KEY, [PAGE])
    routes = [(route.path, method) for route in app.routes for method in [*route.methods, "OPTIONS"]]  # type: ignore[attr-defined]
    assert len(routes) > 12
    for path, method in routes:
        target = path.replace("{name}", "chat.js").replace("{model:path}", "a/b")
        status = raw(live, method, target)
        assert status == (401 if path not in ("/livez", "/readyz") else 405 if method == "OPTIONS" else 200), path


@pytest.mark.parametrize(
    "target",
    [
        "//v1/models",
        "/V1/models",
        "/v1/../v1/models",
        "/livez/../v1/models",
        "/livez/",
        "/livez//v1/models",
        "/livez%2f..%2fv1%2fmodels",
        "/%76%31/models",
        "/v1/models?path=/livez",
        "/v1/models#/livez",
        "http://127.0.0.1/livez/../v1/models",
        "/page/content.json",
        "/docs",
        "/openapi.json",
        "/favicon.ico",
    ],
)
def test_no_spelling_of_a_path_gets_past_the_gate(live: Live, target: str) -> None:
    assert raw(live, "GET", target) == 401
    assert raw(live, "HEAD", target) == 401


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Bearer  {KEY}", f"Bearer {KEY.upper()}",
     f"Basic {KEY}", KEY, "Bearer ключ".encode().decode("latin-1"), "Bearer \x00"],
)  # fmt: skip
def test_nothing_but_the_key_is_the_key(live: Live, value: str) -> None:
    assert raw(live, "GET", "/v1/models", {"Authorization": value}) in (400, 401)  # 400: not HTTP at all


def test_the_key_opens_whatever_the_case_of_its_scheme(live: Live) -> None:
    for scheme in ("Bearer", "bearer"):
        assert raw(live, "GET", "/v1/models", {"Authorization": f"{scheme} {KEY}"}) == 200
    assert raw(live, "GET", f"/v1/models?api_key={KEY}") == 401


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        lengths.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr("lmworks.serve.access.hmac.compare_digest", compare)
    access = Access(KEY)
    assert [access.has_key(key) for key in ("", KEY[:5], KEY)] == [False, False, True]
    assert lengths == [(32, 32)] * 3
    assert KEY not in repr(vars(access))


def test_signing_in_gives_a_session_that_is_not_the_key(live: Live) -> None:
    with live.http(key=None) as http:
        form = http.get("/")
        assert form.status_code == 401
        assert "<form" in form.text
        assert http.post("/", data={"key": "wrong"}).status_code == 401
        assert http.post("/", data={"key": "a" * 5_000}).status_code == 413
        assert http.post("/", content=b"\xff\xfe").status_code == 401
        assert not http.cookies
        sent_on = http.post("/", data={"key": KEY})
        assert (sent_on.status_code, sent_on.headers["location"][:8]) == (307, "session-"), "relative, for proxies"
        place = f"/{sent_on.headers['location']}"
        assert http.post(place, data={"key": "wrong"}).status_code == 401
        assert http.post("/session-0123/", data={"key": KEY}).headers["location"] == f"..{place}"
        assert not http.cookies
        entered = http.post(place, data={"key": KEY})
        assert (entered.status_code, entered.headers["location"]) == (303, "./")
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert KEY not in cookie
        assert "Path" not in cookie, "then it is that of the place, wherever a proxy puts it"
        assert http.get(place).status_code == 200
        assert http.get(f"{place}v1/models").status_code == 200
        assert http.get("/v1/models").status_code == 401, "a browser sends the cookie to its path alone"
        name, value = next(iter(http.cookies.items()))
    assert raw(live, "GET", f"{place}v1/models", {"Cookie": f"{name}={value}"}) == 200
    assert raw(live, "GET", "/v1/models", {"Cookie": f"{name}={value}"}) == 401, (
        "sent to another port, it opens nothing"
    )
    for forged in (value[:-1] + ("0" if value[-1] != "0" else "1"), KEY, ""):
        assert raw(live, "GET", f"{place}v1/models", {"Cookie": f"{name}={forged}"}) == 401
    former = raw(live, "GET", "/session-0123/", {})
    assert former == 401


def signed_in(http: httpx.Client) -> str:
    """The place where its session counts."""
    place = f"/{http.post('/', data={'key': KEY}).headers['location']}"
    assert http.post(place, data={"key": KEY}).status_code == 303
    return place


def test_another_site_cannot_ask_with_a_session(live: Live) -> None:
    """What a page elsewhere can send without asking first has one of these types, or none."""
    with live.http(key=None) as http:
        place = signed_in(http)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            asked = http.post(f"{place}v1/chat/completions", content=b"{}", headers={"Content-Type": kind})
            assert asked.status_code == 415
        answer = http.get(f"{place}v1/models", headers={"Origin": "http://elsewhere.example"})
        assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_another_port_sends_nothing_with_a_session(live: Live) -> None:
    with live.http(key=None) as http:
        place = signed_in(http)
        for site, status in {"same-origin": 200, "same-site": 401, "cross-site": 401}.items():
            asked = http.post(
                f"{place}v1/chat/completions", json=CHAT | {"max_tokens": 1}, headers={"sec-fetch-site": site}
            )
            assert asked.status_code == status, site


def test_every_answer_carries_the_security_headers(live: Live) -> None:
    with live.http() as http, live.http(key=None) as stranger:
        for answer in (http.get("/"), http.get("/v1/models"), stranger.get("/"), stranger.get("/x"), http.get("/x")):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-request-id"].startswith("req-")
        page = http.get("/").text
    assert "<script>" not in page
    assert "style=" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_log_has_no_prompt_no_key_and_no_answer(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="lmworks"), live.http() as http:
        asked = CHAT | {"max_tokens": 40, "messages": [{"role": "user", "content": "canary"}]}
        answer = http.post("/v1/chat/completions?q=canary", json=asked).json()["choices"][0]["message"]["content"]
        http.get("/v1/models/x%0aforged line")
    lines = [record.getMessage() for record in caplog.records if record.name == "lmworks.access"]
    assert len(lines) == 2
    assert "POST /v1/chat/completions 200" in lines[0]
    assert "\n" not in lines[1]
    assert not any(secret in caplog.text for secret in ("canary", KEY, answer))


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LMWORKS_API_KEY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "store"
    folder.mkdir()
    key = load_or_make_key(folder).key
    assert len(key) > 40
    assert load_or_make_key(folder).key == key
    (tmp_path / "link").symlink_to(folder)
    assert load_or_make_key(tmp_path / "link").key == key
    (file,) = (tmp_path / "state" / "lmworks" / "keys").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    with pytest.raises(LmworksError, match="chmod 600"):
        load_or_make_key(folder)


def test_a_copied_store_brings_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LMWORKS_API_KEY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "store").mkdir()
    key = load_or_make_key(tmp_path / "store").key
    assert list((tmp_path / "store").iterdir()) == []
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert load_or_make_key(tmp_path / "copy").key != key
    (tmp_path / "copy" / "api-key").write_text("planted-by-a-stranger")
    (tmp_path / "copy" / "api-key").chmod(0o600)
    with pytest.raises(UsageError, match=r"copy/api-key: delete this file\. .* set LMWORKS_API_KEY"):
        load_or_make_key(tmp_path / "copy")
    monkeypatch.setenv("LMWORKS_API_KEY", KEY)
    with pytest.raises(UsageError, match=r"copy/api-key: delete this file"):
        load_or_make_key(tmp_path / "copy")


@pytest.mark.parametrize("home", ["none", "not to be written"])
def test_where_there_is_no_place_for_a_key_it_is_said_how_to_give_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    for name in ("LMWORKS_API_KEY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 9)
    if home != "none":
        monkeypatch.setenv("HOME", "/proc")
    with pytest.raises(LmworksError, match=r"^no place .*: set LMWORKS_API_KEY, or XDG_STATE_HOME"):
        load_or_make_key(tmp_path)


def test_the_environment_wins_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_API_KEY", "from-outside-001")
    assert load_or_make_key(tmp_path).key == "from-outside-001"
    assert list(tmp_path.iterdir()) == []
    for unusable in ("", "of more than two words", "schlüssel-schlüssel", "line-after-line-1\n"):
        monkeypatch.setenv("LMWORKS_API_KEY", unusable)
        with pytest.raises(UsageError, match="LMWORKS_API_KEY: a key must be one word of printable ASCII"):
            load_or_make_key(tmp_path)


@pytest.mark.parametrize("short", ["k", "15-letters-long"])
def test_a_key_that_can_be_guessed_is_refused(short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMWORKS_API_KEY", short)
    with pytest.raises(UsageError, match=rf"LMWORKS_API_KEY: .* {len(short)} characters.* at least 16") as told:
        load_or_make_key(tmp_path)
    assert "letters" not in str(told.value), "the key itself is not told"
    monkeypatch.delenv("LMWORKS_API_KEY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    load_or_make_key(tmp_path)
    (file,) = (tmp_path / "lmworks" / "keys").iterdir()
    file.write_text(short)
    with pytest.raises(UsageError, match=r"keys/.*: .* at least 16 .*, or delete the file"):
        load_or_make_key(tmp_path)
