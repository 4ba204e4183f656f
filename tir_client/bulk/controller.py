"""Decides how many requests may be under way at once, and when none may be sent. Pure: each method takes the time."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.errors import TIRError
    from tir_client.transport.retry import RetryPolicy

START = 8
"""Requests at once in the beginning."""
WINDOW = 16
"""Fewest answers from which the first-byte time is judged."""


class Controller:
    """Additive increase, multiplicative decrease, as TCP does it.

    The limit doubles from round to round until a request is refused (429, 502, 503, 504), then it grows by one a round.
    A refusal halves it, once for all requests that were sent before it. A pause holds for all requests: the server's
    `Retry-After`, or, if no request is answered between two refusals, the retry policy's pauses. The limit also shrinks
    where first bytes come later and the rate of answers does not grow (`FirstByteWatch`).

    Args:
        ceiling: The highest limit.
        policy: Its pauses; `patience` bounds `Retry-After`.
    """

    def __init__(self, ceiling: int, policy: RetryPolicy) -> None:
        self.resume_at = 0.0
        self._ceiling = float(ceiling)
        self._policy = replace(policy, max_retries=1_000_000)
        self._limit = float(min(ceiling, START))
        self._threshold = self._ceiling
        self._reduced_at = float("-inf")
        self._refusals = 0
        self._watch = FirstByteWatch()

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return int(self._limit)

    def answered(self, sent: float, first_byte: float, now: float) -> None:
        """Note an answer: when its request was sent, and how many seconds its first byte took."""
        self._refusals = 0
        if sent < self._reduced_at:
            return
        self._limit = min(self._ceiling, self._limit + (1.0 if self._limit < self._threshold else 1.0 / self._limit))
        changed = self._watch.add(first_byte, self._limit, now)
        if changed is not None:
            self._threshold = min(self._threshold, changed)
            self._limit, self._reduced_at = max(1.0, min(self._ceiling, changed)), now

    def refused(self, sent: float, failure: TIRError, now: float) -> None:
        """Note a refusal: when its request was sent, and the error, which may have a `retry_after`."""
        first_of_round = sent >= self._reduced_at
        if first_of_round:
            self._refusals += 1
            if self._refusals == 1:
                self._threshold = max(1.0, self._limit / 2)
            self._limit, self._reduced_at = max(1.0, self._limit / 2), now
            self._watch.restart(now)
        if failure.retry_after is not None or (first_of_round and self._refusals > 1):
            self.resume_at = max(self.resume_at, now + self._pause(failure))

    def slowed(self, sent: float, now: float) -> None:
        """Note an answer that did not come in time."""
        if sent >= self._reduced_at:
            self._threshold = self._limit = max(1.0, self._limit / 2)
            self._reduced_at = now
            self._watch.restart(now)

    def _pause(self, failure: TIRError) -> float:
        pause = self._policy.delay(max(1, self._refusals - 1), failure)
        return self._policy.patience if pause is None else pause


class FirstByteWatch:
    """Finds first bytes that come later because too many requests are under way.

    Servers that batch take longer with more requests, and still answer more of them in the same time. So two things
    count together: the median first-byte time is over twice the lowest one, and more requests at once do not bring more
    answers per second. If fewer requests do not bring the first bytes forward, the rows themselves take longer: the
    limit is put back, and the new time is the normal one.
    """

    RISE = 2.0
    CUT = 0.7

    def __init__(self) -> None:
        self._times: list[float] = []
        self._since: float | None = None
        self._lowest = float("inf")
        self._reference: tuple[float, float] | None = None
        self._trial: tuple[float, float] | None = None

    def restart(self, now: float) -> None:
        """Forget the answers so far: the limit has changed."""
        self._times, self._since = [], now

    def add(self, first_byte: float, limit: float, now: float) -> float | None:
        """Note an answer; return the new limit if it has to change."""
        if self._since is None:
            self._since = now - first_byte
        self._times.append(first_byte)
        if len(self._times) < max(WINDOW, limit):
            return None
        rate = len(self._times) / max(now - self._since, 1e-9)
        usual = median(self._times)
        self.restart(now)
        return self._judge(usual, rate, limit)

    def _judge(self, usual: float, rate: float, limit: float) -> float | None:
        if self._trial is not None:
            before, former = self._trial
            self._trial = None
            if usual > 0.9 * before:
                self._lowest, self._reference = usual, None
                return former
        self._lowest = min(self._lowest, usual)
        if self._reference is None or limit < self._reference[0]:
            self._reference = (limit, rate)
        fewer, reference = self._reference
        has_grown = limit >= 1.25 * fewer
        if usual > self.RISE * self._lowest and rate < reference * (1.05 if has_grown else 0.8):
            self._trial = (usual, limit)
            return limit * self.CUT
        if has_grown:
            self._reference = (limit, rate)
        return None
