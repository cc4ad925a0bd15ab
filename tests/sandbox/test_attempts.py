"""Nobody gets out of the sandbox, and nobody is paid for what a program does not do: as root, and as nobody.

Every attempt of `attempts.py` succeeds where there is no sandbox; so the table shows what the sandbox is for.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attempts import TABLE, Attempt

from once import once

pytestmark = pytest.mark.whole

USERS = {"root": 0, "nobody": 65534} if os.getuid() == 0 else {"user": os.getuid()}
MODES = ("without", "within", "within-namespaces")
Outcomes = dict[str, dict[str, dict[str, object]]]
"""By user and mode, of each attempt by its name."""


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Of every attempt, made once for all processes that test."""
    folder = once(tmp_path_factory, "attempts", attempt_all)
    return dict(json.loads((folder / "outcomes.json").read_text()))


def attempt_all(folder: Path) -> None:
    """The attempts of every user in every mode, written to a file."""
    pairs = list(itertools.product(USERS, MODES))
    with ThreadPoolExecutor(2) as pool:  # much of it is waiting
        found = zip(pairs, pool.map(lambda pair: make_all(*pair), pairs), strict=True)
        (folder / "outcomes.json").write_text(json.dumps({f"{user} {mode}": each for (user, mode), each in found}))


def make_all(user: str, mode: str) -> dict[str, dict[str, object]]:
    """The attempts of one user."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chown(folder, USERS[user], -1)
        command = [sys.executable, str(Path(__file__).with_name("attempter.py")), str(USERS[user]), mode, folder]
        environment = {**os.environ, "LMWORKS_SECRET": secrets.token_hex(12)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return dict(json.loads(ended.stdout))


def names(attempt: Attempt) -> str:
    return attempt.name.replace(" ", "-")


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("attempt", TABLE, ids=names)
def test_it_succeeds_without_the_sandbox(attempt: Attempt, user: str, outcomes: Outcomes) -> None:
    found = outcomes[f"{user} without"][attempt.name]
    done = found["paid"] and (found["seen"] or not attempt.seen)
    assert done or (attempt.system and "Error: [Errno" in str(found["said"]))


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("walls", MODES[1:])
@pytest.mark.parametrize("attempt", TABLE, ids=names)
def test_it_fails_within(attempt: Attempt, walls: str, user: str, outcomes: Outcomes) -> None:
    found = outcomes[f"{user} {walls}"][attempt.name]
    assert not found["paid"] and not found["seen"]
    assert str(found["said"]).startswith("failed: ") and "ModuleNotFound" not in str(found["said"])


@pytest.mark.parametrize("user", USERS)
def test_thirty_attempts_and_two_of_each_kind_succeed_without_the_sandbox(user: str, outcomes: Outcomes) -> None:
    found = outcomes[f"{user} without"]
    kinds = Counter(attempt.kind for attempt in TABLE if found[attempt.name]["paid"])
    assert kinds.total() >= 30 and set(kinds) == {attempt.kind for attempt in TABLE} and min(kinds.values()) >= 2
