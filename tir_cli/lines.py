"""Texts from the arguments, or from the lines of the input."""

from __future__ import annotations

import sys

from tir_client import InvalidRequestError


def given_or_piped(texts: list[str] | None, name: str) -> list[str]:
    """The arguments, or else the lines of standard input that are not blank.

    Raises:
        InvalidRequestError: There are none.
    """
    piped = [] if texts or sys.stdin is None or sys.stdin.isatty() else sys.stdin.read().splitlines()
    found = texts or [line for line in piped if line.strip()]
    if not found:
        raise InvalidRequestError(f"No {name}: give them as arguments, or one to a line on standard input.")
    return found
