"""Decides whether a failed request is sent again, fails its row, or ends the run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tir_client.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    TIRError,
)
from tir_client.transport.failures import CERTIFICATE
from tir_client.transport.retry import is_retryable

if TYPE_CHECKING:
    from tir_client.transport.retry import RetryPolicy

REFUSING = frozenset({429, 502, 503, 504, 529})
"""Statuses of a server that has too much to do, or is not there yet."""


class Verdict(Enum):
    """What a failure means."""

    END = "no row would succeed"
    REFUSED = "the server has too much to do, or is not there: ask again, with fewer requests at once"
    BROKEN = "ask again, a limited number of times"
    SLOW = "the answer did not come in time: fewer requests at once"
    FAILED = "the row itself cannot be answered"


def judge(failure: TIRError, *, any_answer: bool) -> Verdict:
    """Decide what a failure means.

    Args:
        failure: The error.
        any_answer: Whether the server has answered a row of this run. A 403 before that is about the token, later it
            may be about one prompt.
    """
    if isinstance(failure, ConfigurationError | AuthenticationError | NotFoundError) or failure.phase == CERTIFICATE:
        return Verdict.END
    if isinstance(failure, PermissionDeniedError) and not any_answer:
        return Verdict.END
    if isinstance(failure, APIStatusError) and failure.status_code in REFUSING:
        return Verdict.REFUSED
    if isinstance(failure, APIConnectionError) and failure.phase == "connect":
        return Verdict.REFUSED
    if is_retryable(failure):
        return Verdict.BROKEN
    return Verdict.SLOW if isinstance(failure, APITimeoutError) else Verdict.FAILED


@dataclass(slots=True)
class Outage:
    """The time for which no connection to the server could be made. It is that of the run, not of one row.

    Args:
        patience: Seconds after which the run ends.
        since: When the first connection failed after the last answer.
    """

    patience: float
    since: float | None = None

    def answered(self) -> None:
        """Note that the server answered a request, if only with an error."""
        self.since = None

    def failed(self, failure: TIRError, now: float) -> None:
        """Note a failed request.

        Raises:
            APIConnectionError: The failure, if nothing has answered for as long as the patience.
        """
        if not isinstance(failure, APIConnectionError):
            self.answered()
        elif failure.phase == "connect":
            self.since = now if self.since is None else self.since
            if now - self.since >= self.patience:
                raise failure


@dataclass(slots=True)
class Attempts:
    """The failed requests of one row.

    Args:
        policy: How often a broken request is sent again, and after which pauses.
        patience: Seconds for which a refused request is sent again.
        retries: Broken requests so far.
        refusals: Refused requests so far.
        since: When the first failure was.
    """

    policy: RetryPolicy
    patience: float
    retries: int = 0
    refusals: int = 0
    since: float | None = None

    def pause(self, failure: TIRError, verdict: Verdict, now: float, *, any_answer: bool) -> float | None:
        """Seconds until the row is asked again, beside the pauses that hold for all rows; None to store the error.

        Raises:
            TIRError: The failure, if the run has to end: also if the server could not be reached from the start, as
                its address is probably wrong.
        """
        self.since = now if self.since is None else self.since
        if verdict is Verdict.BROKEN:
            self.retries += 1
            return self.policy.delay(self.retries, failure)
        if verdict is Verdict.REFUSED:
            self.refusals += 1
            if not isinstance(failure, APIConnectionError):
                return 0.0 if now - self.since < self.patience else None
            if not any_answer and self.refusals > self.policy.max_retries:
                raise failure
            return 0.0
        if verdict is Verdict.END:
            raise failure
        return None
