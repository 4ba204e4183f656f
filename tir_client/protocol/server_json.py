r"""Parses the JSON of a server, even if a gateway has split a character. Pure.

JSON writes a character beyond U+FFFF as two escapes, such as `\ud83d\ude42`. A gateway that cuts text by JavaScript's
lengths sends one half at the end of an event and the other in the next. Neither event is strict JSON.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

from tir_client.protocol.json_text import replace_half_escapes

_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb'%b%b|(?P<end>%b)(?=")|(?P<start>"%b)|\\.' % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)
"""An escape. The groups are half a character at the end or start of a string."""


def load(content: bytes) -> Any:
    """Parse a server's JSON. Half a character becomes U+FFFD.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return from_json(content)
    except ValueError:
        text = replace_half_escapes(content.decode(errors="surrogateescape"))
        return from_json(text.encode(errors="surrogateescape"))


def ends_in_half(event: bytes) -> bool:
    """Whether a string of the event ends in the first half of a character."""
    return _find(event, "end") is not None


def join_halves(event: bytes, following: bytes) -> tuple[bytes, bytes]:
    """Return both events; the half at the start of a string of `following` is moved into `event`."""
    end, start = _find(event, "end"), _find(following, "start")
    if end is None or start is None:
        return event, following
    low = start[0][1:]
    return (
        event[: end.end()] + low + event[end.end() :],
        following[: start.start() + 1] + following[start.end() :],
    )


def _find(event: bytes, kind: str) -> re.Match[bytes] | None:
    return next((found for found in _ESCAPE.finditer(event) if found.lastgroup == kind), None)
