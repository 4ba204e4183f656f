"""Splits `<think>...</think>` from the text, for servers without a reasoning parser. Pure."""

from __future__ import annotations

from enum import Enum, auto

OPEN = "<think>"
CLOSE = "</think>"


class State(Enum):
    """Which part of the text the splitter is in."""

    START = auto()
    OPENED = auto()
    INSIDE = auto()
    CLOSED = auto()
    TEXT = auto()


class ThinkSplitter:
    """Splits a text that arrives in pieces, cut anywhere, into reasoning and answer.

    Only a tag at the very start begins reasoning: a later `<think>` is part of the answer. One line break inside each
    tag, and all line breaks after the closing tag, are dropped.
    """

    __slots__ = ("_held", "_spaces", "state")

    def __init__(self) -> None:
        self._held = ""
        self._spaces: list[str] = []
        self.state = State.START

    def feed(self, piece: str) -> tuple[str, str]:
        """Add a piece; return the reasoning and the text that are certainly not part of a tag."""
        if self.state is State.TEXT:
            return "", piece
        if self.state is State.START and not self._held and (not piece or piece.isspace()):
            self._spaces.append(piece)
            return "", ""
        self._held += piece
        reasoning = ""
        if self.state is State.START:
            self._read_start()
        if self.state is State.OPENED and self._held:
            self._held = self._held.removeprefix("\n")
            self.state = State.INSIDE
        if self.state is State.INSIDE:
            reasoning = self._read_inside()
        if self.state is State.CLOSED:
            self._held = self._held.lstrip("\r\n")
            self.state = State.TEXT if self._held else State.CLOSED
        return reasoning, self._release() if self.state is State.TEXT else ""

    def flush(self) -> tuple[str, str]:
        """End the text; return what was held back, as reasoning and text."""
        inside = self.state in {State.OPENED, State.INSIDE}
        self.state = State.TEXT
        held = self._release()
        return (held, "") if inside else ("", held)

    def _read_start(self) -> None:
        start = self._held.lstrip()
        if start.startswith(OPEN):
            self._held = start.removeprefix(OPEN)
            self._spaces = []
            self.state = State.OPENED
        elif not OPEN.startswith(start):
            self.state = State.TEXT

    def _read_inside(self) -> str:
        reasoning, closed, rest = self._held.partition(CLOSE)
        if closed:
            self._held = rest
            self.state = State.CLOSED
            return reasoning.removesuffix("\n")
        keep = len(self._held) - _overlap(self._held, "\n" + CLOSE)
        reasoning, self._held = self._held[:keep], self._held[keep:]
        return reasoning

    def _release(self) -> str:
        held, self._held, self._spaces = "".join([*self._spaces, self._held]), "", []
        return held


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of `text` could begin `tag`, or `tag` without its first character."""
    for size in range(min(len(tag) - 1, len(text)), 0, -1):
        if text.endswith((tag[:size], tag[1 : size + 1])):
            return size
    return 0
