"""Delays of sign-in after wrong keys, for each client and for all clients together."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

FREE = 5
"""Number of wrong keys of a client before it must wait. Users who type the key need fewer tries."""
LONGEST_SECONDS = 30.0
"""Maximum wait of a client in seconds. Waits double from 1 s. Longer ones would lock out users of the same address."""
FORGET_SECONDS = 900.0
"""Seconds after its last wrong key until a client's count is forgotten."""
MOST_A_MINUTE = 60
"""Maximum number of wrong keys per minute of all clients together, also if an attacker uses many addresses."""
MOST_CLIENTS = 10_000
"""Maximum number of clients remembered. The client with the oldest wrong key is forgotten first."""


class Attempts:
    """Counts of wrong keys per client. `clock` gives the time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._wrong: deque[float] = deque(maxlen=MOST_A_MINUTE)

    def wait(self, client: str, *, is_known: bool = False) -> float:
        """Return the seconds until a client may try a key again. A known client does not wait because of others."""
        now = self._clock()
        number, last = self._clients.get(client, (0, now))
        own = min(LONGEST_SECONDS, 2.0 ** min(number - FREE, 30)) if number >= FREE else 0.0
        is_full = len(self._wrong) == MOST_A_MINUTE and not is_known
        overall = self._wrong[0] + 60 - now if is_full else 0.0
        return max(0.0, last + own - now, overall)

    def failed(self, client: str) -> None:
        """Count a wrong key of a client."""
        now = self._clock()
        number, last = self._clients.pop(client, (0, now))
        self._clients[client] = (number + 1 if now - last < FORGET_SECONDS else 1, now)
        self._wrong.append(now)
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)

    def succeeded(self, client: str) -> None:
        """Forget the wrong keys of a client."""
        self._clients.pop(client, None)
