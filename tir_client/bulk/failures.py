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
"""Statuses of a server that is overloaded or has not started."""

FAILED_ROWS = 20
"""Consecutive failed rows after which the server counts as broken."""
REJECTED_ROWS = 100
"""Rejected rows, in a run without any answer, after which the settings count as wrong."""


class Verdict(Enum):
    """The kind of a failure, and what to do after it."""

    END = "no row would succeed"
    REFUSED = "the server is overloaded or not running: send the request again, with fewer at once"
    BROKEN = "send the request again, a limited number of times"
    SLOW = "the request timed out: store its error, and send fewer at once"
    FAILED = "the row itself cannot be answered: store its error"


def classify(failure: TIRError, *, any_answer: bool) -> Verdict:
    """Classify a failure.

    Args:
        failure: The error.
        any_answer: Whether the server has answered a row of this run. Before the first answer a 403 is about the
            token; later it may be about one prompt.
    """
    if isinstance(failure, ConfigurationError | AuthenticationError | NotFoundError) or failure.phase == CERTIFICATE:
        return Verdict.END
    if isinstance(failure, PermissionDeniedError) and not any_answer:
        return Verdict.END
    if isinstance(failure, APIStatusError) and failure.status_code in REFUSING:
        return Verdict.REFUSED
    if _is_unreachable(failure):
        return Verdict.REFUSED
    if is_retryable(failure):
        return Verdict.BROKEN
    return Verdict.SLOW if isinstance(failure, APITimeoutError) else Verdict.FAILED


@dataclass(slots=True)
class CircuitBreaker:
    """Ends a run whose server no longer answers, instead of storing an error for each remaining row.

    It opens after `FAILED_ROWS` failed rows without an answer between them. No further row fails then: requests are
    sent again, with pauses, until one is answered or `patience` seconds have passed.

    Args:
        patience: Seconds without an answer after which the run ends.
        has_answers: Whether earlier runs have stored answers.
        any_answer: Whether the server has answered a row of this run.
        since: When the first request failed after the last answer.
        failed: Rows that have failed since then because of the server.
        rejected: Rows that were rejected themselves before the first answer.
    """

    patience: float
    has_answers: bool = False
    any_answer: bool = False
    since: float | None = None
    failed: int = 0
    rejected: int = 0

    def answered(self) -> None:
        """Record an answer."""
        self.any_answer, self.since, self.failed = True, None, 0

    def check(self, failure: TIRError, verdict: Verdict, now: float) -> Verdict:
        """Record a failed request; return the verdict, which is to send it again while the breaker is open.

        Raises:
            TIRError: The failure, if there was no answer for `patience` seconds.
        """
        if verdict is Verdict.FAILED:  # the server responds
            self.since, self.failed = None, 0
            return verdict
        if verdict is Verdict.END:
            return verdict
        self.since = now if self.since is None else self.since
        if self.failed < FAILED_ROWS and not _is_unreachable(failure):
            return verdict
        if now - self.since >= self.patience:
            raise _ended(failure, f"The server has answered nothing for {now - self.since:.0f} seconds")
        return Verdict.REFUSED

    def row_failed(self, failure: TIRError, verdict: Verdict) -> None:
        """Record a row that is stored with its error.

        Raises:
            TIRError: The failure, if no row has ever been answered and too many were rejected.
        """
        if verdict is not Verdict.FAILED:
            self.failed += 1
        elif not (self.any_answer or self.has_answers):
            self.rejected += 1
            if self.rejected >= REJECTED_ROWS:
                raise _ended(failure, f"None of the first {self.rejected} rows was answered")


def _is_unreachable(failure: TIRError) -> bool:
    return isinstance(failure, APIConnectionError) and failure.phase == "connect"


def _ended(failure: TIRError, why: str) -> TIRError:
    """The error that ends the run; it has the class of the last failure."""
    return type(failure)(f"{why}, so the run has ended. Last error: {failure.message}", **failure.details())


@dataclass(slots=True)
class Attempts:
    """The failed requests of one row.

    Args:
        policy: How often a broken request is sent again, and after which pauses.
        retries: Broken requests so far.
        refusals: Refused requests so far.
        since: When the first failure was.
    """

    policy: RetryPolicy
    retries: int = 0
    refusals: int = 0
    since: float | None = None

    def pause(self, failure: TIRError, verdict: Verdict, now: float, breaker: CircuitBreaker) -> float | None:
        """Seconds until the row is sent again, in addition to pauses for all rows; None to store the error.

        Raises:
            TIRError: The failure, if it ends the run. A server that cannot be reached from the start ends it, because
                its address is probably wrong.
        """
        self.since = now if self.since is None else self.since
        if verdict is Verdict.BROKEN:
            self.retries += 1
            return self.policy.delay(self.retries, failure)
        if verdict is Verdict.REFUSED:
            self.refusals += 1
            if not _is_unreachable(failure):
                first = self.since if breaker.since is None else min(self.since, breaker.since)
                return 0.0 if now - first < breaker.patience else None
            if not breaker.any_answer and self.refusals > self.policy.max_retries:
                raise failure
            return 0.0
        if verdict is Verdict.END:
            raise failure
        return None
