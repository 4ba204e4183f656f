"""From the numbers of a run to the tables of `docs/performance.md`."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.goals import GOALS, Goal, Measured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.experiments import Samples

METRICS = {
    "server/one": "the server alone, one chunk per write, us per chunk (wall)",
    "server/many": "the server alone, many chunks per write, us per chunk (wall)",
    "stream/one": "stream, sync, one chunk per write, us per chunk",
    "astream/one": "stream, async, one chunk per write, us per chunk",
    "stream/many": "stream, sync, many chunks per write, us per chunk",
    "astream/many": "stream, async, many chunks per write, us per chunk",
    "tools": "fragment of a tool call, us",
    "history/1": "chunk after 1 message, us",
    "history/1000": "chunk after 1,000 messages, us",
    "growth/1000": "chunk around the 2,000th, us",
    "growth/32000": "chunk around the 31,000th, us",
    "first": "first token, ms (wall)",
    "ask": "short answer, sync, ms",
    "aask": "short answer, async, ms",
    "ask/1000": "answer to 1,000 messages, ms",
    "connections/stream": "connections of 10 streams, sync",
    "connections/astream": "connections of 10 streams, async",
    "thousand/cpu": "1,000 streams at a model's pace, CPU s",
    "thousand/errors": "of them failed",
    "delay": "200 streams, 99th percentile of a chunk's delay, ms (wall)",
    "flight": "100 short calls in flight, calls per second (wall)",
    "import/cpu": "import, ms",
    "import/memory": "memory after the import, MB",
    "build/first": "first model object, ms",
    "build/later": "later model objects, ms",
}


def write(results: dict[str, Any], page: Path) -> None:
    """Put the tables of a run into the page, between the marks that name them."""
    samples = results["samples"]
    text = page.read_text()
    for name, lines in (("run", run(results)), ("goals", goals(samples)), ("all", everything(samples))):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = "".join([before, begin, "\n", *(f"{line}\n" for line in lines), "\n", end, after])
    page.write_text(text)


def run(results: dict[str, Any]) -> Iterator[str]:
    """When and with what it was measured."""
    yield f"Measured on {results['date']}, {results['machine']}, load {results['load']} before the run."
    yield ""
    for name, versions in results["versions"].items():
        yield f"- {name}: {', '.join(f'{package} {version}' for package, version in versions.items())}"


def goals(samples: Samples) -> Iterator[str]:
    """The table of goals."""
    yield "| what | measured | spread | must | goal | |"
    yield "|---|---|---|---|---|---|"
    for goal in GOALS:
        measured = goal.measured(samples)
        if measured is not None:
            yield _row(goal, measured)


def _row(goal: Goal, measured: Measured) -> str:
    low, middle, high = (f"{_number(value)}{goal.unit}" for value in (measured.low, measured.middle, measured.high))
    return (
        f"| {goal.label} | {middle} | {low} to {high} | {goal.must:g}{goal.unit} | {goal.goal:g}{goal.unit} "
        f"| {goal.verdict(measured)} |"
    )


def everything(samples: Samples) -> Iterator[str]:
    """The medians of all contenders."""
    for metric, label in METRICS.items():
        if metric in samples:
            values = (f"{name} {_number(median(values))}" for name, values in samples[metric].items())
            yield f"- {label}: {', '.join(values)}"


def _number(value: float) -> str:
    if value == int(value):
        return str(int(value))
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"  # noqa: PLR2004
