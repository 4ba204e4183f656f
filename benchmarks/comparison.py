"""Compares the current revision of our packages with an earlier one, measured in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contenders import OURS, earlier
from benchmarks.report import METRICS, MORE_IS_BETTER
from benchmarks.results import Measured, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results import Samples

TOLERANCE = 0.05
FEW = 3
"""With fewer rounds, differences are not significant."""


def table(samples: Samples, revision: str) -> Iterator[str]:
    """The table of our present costs divided by the earlier ones, by round; above 1 is worse."""
    yield f"| what | contender | now | at {revision} | ratio (spread) | |"
    yield "|---|---|---|---|---|---|"
    for metric, label in METRICS.items():
        for name in OURS:
            now, then = samples.of(metric, name), samples.of(metric, earlier(name, revision))
            if now and then:
                found = ratios(now, then, more=metric in MORE_IS_BETTER)
                medians = " | ".join(number(Measured.of(values).middle) for values in (now, then))
                yield f"| {label} | {name} | {medians} | {Measured.of(found)} | {verdict(found)} |"


def ratios(now: list[float], then: list[float], *, more: bool) -> list[float]:
    """The present values divided by the earlier ones, by round; inverted if more is better."""
    pairs = zip(then, now, strict=True) if more else zip(now, then, strict=True)
    return [1.0 if one == other else one / other if other else float("inf") for one, other in pairs]


def verdict(found: list[float]) -> str:
    """Describe a ratio as better, worse, or uncertain if there are few rounds or the spread includes 1."""
    ratio = Measured.of(found)
    if abs(ratio.middle - 1) <= TOLERANCE:
        return "the same"
    change = "worse" if ratio.middle > 1 else "better"
    certain = len(found) >= FEW and not ratio.low <= 1 <= ratio.high
    return f"**{change}**" if certain else f"{change}?"
