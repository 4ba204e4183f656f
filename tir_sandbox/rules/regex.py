"""An example for a regular expression, for `pattern` in a schema and vLLM's `regex` outputs."""

import re

_CLASSES = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_MOST = 4096


def example_of(pattern: str) -> str:
    """Return a text that the pattern matches, of the kinds of patterns people write in schemas.

    Literals, classes, groups, alternatives and quantifiers are understood; look-around and references are not.
    """
    return _Reader(pattern.removeprefix("^").removesuffix("$")).alternatives()


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def alternatives(self) -> str:
        """Read up to the end of a group, and keep its first alternative."""
        first = self._sequence()
        while self._peek() == "|":
            self._at += 1
            self._sequence()
        return first

    def _sequence(self) -> str:
        out = ""
        while self._peek() not in ("", "|", ")"):
            out += self._quantified(self._atom())
        return out

    def _atom(self) -> str:
        char = self._take()
        if char == "(":
            if self._peek() == "?":
                while self._take() not in (":", ">", ""):
                    pass
            inner = self.alternatives()
            self._take()
            return inner
        if char == "[":
            return self._one_of()
        if char == "\\":
            escaped = self._take()
            return "" if escaped in "bBAZ" else _CLASSES.get(escaped, escaped)
        return {".": "a", "^": "", "$": ""}.get(char, char)

    def _one_of(self) -> str:
        end = self._pattern.index("]", self._at + 1)
        inside = self._pattern[self._at : end]
        self._at = end + 1
        if not inside.startswith("^"):
            return _CLASSES.get(inside[1], inside[1]) if inside.startswith("\\") else inside[0]
        inside = inside.replace("[", r"\[")
        return next((one for one in "a1-_ Z" if re.fullmatch(f"[{inside}]", one)), "~")

    def _quantified(self, atom: str) -> str:
        sign = self._peek()
        times = 1
        if sign in ("*", "+", "?"):
            self._at += 1
            times = 0 if sign in ("*", "?") else 1
        elif sign == "{" and (found := re.match(r"\{(\d+)(,\d*)?\}", self._pattern[self._at :])):
            self._at += found.end()
            times = int(found[1])
        if self._peek() == "?" and sign in ("*", "+", "?", "{"):
            self._at += 1
        return atom * min(times, _MOST)

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1 : self._at]
