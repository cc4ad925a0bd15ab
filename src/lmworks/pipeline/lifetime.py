"""Child processes that end when their parent does, even when it is killed."""

from __future__ import annotations

import os
import sys
import threading


def end_with_parent() -> None:
    """Call in a child whose standard input is a pipe held open by the parent: its closing ends the child."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
