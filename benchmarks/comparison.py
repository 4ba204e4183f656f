"""The present revision of our packages beside an earlier one, from the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contenders import OURS, earlier
from benchmarks.report import METRICS, MORE_IS_BETTER
from benchmarks.samples import Measured, number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.samples import Samples

TOLERANCE = 0.05


def table(samples: Samples, revision: str) -> Iterator[str]:
    """Each cost of ours, divided by the earlier one round by round: above 1 is slower, or more."""
    yield f"| what | contender | now | at {revision} | ratio (spread) | |"
    yield "|---|---|---|---|---|---|"
    for metric, label in METRICS.items():
        for name in OURS:
            now, then = samples.of(metric, name), samples.of(metric, earlier(name, revision))
            if now and then:
                ratio = Measured.of(ratios(now, then, more=metric in MORE_IS_BETTER))
                medians = " | ".join(number(Measured.of(values).middle) for values in (now, then))
                yield f"| {label} | {name} | {medians} | {ratio} | {verdict(ratio)} |"


def ratios(now: list[float], then: list[float], *, more: bool) -> list[float]:
    """What now costs of what it cost then, round by round; if more is better, what was got then of what is got now."""
    pairs = zip(then, now, strict=True) if more else zip(now, then, strict=True)
    return [1.0 if one == other else one / other if other else float("inf") for one, other in pairs]


def verdict(ratio: Measured) -> str:
    """Whether that is a change. A spread that includes 1 leaves it open: run it again with more rounds."""
    if abs(ratio.middle - 1) <= TOLERANCE:
        return "the same"
    change = "slower" if ratio.middle > 1 else "faster"
    return f"{change}?" if ratio.low <= 1 <= ratio.high else f"**{change}**"
