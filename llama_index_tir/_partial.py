"""JSON that is still arriving. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import from_json

if TYPE_CHECKING:
    from llama_index_tir._content import Json

SMALL = 2_000
"""Characters that are parsed anew with each piece; a longer text only when it has grown by an eighth, for else the
time would grow with the square of its length."""


class PartialJson:
    """What can be known of an object that is not closed yet."""

    __slots__ = ("_known", "_size")

    def __init__(self) -> None:
        self._size = -1
        self._known: Json = {}

    def parse(self, text: str, *, whole: bool = False) -> Json:
        """The object that `text`, which only ever grows, begins; `{}` as long as it begins none."""
        if len(text) != self._size and (whole or len(text) <= SMALL or len(text) >= self._size * 9 / 8):
            self._size = len(text)
            self._known = _parse(text, self._known)
        return self._known


def _parse(text: str, known: Json) -> Json:
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return known
    return value if isinstance(value, dict) else known
