"""Goal: an upper limit for a measured ratio, and whether a run meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.results import Measured

if TYPE_CHECKING:
    from benchmarks.results import Samples

Value = tuple[str, str]
"""A metric, and the contender whose values are meant."""


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    Args:
        label: What is measured, and of what.
        ours: Our values.
        theirs: What they are divided by, round by round; None for values that stand for themselves.
        must: The least that is wanted.
        goal: The aim.
        before: What was measured when the goal was set, if it was set for code that existed.
        unit: Written behind a value that is no ratio.
        subtract: Take the difference to `theirs`.
        more: More is better.
    """

    label: str
    ours: Value
    theirs: Value | None
    must: float
    goal: float
    before: float | None = None
    unit: str = ""
    subtract: bool = False
    more: bool = False

    def measured(self, samples: Samples) -> Measured | None:
        """The result of this run, or None if it did not measure this."""
        ours = samples.of(*self.ours)
        if self.theirs is None:
            return Measured.of(ours) if ours else None
        pairs = list(zip(ours, samples.of(*self.theirs), strict=False))
        values = [one - other if self.subtract else one / other for one, other in pairs]
        return Measured.of(values) if values else None

    def verdict(self, measured: Measured) -> str:
        """Whether that is enough."""
        sign = -1 if self.more else 1
        if sign * measured.middle <= sign * self.goal:
            return "goal reached"
        return "enough" if sign * measured.middle <= sign * self.must else "**missed**"
