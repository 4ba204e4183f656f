"""Observer: records the traffic of an httpx client, the number of requests and the end of the last response body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT = 64


class Observer:
    """Records the traffic of an httpx client.

    Attributes:
        requests: Number of requests sent.
        tail: The last bytes of the last response body.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.tail = b""

    def client(self) -> httpx.Client:
        """A client whose traffic is recorded."""
        return httpx.Client(event_hooks={"request": [self._count], "response": [self._keep]})

    def _count(self, _: httpx.Request) -> None:
        self.requests += 1
        self.tail = b""

    def _keep(self, response: httpx.Response) -> None:
        response.stream = _Kept(response.stream, self)  # type: ignore[arg-type]  # a sync client's


class _Kept(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, observer: Observer) -> None:
        self._stream = stream
        self._observer = observer

    def __iter__(self) -> Iterator[bytes]:
        for data in self._stream:
            self._observer.tail = (self._observer.tail + data)[-_KEPT:]
            yield data

    def close(self) -> None:
        self._stream.close()
