"""A loopback server that sends exact bytes, delays and resets, for tests below the level of HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Self

from tir_sandbox.delivery import reset_on_close

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

FOREVER = 3600.0

SEND_SECONDS = 60.0
"""Seconds until a client that does not read counts as stuck: long enough to send 50 MB to a slow client."""


class Step(Enum):
    """What a wire script can do besides sending bytes and waiting."""

    STALL = "say nothing more until the client leaves or the server stops"
    RESET = "reset the connection"
    CLOSE = "close the connection in good order"
    READ = "wait for one more request on the same connection"


STALL: Final = Step.STALL
RESET: Final = Step.RESET
CLOSE: Final = Step.CLOSE
READ: Final = Step.READ

Script = Sequence[bytes | float | Step]


@dataclass
class Connection:
    """What a `WireServer` saw of one connection.

    Args:
        received: All bytes the client sent.
        disconnected: The client closed or reset the connection while the script was running.
        disconnected_at: When that was seen (`time.monotonic`).
        stalled: The server has sent all that comes before a `STALL`.
        done: The script came to its end.
    """

    received: bytes = b""
    disconnected: bool = False
    disconnected_at: float | None = None
    stalled: bool = False
    done: bool = False

    @property
    def body(self) -> Any:
        """The first request's body, parsed."""
        return json.loads(self.received.partition(b"\r\n\r\n")[2])


class WireServer:
    """A loopback server that reads a request and then plays a script of bytes, delays (seconds) and steps.

    Args:
        scripts: One script for each connection; the last one serves all further connections.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts or ((CLOSE,),)
        self.connections: list[Connection] = []
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None

    @property
    def host(self) -> str:
        """The server's address, such as `http://127.0.0.1:40123`."""
        if self._listener is None:
            raise RuntimeError("the server is not running: use `with WireServer(...)`, or call `start()`")
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def base_url(self) -> str:
        """The address of an OpenAI-style API."""
        return f"{self.host}/v1"

    def start(self) -> Self:
        """Listen, and serve in a thread."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._spawn(self._accept, self._listener)
        return self

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        self._stopping.set()
        for thread in list(self._threads):
            thread.join(5)
        if self._listener is not None:
            self._listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name="tir-wire-server")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            script = self._scripts[min(len(self.connections), len(self._scripts) - 1)]
            self.connections.append(Connection())
            self._spawn(self._serve, client, script, self.connections[-1])

    def _serve(self, client: socket.socket, script: Script, seen: Connection) -> None:
        client.settimeout(0.02)
        with client:
            try:
                self._read_request(client, seen)
                self._play(client, script, seen)
                seen.done = True
            except ConnectionError:
                seen.disconnected, seen.disconnected_at = True, time.monotonic()

    def _play(self, client: socket.socket, script: Iterable[bytes | float | Step], seen: Connection) -> None:
        for step in script:
            if isinstance(step, bytes):
                _send(client, step)
            elif step is STALL:
                seen.stalled = True
                self._wait(client, seen, FOREVER)
            elif step is READ:
                self._read_request(client, seen)
            elif isinstance(step, Step):
                _leave(client, reset=step is RESET)
                return
            else:
                self._wait(client, seen, step)

    def _read_request(self, client: socket.socket, seen: Connection) -> None:
        request = b""
        while not self._stopping.is_set() and not _complete(request):
            data = _receive(client)
            request += data
            seen.received += data

    def _wait(self, client: socket.socket, seen: Connection, seconds: float) -> None:
        """Wait, but notice at once when the client disconnects."""
        end = time.monotonic() + seconds
        while not self._stopping.is_set() and time.monotonic() < end:
            seen.received += _receive(client)


def _receive(client: socket.socket) -> bytes:
    try:
        data = client.recv(65536)
    except TimeoutError:
        return b""
    if not data:
        raise ConnectionResetError
    return data


def _send(client: socket.socket, data: bytes) -> None:
    client.settimeout(SEND_SECONDS)
    client.sendall(data)
    client.settimeout(0.02)


def _leave(client: socket.socket, *, reset: bool) -> None:
    if reset:
        reset_on_close(client)
    else:
        with suppress(OSError):  # the client may be gone already
            client.shutdown(socket.SHUT_WR)


def _complete(request: bytes) -> bool:
    head, separator, body = request.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return b"transfer-encoding: chunked" not in head.lower() or body.endswith(b"0\r\n\r\n")
