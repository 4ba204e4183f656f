"""Goal: an upper limit for a measured ratio, and whether a run meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.results import Measured

if TYPE_CHECKING:
    from benchmarks.results import Samples

Value = tuple[str, str]
"""A metric, and a contender."""


@dataclass(frozen=True)
class Goal:
    """A limit for a ratio, a difference or a value: one row of the table.

    Args:
        label: The name of the row.
        ours: Our values.
        theirs: The values to divide ours by, round by round; None for absolute values.
        must: The required value.
        goal: The desired value.
        before: The value when the goal was set, if there was one.
        unit: The unit of a value that is not a ratio.
        subtract: Use the difference from `theirs` instead of the ratio.
        more: Whether more is better.
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
        """The value in this run, or None if it was not measured."""
        ours = samples.of(*self.ours)
        if self.theirs is None:
            return Measured.of(ours) if ours else None
        pairs = list(zip(ours, samples.of(*self.theirs), strict=False))
        values = [one - other if self.subtract else one / other for one, other in pairs]
        return Measured.of(values) if values else None

    def verdict(self, measured: Measured) -> str:
        """Describe whether the value meets the goal."""
        sign = -1 if self.more else 1
        if sign * measured.middle <= sign * self.goal:
            return "goal reached"
        return "enough" if sign * measured.middle <= sign * self.must else "**missed**"
