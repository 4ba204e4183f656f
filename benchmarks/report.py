"""Writes the results of a run as the tables of `docs/measured/performance.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.contenders import BARE
from benchmarks.environments import LLAMA_INDEX_BASE
from benchmarks.frameworks import LANGCHAIN, LLAMA_INDEX
from benchmarks.goals import GOALS
from benchmarks.results import Measured, Samples, number
from benchmarks.startup_programs import LANGCHAIN_BASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.goal import Goal

METRICS = {
    "server/one": "server alone, one chunk per write, µs per chunk (wall)",
    "server/many": "server alone, many chunks per write, µs per chunk (wall)",
    "stream/one": "stream, sync, one chunk per write, µs per chunk",
    "astream/one": "stream, async, one chunk per write, µs per chunk",
    "stream/many": "stream, sync, many chunks per write, µs per chunk",
    "astream/many": "stream, async, many chunks per write, µs per chunk",
    "tools": "fragment of a tool call, sync, µs",
    "atools": "fragment of a tool call, async, µs",
    "history/1": "chunk after 1 message, µs",
    "history/1000": "chunk after 1,000 messages, µs",
    "growth/1000": "chunk around the 2,000th, µs",
    "growth/32000": "chunk around the 31,000th, µs",
    "first": "first token, sync, ms (wall)",
    "afirst": "first token, async, ms (wall)",
    "ask": "short answer, sync, ms",
    "aask": "short answer, async, ms",
    "ask/1000": "request of 1,000 messages, ms",
    "connections/stream": "connections of 10 streams, sync",
    "connections/astream": "connections of 10 streams, async",
    "threads": "threads started by 20 streams and 20 short answers",
    "thousand/cpu": "1,000 streams at a model's pace, CPU s",
    "thousand/errors": "1,000 streams at a model's pace, failed",
    "delay": "200 streams, 99th percentile of a chunk's delay, ms (wall)",
    "delay/errors": "200 streams, failed",
    "flight": "1,000 short async calls, per second (wall)",
    "flight/errors": "1,000 short async calls, callers of 100 that failed",
    "import/cpu": "import, ms",
    "import/memory": "memory after the import, MB",
    "build/first": "first model object, ms",
    "build/later": "later model objects, ms",
}
"""The labels of the metrics, which are CPU times unless stated otherwise."""

MORE_IS_BETTER = ("flight",)

GROUPS = {
    "LangChain": (*LANGCHAIN, LANGCHAIN_BASE),
    "LlamaIndex": (*LLAMA_INDEX, LLAMA_INDEX_BASE),
    "No framework": (*BARE, "raw socket"),
}


def write(results: dict[str, Any], page: Path) -> None:
    """Write the tables of a run into the page, between their markers."""
    samples = Samples(results["samples"]).at_present()
    text = page.read_text()
    for name, lines in (("run", run(results)), ("goals", goals(samples)), ("all", everything(samples))):
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = "".join([before, begin, "\n", *(f"{line}\n" for line in lines), "\n", end, after])
    page.write_text(text)


def run(results: dict[str, Any]) -> Iterator[str]:
    """The date, machine and versions of a run."""
    yield (
        f"Measured on {results['date']}, {results['machine']}, load {results['load']} before the run; "
        f"{results['rounds']} rounds in {results['minutes']} minutes."
    )
    yield ""
    for name, versions in results["versions"].items():
        yield f"- {name}: {', '.join(f'{package} {version}' for package, version in versions.items())}"


def goals(samples: Samples) -> Iterator[str]:
    """The table of goals."""
    yield "| what | measured | spread | before | must | goal | |"
    yield "|---|---|---|---|---|---|---|"
    for goal in GOALS:
        measured = goal.measured(samples)
        if measured is not None:
            yield _row(goal, measured)


def _row(goal: Goal, measured: Measured) -> str:
    low, middle, high = (f"{number(value)}{goal.unit}" for value in (measured.low, measured.middle, measured.high))
    before = "" if goal.before is None else f"{goal.before:g}{goal.unit}"
    return (
        f"| {goal.label} | {middle} | {low} to {high} | {before} | {goal.must:g}{goal.unit} | {goal.goal:g}{goal.unit} "
        f"| {goal.verdict(measured)} |"
    )


def everything(samples: Samples) -> Iterator[str]:
    """The medians and spreads of all contenders, one table for each framework."""
    for group, names in GROUPS.items():
        shown = [name for name in names if any(name in by_name for by_name in samples.values())]
        if shown:
            yield from (f"### {group}", "", f"| | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}")
            yield from _lines(samples, shown)
            yield ""


def _lines(samples: Samples, names: list[str]) -> Iterator[str]:
    for metric, label in METRICS.items():
        found = [samples.of(metric, name) for name in names]
        if any(found):
            cells = (str(Measured.of(values)) if values else "" for values in found)
            yield f"| {label} | {' | '.join(cells)} |"
