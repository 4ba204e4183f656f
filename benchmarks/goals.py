"""The performance goals: our cost relative to other libraries, measured in the same run."""

from __future__ import annotations

from typing import Any

from benchmarks.environments import LLAMA_INDEX_BASE
from benchmarks.goal import Goal
from benchmarks.startup_programs import LANGCHAIN_BASE

BARE = "httpx + jiter"


def _ratio(name: str, label: str, metric: str, must: float, goal: float, **more: Any) -> Goal:
    """The ratio of ChatTIR to another LangChain model, or of TIR to OpenAILike."""
    ours = "TIR" if name == "OpenAILike" else "ChatTIR"
    framework = "LlamaIndex" if name == "OpenAILike" else "LangChain"
    return Goal(f"{framework}: {label}, of {name}", (metric, ours), (metric, name), must, goal, **more)


def _ratio_to_openai(label: str, metric: str, must: float, goal: float, *, more: bool = False) -> list[Goal]:
    """The ratio of both integrations to the framework's client that uses the openai SDK."""
    return [_ratio(name, label, metric, must, goal, more=more) for name in ("ChatOpenAI", "OpenAILike")]


def _absolute(label: str, metric: str, must: float, goal: float, unit: str = "") -> list[Goal]:
    """An absolute value of both integrations."""
    pairs = (("LangChain", "ChatTIR"), ("LlamaIndex", "TIR"))
    return [Goal(f"{framework}: {label}", (metric, name), None, must, goal, unit=unit) for framework, name in pairs]


def _ratio_of_own(label: str, metric: str, reference: str, must: float, goal: float) -> list[Goal]:
    """The ratio of two values of the same integration, for both integrations."""
    pairs = (("LangChain", "ChatTIR"), ("LlamaIndex", "TIR"))
    return [Goal(f"{framework}: {label}", (metric, name), (reference, name), must, goal) for framework, name in pairs]


def _import(framework: str, name: str, base: str) -> list[Goal]:
    cpu, memory = "import/cpu", "import/memory"
    return [
        Goal(f"{framework}: import, CPU, of {base}", (cpu, name), (cpu, base), 1.10, 1.03),
        Goal(
            f"{framework}: import, memory over {base}", (memory, name), (memory, base), 4, 2, unit=" MB", subtract=True
        ),
    ]


_ONE = "one chunk per write"
_MANY = "many chunks per write"
_THOUSAND = "1,000 streams at a model's pace"

STREAMS = [
    _ratio("ChatNVIDIA", f"stream, sync, {_ONE}", "stream/one", 0.85, 0.75, before=0.84),
    _ratio("ChatNVIDIA", f"stream, async, {_ONE}", "astream/one", 0.60, 0.50, before=0.82),
    _ratio("ChatNVIDIA", f"stream, sync, {_MANY}", "stream/many", 1.0, 0.6),
    _ratio("ChatNVIDIA", f"stream, async, {_MANY}", "astream/many", 1.0, 0.6),
    _ratio("ChatOpenAI", f"stream, sync, {_ONE}", "stream/one", 0.18, 0.15, before=0.17),
    _ratio("ChatOpenAI", f"stream, async, {_ONE}", "astream/one", 0.10, 0.085, before=0.14),
    _ratio("ChatOpenAI", f"stream, sync, {_MANY}", "stream/many", 0.20, 0.13),
    _ratio("ChatOpenAI", f"stream, async, {_MANY}", "astream/many", 0.18, 0.11),
    _ratio("OpenAILike", f"stream, sync, {_ONE}", "stream/one", 0.16, 0.14, before=0.155),
    _ratio("OpenAILike", f"stream, async, {_ONE}", "astream/one", 0.11, 0.09, before=0.16),
    _ratio("OpenAILike", f"stream, sync, {_MANY}", "stream/many", 0.20, 0.12),
    _ratio("OpenAILike", f"stream, async, {_MANY}", "astream/many", 0.20, 0.12),
    _ratio(BARE, f"stream, sync, {_ONE}", "stream/one", 2.0, 1.4),
    _ratio(BARE, f"stream, async, {_ONE}", "astream/one", 2.0, 1.4),
    _ratio(BARE, f"stream, sync, {_MANY}", "stream/many", 2.0, 1.4),
    _ratio(BARE, f"stream, async, {_MANY}", "astream/many", 2.0, 1.4),
    *_ratio_of_own("chunk after 1,000 messages, of one after 1", "history/1000", "history/1", 1.3, 1.1),
    *_ratio_of_own("chunk 32,000, of chunk 1,000", "growth/32000", "growth/1000", 1.3, 1.1),
    _ratio("ChatNVIDIA", "fragments of a tool call, sync", "tools", 0.55, 0.50, before=0.55),
    _ratio("ChatNVIDIA", "fragments of a tool call, async", "atools", 0.40, 0.35, before=0.54),
    *_ratio_to_openai("fragments of a tool call, sync", "tools", 0.4, 0.2),
]

CALLS = [
    *_ratio_to_openai("time to the first token, sync", "first", 0.5, 0.35),
    _ratio("ChatMistralAI", "short answer, CPU, sync", "ask", 1.05, 0.95, before=1.14),
    _ratio("ChatNVIDIA", "short answer, CPU, async", "aask", 1.05, 0.95, before=1.33),
    *_ratio_to_openai("short answer, CPU, sync", "ask", 0.6, 0.35),
    *_ratio_to_openai("short answer, CPU, async", "aask", 0.6, 0.35),
    _ratio("ChatNVIDIA", "request of 1,000 messages, CPU", "ask/1000", 1.1, 0.9, before=1.27),
    *_ratio_to_openai("request of 1,000 messages, CPU", "ask/1000", 0.05, 0.02),
    *_absolute("connections opened by 10 streams, sync", "connections/stream", 1, 1),
    *_absolute("connections opened by 10 streams, async", "connections/astream", 1, 1),
    *_absolute("threads started by any call", "threads", 0, 0),
]

CROWDS = [
    _ratio("ChatNVIDIA", f"{_THOUSAND}, CPU", "thousand/cpu", 1.0, 0.9, before=1.11),
    *_ratio_to_openai(f"{_THOUSAND}, CPU", "thousand/cpu", 0.5, 0.3),
    *_absolute(f"{_THOUSAND}, failed", "thousand/errors", 0, 0),
    *_ratio_to_openai("200 streams, 99th percentile of a chunk's delay", "delay", 0.5, 0.1),
    Goal(
        "LangChain: 1,000 short async calls, per second, of ChatNVIDIA",
        ("flight", "ChatTIR"),
        ("flight", "ChatNVIDIA"),
        0.9,
        1.0,
        before=0.67,
        more=True,
    ),
    *_ratio_to_openai("1,000 short async calls, per second", "flight", 1.3, 2.0, more=True),
    *_absolute("1,000 short async calls, callers that failed", "flight/errors", 0, 0),
]

STARTS = [
    *_import("LangChain", "ChatTIR", LANGCHAIN_BASE),
    *_import("LlamaIndex", "TIR", LLAMA_INDEX_BASE),
    *_absolute("first model object, CPU", "build/first", 5, 1, " ms"),
    *_absolute("later model objects, CPU", "build/later", 2, 0.3, " ms"),
]

GOALS = [*STREAMS, *CALLS, *CROWDS, *STARTS]
