"""The retry policy: which failures are retried, and after which pause. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tir_client.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    EmptyAnswerError,
    ReportedError,
    StreamError,
    TIRError,
)
from tir_client.transport.failures import CERTIFICATE

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failures are retried. A failure is retried only before any part of the answer was yielded.

    Args:
        max_retries: Tries after the first; 0 for none.
        base: Seconds of the first pause; each further one is twice as long.
        ceiling: Longest pause in seconds, unless the server asks for a longer one.
        patience: Longest `Retry-After`, in seconds, that is waited for; a longer one is reported instead.
        jitter: Random part of a pause, 0 to 1, so that clients do not retry at the same time.
    """

    max_retries: int = 2
    base: float = 0.5
    ceiling: float = 8.0
    patience: float = 60.0
    jitter: float = 0.25

    def delay(self, attempt: int, failure: TIRError, chance: float | None = None) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        Args:
            attempt: Number of failed tries, from 1.
            failure: The last failure.
            chance: A number from 0 to 1 instead of a random one.
        """
        if attempt > self.max_retries or not is_retryable(failure):
            return None
        pause = min(self.ceiling, self.base * 2.0 ** min(attempt - 1, 1000))  # a larger exponent overflows a float
        pause *= 1 - self.jitter * (random.random() if chance is None else chance)  # noqa: S311 - no secret
        wish = failure.retry_after
        if wish is None:
            return pause
        return None if wish > self.patience else wish or pause


def is_retryable(failure: TIRError) -> bool:
    """Whether the same request may succeed if it is sent again."""
    if isinstance(failure, APITimeoutError):
        # Only while connecting: a slow answer would be slow again, and billed twice.
        return failure.phase == "connect"
    if isinstance(failure, APIStatusError):
        return failure.status_code in RETRIED
    if failure.phase == CERTIFICATE:
        return False
    return isinstance(failure, APIConnectionError | StreamError | EmptyAnswerError | ReportedError)
