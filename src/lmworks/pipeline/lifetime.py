"""Child processes that end when their parent does, even when it is killed."""

from __future__ import annotations

import os
import threading


def end_with_parent() -> None:
    """Call in a child whose standard input is a pipe held open by the parent: its closing ends the child."""

    def wait() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock, held at the end of the program, is a fatal error
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
