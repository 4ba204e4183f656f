"""A server that is fast enough not to be the bottleneck: it finds the requested answer, and writes prepared bytes.

It supports just enough HTTP for the contenders, runs in its own process, and prints its port. `GET /connections`
returns the number of connections opened so far.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from benchmarks.bodies import MODEL, TIME, Answer, answer_to, as_json

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BACKLOG = 4096


class Exchange(asyncio.Protocol):
    """One connection."""

    opened = 0

    def __init__(self) -> None:
        self._received = bytearray()
        self._ready = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Exchange.opened += 1
        self._transport: Any = transport  # its declared type cannot write
        self._ready.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._writing is not None:
            self._writing.cancel()

    def pause_writing(self) -> None:
        self._ready.clear()

    def resume_writing(self) -> None:
        self._ready.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if found and len(body) >= (int(length[1]) if length else 0):
            self._received.clear()
            self._answer(bytes(head), bytes(body))

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /connections"):
            self._transport.write(as_json(Exchange.opened))
        elif head.startswith(b"GET"):
            self._transport.write(as_json({"object": "list", "data": [{"id": MODEL, "object": "model"}]}))
        else:
            self._writing = asyncio.ensure_future(self._write(answer_to(body)))

    async def _write(self, answer: Answer) -> None:
        due = time.monotonic()
        for data in answer.writes:
            if answer.pause and TIME in data:
                due += answer.pause
                await asyncio.sleep(due - time.monotonic())
                data = data.replace(TIME, b"%016.6f" % time.monotonic())  # noqa: PLW2901 - the same chunk with its time
            if not self._ready.is_set():
                await self._ready.wait()
            self._transport.write(data)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Exchange, "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
