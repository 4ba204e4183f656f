"""The goals: our cost as a part of somebody else's, in the same run. They were set before the code was written."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.environments import LLAMA_INDEX_BASE
from benchmarks.fresh import LANGCHAIN_BASE

if TYPE_CHECKING:
    from benchmarks.experiments import Samples

Value = tuple[str, str]
"""A metric, and the contender whose values are meant."""


@dataclass(frozen=True)
class Measured:
    """The median over the rounds, and the least and the most of them."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Measured:
        """The median of some values and their spread."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    Args:
        label: What is measured, and of what.
        ours: Our values.
        theirs: What they are divided by, round by round; None for values that stand for themselves.
        must: The least that is wanted.
        goal: What is aimed at.
        unit: Written behind a value that is no ratio.
        subtract: Take the difference to `theirs`.
        more: More is better.
    """

    label: str
    ours: Value
    theirs: Value | None
    must: float
    goal: float
    unit: str = ""
    subtract: bool = False
    more: bool = False

    def measured(self, samples: Samples) -> Measured | None:
        """What this run has found, or None if it did not look."""
        ours = _values(samples, self.ours)
        if self.theirs is None or not ours:
            return Measured.of(ours) if ours else None
        pairs = list(zip(ours, _values(samples, self.theirs), strict=False))
        values = [one - other if self.subtract else one / other for one, other in pairs]
        return Measured.of(values) if values else None

    def verdict(self, measured: Measured) -> str:
        """Whether that is enough."""
        sign = -1 if self.more else 1
        if sign * measured.middle <= sign * self.goal:
            return "goal reached"
        return "enough" if sign * measured.middle <= sign * self.must else "**missed**"


def _values(samples: Samples, value: Value) -> list[float]:
    metric, name = value
    return samples.get(metric, {}).get(name, [])


def _streams() -> list[Goal]:
    rows = []
    for job, how, of_openai in (("stream", "sync", (0.20, 0.13)), ("astream", "async", (0.18, 0.11))):
        for writes, said in (("one", "one chunk per write"), ("many", "many chunks per write")):
            metric, tail = f"{job}/{writes}", f"{how}, {said}"
            ours = (metric, "ChatTIR")
            rows += [
                Goal(f"LangChain stream of ChatOpenAI's, {tail}", ours, (metric, "ChatOpenAI"), *of_openai),
                Goal(f"LangChain stream of ChatNVIDIA's, {tail}", ours, (metric, "ChatNVIDIA"), 1.0, 0.6),
                Goal(f"LangChain stream of bare httpx + jiter, {tail}", ours, (metric, "httpx + jiter"), 2.0, 1.4),
                Goal(f"LlamaIndex stream of OpenAILike's, {tail}", (metric, "TIR"), (metric, "OpenAILike"), 0.20, 0.12),
            ]
    return sorted(rows, key=lambda row: row.label.partition(",")[0])


def _growth(face: str, name: str) -> Goal:
    label = f"{face}: chunk 32,000 of chunk 1,000"
    return Goal(label, ("growth/32000", name), ("growth/1000", name), 1.3, 1.1)


def _starts(face: str, name: str, base: str) -> list[Goal]:
    return [
        Goal(f"{face}: import, CPU, of {base}", ("import/cpu", name), ("import/cpu", base), 1.10, 1.03),
        Goal(
            f"{face}: import, memory over {base}",
            ("import/memory", name),
            ("import/memory", base),
            4.0,
            2.0,
            unit=" MB",
            subtract=True,
        ),
        Goal(f"{face}: first model object, CPU", ("build/first", name), None, 5.0, 1.0, unit=" ms"),
        Goal(f"{face}: later model objects, CPU", ("build/later", name), None, 2.0, 0.3, unit=" ms"),
    ]


def _of_openai(label: str, metric: str, must: float, goal: float, *, more: bool = False) -> list[Goal]:
    return [
        Goal(f"LangChain: {label}, of ChatOpenAI", (metric, "ChatTIR"), (metric, "ChatOpenAI"), must, goal, more=more),
        Goal(f"LlamaIndex: {label}, of OpenAILike", (metric, "TIR"), (metric, "OpenAILike"), must, goal, more=more),
    ]


GOALS = [
    *_streams(),
    Goal(
        "LlamaIndex: history of 1,000 messages of 1, per chunk", ("history/1000", "TIR"), ("history/1", "TIR"), 1.3, 1.1
    ),
    _growth("LangChain", "ChatTIR"),
    _growth("LlamaIndex", "TIR"),
    *_of_openai("fragments of a tool call", "tools", 0.4, 0.2),
    Goal("LangChain: connections opened by 10 streams, sync", ("connections/stream", "ChatTIR"), None, 1, 1),
    Goal("LangChain: connections opened by 10 streams, async", ("connections/astream", "ChatTIR"), None, 1, 1),
    Goal("LlamaIndex: connections opened by 10 streams, sync", ("connections/stream", "TIR"), None, 1, 1),
    Goal("LlamaIndex: connections opened by 10 streams, async", ("connections/astream", "TIR"), None, 1, 1),
    *_of_openai("time to the first token", "first", 0.5, 0.35),
    *_of_openai("short answer, CPU, sync", "ask", 0.6, 0.35),
    *_of_openai("short answer, CPU, async", "aask", 0.6, 0.35),
    *_of_openai("request of 1,000 messages, CPU", "ask/1000", 0.05, 0.02),
    *_of_openai("1,000 streams at a model's pace, CPU", "thousand/cpu", 0.5, 0.3),
    Goal("LangChain: the same, streams that failed", ("thousand/errors", "ChatTIR"), None, 0, 0),
    Goal("LlamaIndex: the same, streams that failed", ("thousand/errors", "TIR"), None, 0, 0),
    *_of_openai("200 streams, 99th percentile of a chunk's delay", "delay", 0.5, 0.1),
    *_of_openai("100 short calls in flight, calls per second", "flight", 1.3, 2.0, more=True),
    *_starts("LangChain", "ChatTIR", LANGCHAIN_BASE),
    *_starts("LlamaIndex", "TIR", LLAMA_INDEX_BASE),
]
