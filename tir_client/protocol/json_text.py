"""Parses JSON that a model wrote: tool arguments, or a value at the start of an answer or in a fence. Pure.

It is as lenient as LangChain's parsers: raw line breaks and tabs in strings are accepted, and text after the value is
ignored. The value may be complete or partial. In an answer, half a character becomes U+FFFD. Each function takes time
linear in the length of the text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder(strict=False)
_SMALL = 2_000
_PADDING = " \t\r\n`"
_FENCE = re.compile(r"```[\w+-]*\s*+(?=[{\[])", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_CONSTANT = re.compile(r'"(?:[^"\\]++|\\.)*+"?|-?Infinity|NaN', re.DOTALL)
_HALF = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]"
    r"|(u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u[^dD]|\\u[dD][^c-fC-F])|u[dD][c-fC-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape. The group is half a character, but not at the end of the text, where the other half may follow."""
_MARK = re.compile(r'["\\{}\[\]]')


def parse_json(text: str) -> Any:
    """Parse JSON that a model wrote. Raw control characters in strings are allowed.

    Raises:
        ValueError: It is not JSON, or is nested too deeply, such as the brackets of a model that repeats itself.
    """
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def find_json(text: str) -> Any:
    """Parse the JSON value of a whole answer, at its start or in a Markdown fence. Text after it is ignored.

    Raises:
        ValueError: There is no JSON value there, or it is cut off; nothing is repaired.
    """
    return _find(text)[0]


def find_json_source(text: str) -> str:
    """The source text of the JSON value that `find_json` parses, with control characters in strings escaped.

    Raises:
        ValueError: There is no JSON value.
    """
    return escape_controls(_find(text)[1])


def find_partial_json(text: str) -> Any:
    """Parse the beginning of a JSON object or array; None if `text` has none yet.

    For a complete object the result equals that of `find_json`.
    """
    for start in _starts(text):
        value = _parse_partial(text[start:])
        if value is not None:
            return value
    return None


def escape_controls(text: str) -> str:
    """`text` with raw control characters inside JSON strings escaped."""
    return _STRING.sub(lambda string: _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", string[0]), text)


def quote_constants(text: str) -> str:
    """`text` with NaN and the infinities as strings: Python's JSON allows them, the standard does not."""
    return _CONSTANT.sub(lambda found: found[0] if found[0].startswith('"') else f'"{found[0]}"', text)


def escape_surrogates(text: str) -> str:
    """JSON text with surrogates escaped, because UTF-8 cannot encode them. Its value is unchanged."""
    return text.encode("utf-8", "backslashreplace").decode()


def replace_surrogates(text: str) -> str:
    """`text` with U+FFFD in place of each lone surrogate, which UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def replace_half_escapes(text: str) -> str:
    """JSON text with U+FFFD in place of each escape of a lone surrogate, which pydantic refuses."""
    return _HALF.sub(lambda found: "\\ufffd" if found[1] else found[0], text)


def _find(text: str) -> tuple[Any, str]:
    """The JSON value in `text`, and its source text."""
    text = replace_half_escapes(text)
    for start in _starts(text):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            if _parse_partial(text[start:]) is not None:
                raise ValueError("the JSON is cut off, or nested too deeply") from None
            continue
        return value, text[start:end]
    return parse_json(text), text


def _starts(text: str) -> Iterator[int]:
    """The positions where an object or array may begin: the start, then the first fence that contains one."""
    start = len(text) - len(text.lstrip(_PADDING))
    if text[start : start + 1] in {"{", "["}:
        yield start
    if fence := _FENCE.search(text):
        yield fence.end()


def _parse_partial(text: str) -> Any:
    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        pass
    try:
        return from_json(replace_half_escapes(escape_controls(text)), allow_partial="trailing-strings")
    except ValueError:
        return None


class ValueEnd:
    """Finds the end of an object or array that arrives in pieces. Each piece is read once.

    Attributes:
        is_reached: Whether the value has ended.
        length: Characters that have arrived.
    """

    __slots__ = ("_depth", "_in_string", "_is_escaped", "is_reached", "length")

    def __init__(self) -> None:
        self.is_reached = False
        self.length = 0
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def feed(self, piece: str) -> None:
        """Take the next piece."""
        self.length += len(piece)
        skipped = 0 if self._is_escaped else -1
        for mark in _MARK.finditer(piece):
            if mark.start() == skipped:
                continue
            if mark[0] == "\\":
                skipped = mark.start() + 1
            elif mark[0] == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark[0] in "{[" else -1
                self.is_reached = self.is_reached or self._depth <= 0
        self._is_escaped = skipped == len(piece)


class PartialJson:
    """Parses an object while it arrives, in less than quadratic time.

    A text of up to 2,000 characters is parsed again with each piece, a longer one only when it has grown by an eighth.
    """

    __slots__ = ("_size", "_value")

    def __init__(self) -> None:
        self._size = -1
        self._value: dict[str, Any] = {}

    def parse(self, text: str, *, whole: bool = False) -> dict[str, Any]:
        """Parse the beginning of an object in `text`, to which each call may only append; `{}` until it begins.

        Set `whole` when the text is complete.
        """
        if len(text) != self._size and (whole or len(text) <= _SMALL or len(text) >= self._size * 9 / 8):
            self._size = len(text)
            value = find_partial_json(text)
            self._value = value if isinstance(value, dict) else self._value
        return self._value
