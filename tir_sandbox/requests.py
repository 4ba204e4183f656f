"""What the sandbox has seen of a request, for tests to look at."""

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """One request, and how its answer went.

    Args:
        method: `GET`, `POST` ...
        path: The path without the query.
        query: The query's parameters.
        headers: The headers, names in lower case.
        raw: The body's bytes.
        body: The body parsed as JSON, or None.
        finished: The answer was sent to its end.
        disconnected: The client went away before that.
        sent: How many stream events were written.
        at: When the request had arrived (`time.monotonic`).
        disconnected_at: When the client was seen to be gone.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    body: Any = None
    finished: bool = False
    disconnected: bool = False
    sent: int = 0
    at: float = field(default_factory=time.monotonic)
    disconnected_at: float | None = None

    def client_left(self) -> None:
        """Note that the client went away before the answer was complete."""
        if not self.finished and not self.disconnected:
            self.disconnected = True
            self.disconnected_at = time.monotonic()
