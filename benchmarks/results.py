"""The measurements of a run: samples per contender and metric, and their medians."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Self

from benchmarks.contenders import is_earlier


class Samples(dict[str, dict[str, list[float]]]):
    """The values by metric and contender, one per round."""

    def note(self, metric: str, name: str, value: float) -> None:
        """Add the value of one round."""
        self.setdefault(metric, {}).setdefault(name, []).append(value)

    def of(self, metric: str, name: str) -> list[float]:
        """The values of one contender; empty if it was not measured."""
        return self.get(metric, {}).get(name, [])

    def at_present(self) -> Samples:
        """A copy without earlier revisions."""
        return Samples(
            (metric, {name: values for name, values in by_name.items() if not is_earlier(name)})
            for metric, by_name in self.items()
        )


@dataclass(frozen=True)
class Measured:
    """The median, minimum and maximum over the rounds."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Compute the median, minimum and maximum of values."""
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        middle, low, high = map(number, (self.middle, self.low, self.high))
        return middle if low == high else f"{middle} ({low} to {high})"


def number(value: float) -> str:
    """Format a value with about three digits."""
    if value == float("inf") or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"  # noqa: PLR2004
