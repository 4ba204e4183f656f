"""Decides how many requests of a bulk run may be under way, from the answers so far; the gate applies it. Pure.

Each method takes the time.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.errors import TIRError
    from tir_client.transport.retry import RetryPolicy

START = 8
"""Requests at once in the beginning."""
IGNORED = 4
"""Rounds of refusals with `Retry-After: 0`, and without an answer, after which there are pauses all the same."""


class Controller:
    """Additive increase, multiplicative decrease, as TCP does it.

    A round is as many answers as the limit, to requests that were sent since the limit changed. At its end the limit
    doubles, and after the first refusal (429, 502, 503, 504) it grows by one. A refusal halves it, once for all
    requests that were sent before. It also shrinks if `FirstByteWatch` finds that the server is overloaded.

    A pause holds for all requests: the server's `Retry-After`, or, if no request is answered between two refusals, the
    pauses of the retry policy. `Retry-After: 0` means that there is no pause, unless `IGNORED` rounds of refusals came
    without an answer between them.

    Args:
        ceiling: The highest limit.
        policy: Its pauses; `patience` bounds `Retry-After`.

    Attributes:
        limit: Requests that may be under way at once.
        resume_at: When the present pause ends.
    """

    def __init__(self, ceiling: int, policy: RetryPolicy) -> None:
        self.limit = min(ceiling, START)
        self.resume_at = 0.0
        self._ceiling = ceiling
        self._threshold = ceiling
        self._policy = replace(policy, max_retries=1_000_000)
        self._changed_at = self._reduced_at = float("-inf")
        self._refusals = 0
        self._watch = FirstByteWatch()
        self._first_bytes: list[float] = []
        self._seconds: list[float] = []

    def answered(self, sent: float, first_byte: float, now: float) -> None:
        """Note an answer: when its request was sent, and how many seconds its first byte took."""
        self._refusals = 0
        if sent < self._changed_at:
            return
        self._first_bytes.append(first_byte)
        self._seconds.append(now - sent)
        if len(self._seconds) >= self.limit:
            self._end_round(now)

    def refused(self, sent: float, failure: TIRError, now: float) -> None:
        """Note a refusal: when its request was sent, and the error, which may have a `retry_after`."""
        first_of_round = sent >= self._reduced_at
        if first_of_round:
            self._refusals += 1
            self._halve(now, is_new=self._refusals == 1)
        unanswered = IGNORED if failure.retry_after == 0 else 1
        if failure.retry_after or (first_of_round and self._refusals > unanswered):
            self.resume_at = max(self.resume_at, now + self._pause(failure))

    def slowed(self, sent: float, now: float) -> None:
        """Note an answer that did not come in time."""
        if sent >= self._reduced_at:
            self._halve(now, is_new=True)

    def _end_round(self, now: float) -> None:
        first_byte, rate = median(self._first_bytes), self.limit / max(fmean(self._seconds), 1e-9)
        overloaded = self._watch.judge(self.limit, first_byte, rate) if self.limit >= START else None
        if overloaded is not None:
            self._threshold = overloaded
            self._change(overloaded, now)
        elif self.limit < self._threshold:
            self._change(min(2 * self.limit, self._threshold), now)
        else:
            self._change(self.limit + 1, now)

    def _halve(self, now: float, *, is_new: bool) -> None:
        half = max(1, self.limit // 2)
        if is_new:
            self._threshold = half
        self._change(half, now)

    def _change(self, limit: int, now: float) -> None:
        if limit < self.limit or self.limit < self._ceiling:
            self._changed_at = now
        if limit <= self.limit:
            self._reduced_at = now
        self.limit = min(limit, self._ceiling)
        self._first_bytes.clear()
        self._seconds.clear()

    def _pause(self, failure: TIRError) -> float:
        pause = self._policy.delay(max(1, self._refusals - 1), failure)
        return self._policy.patience if pause is None else pause


class FirstByteWatch:
    """Finds out that too many requests are under way, by first bytes that come later.

    Servers that batch take longer with more requests, and still answer more of them in the same time. So two things
    count together: the first-byte time is over twice the lowest one, and more requests at once have not brought more
    answers per second. If fewer requests do not bring the first bytes forward, the rows themselves take longer: the
    limit is put back, and the new time is the usual one.
    """

    RISE = 2.0
    CUT = 0.7
    GROWN = 1.25
    GAIN = 1.05
    LOSS = 0.8
    HELPS = 0.9

    def __init__(self) -> None:
        self._lowest = float("inf")
        self._reference: tuple[int, float] | None = None
        self._trial: tuple[int, float] | None = None

    def judge(self, limit: int, first_byte: float, rate: float) -> int | None:
        """Judge a round.

        Args:
            limit: Requests under way.
            first_byte: Seconds until the first byte, the median.
            rate: Answers per second.

        Returns:
            The new limit, or None if this is no reason to change it.
        """
        trial, self._trial = self._trial, None
        if trial is not None and first_byte > self.HELPS * trial[1]:
            self._lowest, self._reference = first_byte, None
            return trial[0]
        self._lowest = min(self._lowest, first_byte)
        if self._reference is None or limit < self._reference[0]:
            self._reference = (limit, rate)
        fewer, former = self._reference
        has_grown = limit >= self.GROWN * fewer
        if first_byte > self.RISE * self._lowest and rate < former * (self.GAIN if has_grown else self.LOSS):
            self._trial = (limit, first_byte)
            return max(1, int(limit * self.CUT))
        if has_grown:
            self._reference = (limit, rate)
        return None
