"""Generates a text that matches a regular expression."""

import random
import re
from contextlib import suppress
from typing import Any

import rstr

from tir_sandbox import errors

_MOST_STEPS = 200_000


class _Shortest(random.Random):
    """A random source that makes rstr generate the same short text in every run, and limits its length."""

    def __init__(self, pattern: str) -> None:
        super().__init__(0)
        self._cost = len(pattern)
        self._left = _MOST_STEPS

    def randint(self, a: int, b: int) -> int:  # noqa: ARG002  (the signature of `Random`)
        """Return the lowest number of repetitions."""
        self._left -= a * self._cost
        if self._left < 0:
            raise OverflowError
        return a

    def choice(self, seq: Any) -> Any:
        """Return a letter or a digit, if there is one."""
        if all(isinstance(one, str) for one in seq):
            return min(seq, key=lambda one: (not one.isalnum(), one))
        return seq[0]


def example_of(pattern: str) -> str:
    """Return a text that matches a whole pattern.

    Raises:
        ApiError: 400, if the sandbox finds no text, as for most patterns with lookaheads or lookbehinds.
    """
    with suppress(re.error, KeyError, IndexError, OverflowError, RecursionError):
        text = rstr.Rstr(_Shortest(pattern)).xeger(pattern)
        if re.fullmatch(pattern, text):
            return text
    raise errors.cannot_fill(f"finds no text for the pattern {errors.brief(pattern)!r}")
