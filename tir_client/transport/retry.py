"""Decides which failures are retried, and when, for a running server and for one that is starting. No I/O."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from tir_client.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    ConfigurationError,
    NoAnswerError,
    StreamError,
    TIRError,
)
from tir_client.protocol.retry_after import PATIENCE
from tir_client.transport.failures import CERTIFICATE

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
STARTING = frozenset({502, 503, 504})
"""Statuses of a gateway while the deployment behind it starts."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How failures are retried: a stream until it has yielded something, a whole answer until it is complete.

    Args:
        max_retries: Maximum number of tries after the first; 0 for none.
        base: First pause in seconds; each further one is twice as long.
        ceiling: Longest pause in seconds, unless `Retry-After` is longer.
        patience: Longest `Retry-After` in seconds that is waited for; after a longer one the failure is raised.
        jitter: Random part of a pause, 0 to 1, which keeps clients from retrying at the same time.
    """

    max_retries: int = 2
    base: float = 0.5
    ceiling: float = 8.0
    patience: float = PATIENCE
    jitter: float = 0.25

    def __post_init__(self) -> None:
        """Check the number of tries.

        Raises:
            ConfigurationError: It is negative.
        """
        if self.max_retries < 0:
            raise ConfigurationError(f"`max_retries` must be 0 or more; it is {self.max_retries}.")

    def delay(self, tries: int, failure: TIRError, chance: float | None = None) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        Args:
            tries: Number of failed tries, from 1.
            failure: The last failure.
            chance: A number from 0 to 1 instead of a random one.
        """
        if tries > self.max_retries or not is_retryable(failure):
            return None
        pause = _growing(tries, self.base, self.ceiling, self.jitter, chance)
        retry_after = failure.retry_after
        if retry_after is None:
            return pause
        return None if retry_after > self.patience else retry_after or pause


@dataclass(frozen=True, slots=True)
class StartPolicy:
    """How long a call is retried while an idle deployment starts.

    An idle deployment starts at its first request. Until then its gateway answers with 502, 503 or 504, refuses the
    connection, or does not answer before a timeout; see `is_starting`.

    Args:
        seconds: How long, after the beginning of a call, new tries may begin and a try may wait for its first byte; 0
            for no retries. It must exceed a running model's time to the first byte.
        base: First pause in seconds; each further one is twice as long.
        ceiling: Longest pause in seconds, unless `Retry-After` is longer.
        jitter: Random part of a pause, 0 to 1, which keeps clients from retrying at the same time.
    """

    seconds: float = 0.0
    base: float = 1.0
    ceiling: float = 15.0
    jitter: float = 0.25

    @classmethod
    def of(cls, value: object) -> StartPolicy:
        """Build a policy from `wait_for_start`: seconds, or None or 0 for no retries.

        Raises:
            ConfigurationError: It is not a number, negative, or infinite.
        """
        if isinstance(value, StartPolicy):
            return value
        if value is None:
            return cls()
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ConfigurationError(f"`wait_for_start` must be a number of seconds, 0 for none; not {value!r}.")
        return cls(float(value))

    def applies(self, failure: TIRError) -> bool:
        """Whether a call is retried after `failure` while there is time."""
        return self.seconds > 0 and is_starting(failure)

    def delay(self, tries: int, failure: TIRError, waited: float, chance: float | None = None) -> float | None:
        """Seconds to wait before the next try, or None to give up. The last try begins at the end of the time.

        Args:
            tries: Number of tries that failed because the deployment had not started, from 1.
            failure: The last failure.
            waited: Seconds since the call began.
            chance: A number from 0 to 1 instead of a random one.
        """
        left = self.seconds - waited
        if left <= 0 or not self.applies(failure):
            return None
        return min(left, failure.retry_after or _growing(tries, self.base, self.ceiling, self.jitter, chance))


def _growing(tries: int, base: float, ceiling: float, jitter: float, chance: float | None) -> float:
    """The pause after `tries` failed tries: it doubles up to `ceiling`, and is shortened by its random part."""
    pause = min(ceiling, base * 2.0 ** min(tries - 1, 1000))  # a larger exponent overflows a float
    return pause * (1 - jitter * (random.random() if chance is None else chance))  # noqa: S311 - no secret


def is_starting(failure: TIRError) -> bool:
    """Whether a failure may come from a deployment that is starting: no connection, no answer, or a gateway's error."""
    if isinstance(failure, APIStatusError):
        return failure.status_code in STARTING
    return isinstance(failure, APIConnectionError) and failure.phase in {"connect", "first_byte"}


def is_retryable(failure: TIRError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(failure, APITimeoutError):
        # Only while connecting: a slow answer would probably be slow again, and billed twice.
        return failure.phase == "connect"
    if isinstance(failure, APIStatusError):
        return failure.status_code in RETRIED
    if failure.phase == CERTIFICATE:
        return False
    return isinstance(failure, APIConnectionError | StreamError | NoAnswerError)
