"""Texts from the arguments, or from standard input."""

from __future__ import annotations

import sys

from tir_client import InvalidRequestError


def piped_text() -> str:
    """What is piped in; empty on a terminal.

    Raises:
        InvalidRequestError: It is not UTF-8.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequestError("Standard input is not UTF-8.") from None


def given_or_piped(texts: list[str] | None, name: str) -> list[str]:
    """The arguments, or else the lines of standard input that are not blank.

    Raises:
        InvalidRequestError: There are none.
    """
    piped = [] if texts else piped_text().splitlines()
    found = texts or [line for line in piped if line.strip()]
    if not found:
        raise InvalidRequestError(f"No {name}: give them as arguments, or one to a line on standard input.")
    return found
