"""Controller: decides how many requests of a bulk run may be under way, from the answers so far. Pure.

The gate applies its limit. Methods take the current time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.errors import TIRError
    from tir_client.transport.retry import RetryPolicy

START = 8
"""The limit at the start of a run."""
TOLERATED = 0.1
"""The share of refusals that is tolerated: some servers refuse a few requests under any load."""
TRIAL = 8
"""Rounds with a few refusals each, after which the controller tests whether a lower limit reduces them."""
LONGEST_HOLD = 16
"""Maximum number of rounds for which the limit stays before it is raised again."""
IGNORED = 4
"""Consecutive refusals with `Retry-After: 0` after which requests pause anyway."""


class Controller:
    """Raises and lowers the limit once a round trip, as TCP's congestion control does.

    A round is as many answers and refusals (429, 502, 503, 504, 529) as the limit, to requests that were sent since the
    limit changed. During a round each refusal lowers the limit by one, so a refused request is sent again
    when another one has been answered. At the end of a round:

    - If significantly more than a tenth were refused, the limit shrinks by the refused share (as in DCTCP), and at
      most by half. It then stays for twice as many rounds as after the decrease before, unless it has grown beyond it.
    - Otherwise it doubles up to the limit of the last decrease, and then grows by a quarter a round.
    - If a decrease has not lowered the share, the refusals do not depend on the load: the limit is restored, and this
      share is tolerated.

    The limit is halved after an answer that did not come in time, and after a refusal that follows another one without
    an answer between them. It also shrinks if `FirstByteWatch` finds that the server is overloaded.

    A pause applies to all requests: the server's `Retry-After`, or the retry policy's pause after consecutive
    refusals. `Retry-After: 0` means no pause, except after `IGNORED` consecutive refusals of this kind.

    Args:
        ceiling: The highest limit.
        policy: The pauses after refusals; its `patience` bounds `Retry-After`.

    Attributes:
        limit: Requests that may be under way at once.
        resume_at: When the current pause ends.
    """

    def __init__(self, ceiling: int, policy: RetryPolicy) -> None:
        self.limit = self._window = min(ceiling, START)
        self.resume_at = 0.0
        self._ceiling = self._threshold = self._peak = ceiling
        self._policy = replace(policy, max_retries=1_000_000)
        self._changed_at = self._reduced_at = self._refused_at = float("-inf")
        self._unanswered = 0
        self._hold, self._calm = 1, 0
        self._tolerated, self._rounds_with_refusals = TOLERATED, 0
        self._before: Round | None = None
        self._watch = FirstByteWatch()
        self._refused = 0
        self._first_bytes: list[float] = []
        self._seconds: list[float] = []

    def answered(self, sent: float, first_byte: float, now: float) -> None:
        """Record an answer: when its request was sent, and how many seconds its first byte took."""
        self._unanswered = 0
        if sent >= self._changed_at:
            self._first_bytes.append(first_byte)
            self._seconds.append(now - sent)
            self._end_round(now)

    def refused(self, sent: float, failure: TIRError, now: float) -> None:
        """Record a refusal: when its request was sent, and the error, which may have a `retry_after`."""
        follows_another = sent >= self._refused_at
        if follows_another:
            self._refused_at = now
            self._unanswered += 1
        without_pause = IGNORED if failure.retry_after == 0 else 1
        if failure.retry_after or (follows_another and self._unanswered > without_pause):
            self.resume_at = max(self.resume_at, now + self._pause(failure))
        if sent < self._reduced_at:
            return
        if self._unanswered > 1:
            self._change(max(1, self._window // 2), now)
        else:
            self._refused += 1
            self.limit = max(1, self._window - self._refused)
            self._end_round(now)

    def slowed(self, sent: float, now: float) -> None:
        """Record a request that timed out."""
        if sent >= self._reduced_at:
            self._threshold = max(1, self._window // 2)
            self._change(self._threshold, now)

    def _end_round(self, now: float) -> None:
        if len(self._seconds) + self._refused < self._window:
            return
        sent = len(self._seconds) + self._window  # refusals arrive at once, answers later
        ended = Round(self._window, self._refused, self._refused / sent)
        before, self._before = self._before, None
        self._rounds_with_refusals = self._rounds_with_refusals + 1 if ended.refused else 0
        if before is not None and ended.is_refused_like(before):
            self._put_back(before, ended.share, now)
        elif self._is_too_much(ended, sent) or self._rounds_with_refusals == TRIAL:
            self._shrink(ended, now)
        elif self._seconds and (overloaded := self._overloaded(ended)) is not None:
            self._threshold = overloaded
            self._change(overloaded, now)
        else:
            self._grow(now)

    def _is_too_much(self, ended: Round, sent: int) -> bool:
        """Whether the refusals significantly exceed the tolerated share (by two standard deviations)."""
        if not ended.refused:
            self._tolerated = TOLERATED
        usual = self._tolerated * sent
        return ended.refused > usual + 2 * sqrt(usual * (1 - self._tolerated))

    def _overloaded(self, ended: Round) -> int | None:
        """The new limit if answers begin too late, else None."""
        if ended.limit < START:
            return None
        rate = (ended.limit - ended.refused) / max(fmean(self._seconds), 1e-9)
        return self._watch.judge(ended.limit, median(self._first_bytes), rate)

    def _shrink(self, ended: Round, now: float) -> None:
        """Lower the limit by the refused share."""
        is_trial = self._rounds_with_refusals == TRIAL
        self._hold, self._calm = LONGEST_HOLD if is_trial else min(2 * self._hold, LONGEST_HOLD), 0
        self._before, self._rounds_with_refusals = ended, 0
        self._peak, self._threshold = ended.limit, max(1, ended.limit // 2, ended.limit - ended.refused)
        self._change(self._threshold, now)

    def _put_back(self, before: Round, share: float, now: float) -> None:
        """Undo a decrease that did not help."""
        self._tolerated = min(max(TOLERATED, share), 0.5)
        self._threshold = max(self._threshold, before.limit)
        self._hold, self._rounds_with_refusals = 1, 0
        self._change(before.limit, now)

    def _grow(self, now: float) -> None:
        self._calm += 1
        if self._window > self._peak:
            self._hold = 1
        more = max(1, self._window // 4) if self._calm >= self._hold else 0
        grown = min(2 * self._window, self._threshold) if self._window < self._threshold else self._window + more
        self._change(grown, now)

    def _change(self, limit: int, now: float) -> None:
        """Set the limit, and begin a new round."""
        limit = min(limit, self._ceiling)
        if limit != self._window:
            self._changed_at = now
        if limit < self._window:
            self._reduced_at = now
        self.limit = self._window = limit
        self._refused = 0
        self._first_bytes.clear()
        self._seconds.clear()

    def _pause(self, failure: TIRError) -> float:
        pause = self._policy.delay(max(1, self._unanswered - 1), failure)
        return self._policy.patience if pause is None else pause


@dataclass(frozen=True, slots=True)
class Round:
    """A finished round: its limit, and the number and share of its requests that were refused."""

    limit: int
    refused: int
    share: float

    def is_refused_like(self, before: Round) -> bool:
        """Whether the share is still more than half of that in `before`, although the limit is lower.

        A server that takes a fixed number of requests refuses as many fewer as the limit is lower, which counts as
        none.
        """
        by_number = max(0, before.refused - (before.limit - self.limit))
        return self.share * (self.refused - by_number) > self.refused * before.share / 2


class FirstByteWatch:
    """Detects an overloaded server by its first-byte times.

    Servers that batch become slower with more requests, but answer more of them per second. So a server is overloaded
    only if the first-byte time is over twice the lowest one and more requests at once have not brought more answers per
    second. If a lower limit does not shorten the first-byte time, the rows themselves take longer: the limit is
    restored, and the longer time becomes the normal one.
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
            The new limit, or None to keep it.
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
            return int(limit * self.CUT)
        if has_grown:
            self._reference = (limit, rate)
        return None
