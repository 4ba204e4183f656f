"""Cell, Case, Right and Fails: the rows of the fault matrix, what the server does, and which outcome is right.

Each cell is run with both integrations, sync and async, streamed and whole; `python -m tests.faults.report` runs the
same cells with other libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.response_bytes import TEXT, USAGE
from tests.wire_server import Script

PATIENT = {"connect": 20.0, "first_byte": 20.0, "chunk": 20.0}


@dataclass(frozen=True, kw_only=True)
class Right:
    """The call succeeds.

    Attributes:
        text: The whole text of the answer.
        tries: How many requests are made.
        pauses: Seconds between them that the server requests.
        usage: Token counts that are reported; None where the server reports none.
    """

    text: str = TEXT
    tries: int = 1
    pauses: Sequence[float] | None = None
    usage: dict[str, int] | None = field(default_factory=lambda: dict(USAGE))


@dataclass(frozen=True, kw_only=True)
class Fails:
    """The call raises.

    Attributes:
        error: Name of the class in `tir_client`.
        mentions: Parts of the server's message or of our advice that the error's message must contain.
        status: The HTTP status that the error carries.
        phase: The phase of a connection or timeout error.
        partial: The text that had arrived; None if nothing had.
        identified: The error carries the server's id of the request.
        retry_after: The `retry_after` of the error.
        tries: How many requests are made.
        pauses: Seconds between them that the server requests.
    """

    error: str
    mentions: Sequence[str] = ()
    status: int | None = None
    phase: str | None = None
    partial: str | None = None
    identified: bool = True
    retry_after: float | None = None
    tries: int = 1
    pauses: Sequence[float] | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the server does in one mode, and the right outcome.

    Attributes:
        scripts: Its scripts, one for each connection; the last one is for all further connections.
        expected: The outcome that is right.
    """

    scripts: Sequence[Script]
    expected: Right | Fails


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of the matrix.

    Attributes:
        name: What happens, in words.
        group: Its heading in the report.
        whole: The case for a whole answer, if there is one.
        stream: The case for a stream, if there is one.
        address: Where the call goes; the names in braces are in `Servers`.
        reached: Whether requests reach a server, so that they can be counted.
        timeouts: The timeout of each phase, in seconds.
    """

    name: str
    group: str
    whole: Case | None = None
    stream: Case | None = None
    address: str = "{line}/v1"
    reached: bool = True
    timeouts: dict[str, float] = field(default_factory=lambda: dict(PATIENT))


def hasty(phase: str, seconds: float = 0.25) -> dict[str, float]:
    """Timeouts that are long for all phases but one."""
    return {**PATIENT, phase: seconds}


def both(name: str, group: str, script: Script | Sequence[Script], expected: Right | Fails, **fields: Any) -> Cell:
    """A cell whose server does the same in both modes."""
    case = Case(scripts=scripts_of(script), expected=expected)
    return Cell(name=name, group=group, whole=case, stream=case, **fields)


def case(script: Script | Sequence[Script], expected: Right | Fails) -> Case:
    """A case of one script, or of one for each connection."""
    return Case(scripts=scripts_of(script), expected=expected)


def scripts_of(script: Script | Sequence[Script]) -> Sequence[Any]:
    """A list of scripts, of one script or of several."""
    several = bool(script) and all(isinstance(one, list) for one in script)
    return list(script) if several else [script]
