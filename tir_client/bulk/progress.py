"""The progress of a bulk run: counts, rate, cost and time left. Pure: methods take the current time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tir_client.protocol.cost import cost_of
from tir_client.protocol.responses import Usage

if TYPE_CHECKING:
    from tir_client.bulk.results import Result, RowError
    from tir_client.protocol.cost import Price


@dataclass(slots=True)
class Progress:
    """The progress of a run, updated while it runs.

    Args:
        answered: Rows answered by this run.
        failed: Rows whose result in this run is an error.
        skipped: Rows that were finished before this run.
        failed_before: How many of the skipped rows were stored with an error.
        usage: Tokens of this run.
        limit: Requests that may be under way at once.
        under_way: Requests under way.
        fraction: The part of the input that is finished, from 0 to 1; None if its size is unknown.
        paused_until: When requests resume after a pause, in the event loop's time; 0 if there was no pause.
        last_failure: The last error of a request, whether or not it was retried.
        started_at: When the first row was sent, in the event loop's time.
        start_fraction: The part of the input that was finished before this run.
        without_usage: Answered rows whose tokens the server did not count.
    """

    answered: int = 0
    failed: int = 0
    skipped: int = 0
    failed_before: int = 0
    usage: Usage = field(default_factory=Usage)
    limit: int = 0
    under_way: int = 0
    fraction: float | None = None
    paused_until: float = 0.0
    last_failure: RowError | None = None
    started_at: float | None = None
    start_fraction: float | None = None
    without_usage: int = 0

    @property
    def done(self) -> int:
        """Rows that this run has answered or failed."""
        return self.answered + self.failed

    def add(self, result: Result) -> None:
        """Count a result."""
        if result.error is None:
            self.answered += 1
            self.without_usage += result.usage is None
        else:
            self.failed += 1
        if result.usage is not None:
            self.usage += result.usage

    def rate(self, now: float) -> float:
        """Rows per second since the first one was sent."""
        seconds = 0.0 if self.started_at is None else now - self.started_at
        return self.done / seconds if seconds > 0 else 0.0

    def seconds_left(self, now: float) -> float | None:
        """Estimated seconds until the end, or None if the size of the input is unknown."""
        if self.fraction is None or self.started_at is None or self.done == 0:
            return None
        gone = self.fraction - (self.start_fraction or 0.0)
        return None if gone <= 0 else (now - self.started_at) * (1 - self.fraction) / gone

    def cost(self, price: Price | None) -> float | None:
        """The cost of this run, or None without a price or if an answer has no token counts.

        Args:
            price: The price of a million tokens of prompts and of a million tokens of answers.
        """
        cost = None if self.without_usage else cost_of(self.usage, price)
        return None if cost is None else cost["total_cost"]
