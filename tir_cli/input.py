"""Reads texts from the arguments or from standard input."""

from __future__ import annotations

import sys

from tir_client import InvalidRequestError


def piped_text() -> str:
    """The text on standard input; empty if that is a terminal.

    Raises:
        InvalidRequestError: It is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequestError("Standard input is not UTF-8.") from None


def arguments_or_lines(texts: list[str] | None, name: str) -> list[str]:
    """The arguments, or else the non-blank lines of standard input.

    Raises:
        InvalidRequestError: Both are empty.
    """
    piped = [] if texts else piped_text().splitlines()
    found = texts or [line for line in piped if line.strip()]
    if not found:
        raise InvalidRequestError(f"No {name}: pass them as arguments, or one per line on standard input.")
    return found
