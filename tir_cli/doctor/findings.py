"""Finding: the result of one check. An error of a check becomes a finding."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tir_cli import exit_codes
from tir_cli.output import with_options
from tir_client import (
    APIConnectionError,
    APITimeoutError,
    BadRequestError,
    RateLimitError,
    ResponseError,
    StreamError,
    StreamServerError,
    TIRError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Mark(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Args:
        step: What was checked.
        mark: The outcome.
        seen: What the check observed.
        remedy: What to do about it.
        facts: Entries for the JSON output.
        code: The exit code, if this is the first failure.
    """

    step: str
    mark: Mark
    seen: str
    remedy: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    code: int = exit_codes.FAILED


Outcome = tuple[Mark, str, dict[str, Any]]
"""What a check returns: its mark, what it observed, and entries for the JSON output."""

NO_ABILITY = frozenset({400, 404, 405, 422, 501})
"""Statuses with which a server refuses a feature it lacks."""


def run_check(step: str, check: Callable[[], Outcome], *, ability: str | None = None) -> Finding:
    """Run a check and report an error as a failure.

    Args:
        step: The name of the step.
        check: The function that checks it.
        ability: The entry to set to False if the server refuses the request. A refusal is then a note, not a failure.
    """
    try:
        mark, seen, facts = check()
    except TIRError as error:
        if ability and (error.status_code in NO_ABILITY or isinstance(error, ResponseError)):
            seen, _, remedy = with_options(error.message).partition("\n")
            return Finding(step, Mark.NOTE, f"no: {seen}", remedy, {ability: False})
        return failure(step, error)
    return Finding(step, mark, seen, facts=facts)


_REMEDIES: tuple[tuple[type[TIRError], str], ...] = (
    (APITimeoutError, "The model may be busy or starting: try again, or allow more time with `--timeout`."),
    (APIConnectionError, "Try again; if it persists, look at the server's log, and at proxies on the way."),
    (StreamServerError, "The server itself failed: try again, and look at its log if you can."),
    (StreamError, "Whole answers arrive, but streams do not: a proxy or gateway on the way may cut them. Try again."),
    (RateLimitError, "The server has too many requests, or your quota is used up: wait a while, and try again."),
    (BadRequestError, "The server refuses a plain question: is this a chat model?"),
)
"""Advice for errors whose message has none, or none for the command line."""


def failure(step: str, error: TIRError) -> Finding:
    """The finding for a failed step, with advice for its error."""
    seen, _, advice = with_options(error.message).partition("\n")
    remedy = next((text for kind, text in _REMEDIES if isinstance(error, kind)), advice)
    return Finding(step, Mark.FAILED, f"{type(error).__name__}: {seen}", remedy, code=exit_codes.exit_code(error))
