"""A server between a test and another server, which counts the bytes that the other one sends."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Counted:
    """The address of the server between, and how many bytes came through it."""

    def __init__(self, address: str) -> None:
        self.address, self.sent = address, 0


@contextmanager
def counting(address: str) -> Iterator[Counted]:
    """Serve what another server serves, and count what it sends."""
    there = urlsplit(address)
    assert there.hostname and there.port

    class Between(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((there.hostname, there.port)) as other:
                upwards = threading.Thread(target=self.pass_on, args=(self.request, other), daemon=True)
                upwards.start()
                self.pass_on(other, self.request, counts=True)

        def pass_on(self, source: socket.socket, target: socket.socket, counts: bool = False) -> None:
            with suppress(OSError):
                while content := source.recv(2**16):
                    counted.sent += len(content) * counts
                    target.sendall(content)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Server(("127.0.0.1", 0), Between) as server:
        counted = Counted(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield counted
        server.shutdown()
