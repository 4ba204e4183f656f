"""Removes stop words from the end of text, because vLLM leaves them in gpt-oss's text. Pure.

vLLM matches stop words against the raw output of gpt-oss, reasoning, tool calls and markers included, and leaves the
word in the output. An answer that was stopped before its text, or inside a tool call, is requested again by
`stopped_answer`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.protocol.requests import ChatRequest

_MARKERS = re.compile(r"(?:<\|[a-z_]++\|>[\w ]*+)+")
"""The rest of a marker that stays in the text after a stop word matched the name of a channel or role."""


class StopCutter:
    """Cuts the text of one choice at the stop word that ended it.

    Text that may be part of a stop word is held back, and released if the server did not stop there.

    Args:
        words: The stop words.
        last: Cut at the last stop word: with `min_tokens`, the server ignores earlier ones.

    Attributes:
        cut: Whether the text ended at a stop word.
        leaked: Whether the stop word matched the name of a channel or role, which is removed from the text.
    """

    __slots__ = ("_all", "_last", "_pieces", "_words", "cut", "leaked")

    def __init__(self, words: list[str], *, last: bool = False) -> None:
        self._words = words
        self._last = last
        self._pieces: list[str] = []
        self._all = False
        self.cut = False
        self.leaked = False

    @property
    def held(self) -> str:
        """The text that is held back."""
        return "".join(self._pieces)

    def feed(self, piece: str, *, first: bool) -> str:
        """Add a piece, `first` if it begins the text; return the text that is not part of a stop word."""
        if self._all:
            self._pieces.append(piece)
            return ""
        text = self.held + piece
        found = _first_stop(text, self._words)
        self._all = found is not None or (first and text.startswith("<|"))
        if first and text[:2] in ("<", "<|"):
            start = 0
        else:
            start = len(text) - _overlap(text, self._words) if found is None else found[0]
        self._pieces = [text[start:]]
        return text[:start]

    def end(self, stop_reason: object) -> str:
        """End the choice; return the rest of its text."""
        rest, self._pieces, self._all = self.held, [], False
        if not isinstance(stop_reason, str) or stop_reason not in self._words or stop_reason not in rest:
            return rest
        place = rest.rfind(stop_reason) if self._last else (_first_stop(rest, self._words) or (0, ""))[0]
        self.leaked = _MARKERS.fullmatch(rest) is not None
        self.cut = not self.leaked
        return rest[:place] if self.cut else ""


def stop_words(request: ChatRequest) -> list[str]:
    """The stop words in `request`, `extra_body` included."""
    stop = (request.extra_body or {}).get("stop", request.stop) or []
    return [stop] if isinstance(stop, str) else [word for word in stop if word]


def stop_cutter(request: ChatRequest) -> StopCutter | None:
    """A cutter for a choice of the answer to `request`, or None if its text is not cut."""
    words = stop_words(request)
    if not words or keeps_stop_word(request):
        return None
    return StopCutter(words, last=bool((request.extra_body or {}).get("min_tokens", request.min_tokens)))


def keeps_stop_word(request: ChatRequest) -> bool:
    """Whether the stop word stays in the text, as the request sets it."""
    return bool((request.extra_body or {}).get("include_stop_str_in_output"))


def request_without_stop(request: ChatRequest, choices: int) -> ChatRequest:
    """A copy of `request` without stop words, with `n` set to `choices`."""
    extra = {name: value for name, value in (request.extra_body or {}).items() if name != "stop"}
    number = request.n if request.n is None else choices
    return request.model_copy(update={"stop": None, "n": number, "extra_body": extra or None})


def cut_at_stop(text: str, words: list[str], *, keep: bool = False) -> tuple[str, str | None]:
    """`text` up to the first of `words` (included with `keep`), and the word; None if none occurs."""
    found = _first_stop(text, words)
    if found is None:
        return text, None
    place, word = found
    return text[: place + len(word) if keep else place], word


def _first_stop(text: str, words: list[str]) -> tuple[int, str] | None:
    return min(((text.find(word), word) for word in words if word in text), default=None)


def _overlap(text: str, words: list[str]) -> int:
    """How many characters at the end of `text` could begin one of `words`."""
    most = max(map(len, words)) - 1
    return next(
        (size for size in range(min(most, len(text)), 0, -1) if any(word.startswith(text[-size:]) for word in words)), 0
    )
