"""The servers of the fault matrix: one plays scripts; the others fail before they read a request."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Self

from tests.faults.status_cells import IN_30_SECONDS
from tests.waiting import PATIENCE
from tests.wire_server import WireServer

CERTIFICATE = Path(__file__).with_name("self_signed.pem")


class Servers:
    """The servers that the matrix calls. Use it as a context manager; it serves any number of cells in turn."""

    def __init__(self) -> None:
        self._line = WireServer([])
        self._stack = ExitStack()
        self._addresses: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self._line)
        closed = self._stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))  # bound and not listening, so that no other process gets the port
        self._addresses = {
            "line": self._line.host,
            "closed": "http://127.0.0.1:{1}".format(*closed.getsockname()),
            "not_tls": self._listen(_speak_http),
            "untrusted": self._listen(_show_certificate),
            "mute_tls": self._listen(None),
            "full": self._full(),
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def play(self, *scripts: Any) -> None:
        """Set a script for each connection, and forget earlier connections."""
        self._line._scripts = [[_dated(step) for step in script] for script in scripts]
        self._line.connections.clear()

    def address(self, template: str) -> str:
        """The URL to call."""
        return template.format(**self._addresses)

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        return self.received.count(b"POST /")

    @property
    def received(self) -> bytes:
        """All bytes that have arrived."""
        return b"".join(one.received for one in self._line.connections)

    def _listen(self, serve: Any) -> str:
        listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if serve is not None:
            self._stack.callback(listener.shutdown, socket.SHUT_RDWR)  # wakes the thread, which close does not
            threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
        return "https://127.0.0.1:{1}".format(*listener.getsockname())

    def _full(self) -> str:
        """A port whose queue is full, so that the system drops new connections."""
        listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = self._stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        return "http://127.0.0.1:{1}".format(*listener.getsockname())


def _dated(step: Any) -> Any:
    if not isinstance(step, bytes) or IN_30_SECONDS not in step[:2000]:
        return step
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    return step.replace(IN_30_SECONDS, date.encode())


def _accept(listener: socket.socket, serve: Any) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, suppress(OSError):
                client.settimeout(PATIENCE)
                serve(client)


def _speak_http(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def _show_certificate(client: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with context.wrap_socket(client, server_side=True) as secure:
        secure.recv(4096)
