"""A decoder of server-sent events: bytes in, events out. Pure.

It works on bytes because a text decoder that splits lines the Python way also splits at U+2028 and U+0085,
which are legal inside a JSON string. Only `data` matters here: vLLM sends neither `event` nor `id` on chat streams.
"""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")
BOM = b"\xef\xbb\xbf"


class SSEDecoder:
    """A push decoder: feed it pieces of the body, cut anywhere; it returns the events that are complete."""

    __slots__ = ("_after_cr", "_at_start", "_data", "_pending")

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._data: list[bytes] = []
        self._at_start = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add bytes; return the data of each event that they complete, in order."""
        if not self._data and not self._pending and (events := _whole_events(chunk)):
            self._at_start = self._after_cr = False
            return events
        if self._after_cr and chunk:
            # If a CRLF was split between two chunks, its LF must not end another line.
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if b"\n" not in chunk and b"\r" not in chunk:
            # Joined only at the end of the line, so a long event takes linear time.
            self._pending.append(chunk)
            return []
        if self._pending:
            self._pending.append(chunk)
            chunk = b"".join(self._pending)
        if self._at_start:
            chunk = self._without_bom(chunk)
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            *lines, rest = _LINE_END.split(chunk)
        else:
            *lines, rest = chunk.split(b"\n")
        self._pending = [rest] if rest else []
        return [event for line in lines if (event := self._line(line)) is not None]

    def close(self) -> list[bytes]:
        """End the body; return the data of a last event without a blank line after it.

        The specification drops it, but some servers close right after their last event.
        """
        rest = b"".join(self._pending)
        self._pending = []
        if rest:
            self._line(self._without_bom(rest) if self._at_start else rest)
        event = self._line(b"")
        return [] if event is None else [event]

    def _without_bom(self, chunk: bytes) -> bytes:
        self._at_start = False
        return chunk.removeprefix(BOM)

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            if not self._data:
                return None
            event = b"\n".join(self._data)
            self._data = []
            return event
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            self._data.append(b"")
        return None


def _whole_events(chunk: bytes) -> list[bytes]:
    """The events of a chunk that consists of complete one-line events, the usual case; else an empty list."""
    if not (chunk.startswith(b"data: ") and chunk.endswith(b"\n\n")) or b"\r" in chunk:
        return []
    events = chunk[6:-2].split(b"\n\ndata: ")
    return events if chunk.count(b"\n") == 2 * len(events) else []
