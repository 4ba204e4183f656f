"""StartWait: the tries, pauses and log messages of a call while a deployment starts. No I/O."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from tir_client.errors import APITimeoutError
from tir_client.transport.failures import no_answer, start_exceeded

if TYPE_CHECKING:
    from tir_client.errors import TIRError
    from tir_client.transport.retry import StartPolicy

logger = logging.getLogger("tir_client")

LAST_TRY = 5.0
"""Minimum seconds for the first byte of a repeated try, even if `wait_for_start` is nearly over."""
SHORTEST_TRY = 0.2
"""Seconds left of `total` below which no further try begins."""


class StartWait:
    """The tries of a call that fail because a deployment has not started. They do not count as retries.

    Args:
        policy: How long the call is retried.
        url: The URL of the call.
        logged: The URLs that the client's calls wait for; the wait for each is logged once.

    Attributes:
        tries: The tries so far.
    """

    def __init__(self, policy: StartPolicy, url: str, logged: set[str]) -> None:
        self._policy = policy
        self._url = url
        self.tries = 0
        self._logged = logged
        self._began = math.nan
        self._runs = False
        self._bounds_try = False

    @property
    def waited(self) -> float:
        """Seconds since the first try began."""
        return 0.0 if math.isnan(self._began) else time.monotonic() - self._began

    @property
    def seconds_left(self) -> float | None:
        """Seconds that a try may wait for its first byte while the deployment may be starting; None without a wait.

        A repeated try that begins near the end has a few seconds.
        """
        if not self._policy.seconds or self._runs:
            return None
        left = self._policy.seconds - self.waited
        return max(left, min(LAST_TRY, self._policy.seconds)) if self.tries else max(left, 0.001)

    def begin_try(self, first_byte: float | None) -> None:
        """Record that a try begins, which waits for its first byte for at most `first_byte` seconds."""
        if math.isnan(self._began):
            self._began = time.monotonic()
        left = self.seconds_left
        self._bounds_try = left is not None and left < (first_byte or math.inf)

    def applies(self, failure: TIRError) -> bool:
        """Whether a failure may come from a starting deployment, and the call waits for it."""
        return self._policy.applies(failure)

    def pause(self, failure: TIRError, total_left: float) -> float | None:
        """Seconds to wait before the next try, or None if the time is over. The first wait is logged.

        Args:
            failure: The failure of the last try.
            total_left: Seconds left of `total`. A pause leaves time for the last try.
        """
        self.tries += 1
        self._runs = False
        pause = self._policy.delay(self.tries, failure, self.waited)
        if pause is None or self._was_silent(failure):
            self._logged.discard(self._url)
            return None
        if self._url not in self._logged:
            self._logged.add(self._url)
            reason = type(failure).__name__ if failure.status_code is None else f"HTTP {failure.status_code}"
            text = "%s: not ready (%s); trying for up to %g s, because it may be a deployment that is starting"
            logger.warning(text, self._url, reason, round(min(self._policy.seconds, total_left), 1))
        return pause if pause < total_left else max(total_left - 1, total_left / 2, SHORTEST_TRY)

    def error(self, failure: TIRError) -> TIRError:
        """The error to raise when the time is over, after the failure of the last try."""
        failure = no_answer(failure) if self._was_silent(failure) else failure
        return start_exceeded(failure, self.tries, self.waited, self._policy.seconds)

    def note_running(self) -> None:
        """Record that the server failed in another way, so it is not starting."""
        self._runs = True

    def note_started(self) -> None:
        """Log that the deployment has started, if the call waited for it."""
        if self.tries and self._url in self._logged:
            self._logged.discard(self._url)
            logger.info("%s: the deployment has started; waited %.1f s", self._url, self.waited)
        self.tries = 0

    def _was_silent(self, failure: TIRError) -> bool:
        """Whether the last try ended because the time was over."""
        return self._bounds_try and isinstance(failure, APITimeoutError)
