"""A PostgreSQL server of our own, in a folder that goes with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "hunter2-never-in-a-log"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Its address without the password of user `me`: postgresql://me:{}@127.0.0.1:PORT/postgres."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert installed, "there is no PostgreSQL: apt-get install postgresql"
    newest = installed[-1].parent
    as_user: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.geteuid() == 0:  # the server refuses to run as root
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(folder, "postgres", "postgres")
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = folder / "data"
        made = [newest / "initdb", "-D", data, "-U", "me", "-A", "scram-sha-256", "--pwfile", secret, "--no-sync"]
        subprocess.run([*as_user, *made, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, cwd=folder)
        port = _free_port()
        listen = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with subprocess.Popen(
            [*as_user, newest / "postgres", "-D", data, *listen], cwd=folder, stderr=subprocess.DEVNULL
        ) as server:
            try:
                _wait_for(port, server)
                yield f"postgresql://me:{{}}@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # its fast shutdown
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        assert server.poll() is None, "the server did not start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not answer")
