"""The experiments. Each function runs one round, in which all contenders do the same job in turn."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import startup_programs
from benchmarks.contenders import ALL, ASYNC_ONLY, FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench

WRITES = {"one": 1, "many": 32}
"""Chunks per write of the server."""

CHUNKS = 3000
FRAGMENTS = 1000
CROWD_SIZE = 1000
GROWING = ("ChatTIR", "TIR")
CROWD = (*FRAMEWORKS, "httpx + jiter", *ASYNC_ONLY)
MICRO, MILLI = 1e6, 1e3


class LostChunksError(Exception):
    """A contender yielded fewer chunks than the server sent, so its cost is invalid."""


def server(bench: Bench) -> None:
    """The server's speed with a reader that does not parse: microseconds per chunk."""
    for writes, size in WRITES.items():
        bench.fleet.read_raw(f"text/{CHUNKS}/{size}")  # renders the answer
        seconds = bench.fleet.read_raw(f"text/{CHUNKS}/{size}")
        bench.samples.note(f"server/{writes}", "raw socket", seconds / CHUNKS * MICRO)


def streams(bench: Bench) -> None:
    """CPU of a stream of text: microseconds per chunk."""
    for writes, size in WRITES.items():
        for job in ("stream", "astream"):
            for worker in bench.workers(ALL, is_async=job == "astream"):
                result = _whole(worker.name, worker(job, answer=f"text/{CHUNKS}/{size}"), CHUNKS)
                bench.samples.note(f"{job}/{writes}", worker.name, result["cpu"] / CHUNKS * MICRO)


def tools(bench: Bench) -> None:
    """CPU of a tool call in a thousand fragments: microseconds per fragment."""
    for job, metric in (("stream", "tools"), ("astream", "atools")):
        for worker in bench.workers(ALL, is_async=job == "astream"):
            result = _whole(worker.name, worker(job, answer=f"tools/{FRAGMENTS}/1", tools=True), FRAGMENTS)
            bench.samples.note(metric, worker.name, result["cpu"] / FRAGMENTS * MICRO)


def histories(bench: Bench) -> None:
    """CPU per chunk after the first one, with a short and a long conversation before the prompt."""
    for turns in (1, 1000):
        for worker in bench.workers(FRAMEWORKS, is_async=False):
            result = worker("stream", answer="text/2000/1", turns=turns)
            value = (result["cpu"] - result["marks"][0]) / (result["count"] - 1)
            bench.samples.note(f"history/{turns}", worker.name, value * MICRO)


def growth(bench: Bench) -> None:
    """CPU per chunk at the beginning and at the end of a very long answer."""
    for worker in bench.workers(GROWING, is_async=False):
        marks = worker("stream", answer="text/32000/1")["marks"]
        bench.samples.note("growth/1000", worker.name, (marks[3] - marks[1]) / 2000 * MICRO)
        bench.samples.note("growth/32000", worker.name, (marks[32] - marks[30]) / 2000 * MICRO)


def first(bench: Bench) -> None:
    """Time to the first token: milliseconds."""
    for job in ("first", "afirst"):
        for worker in bench.workers(ALL, is_async=job == "afirst"):
            seconds = worker(job, answer="text/20/1", repeat=20)["seconds"]
            bench.samples.note(job, worker.name, median(seconds) * MILLI)


def short(bench: Bench) -> None:
    """CPU of short whole answers: milliseconds."""
    for job in ("ask", "aask"):
        for worker in bench.workers(ALL, is_async=job == "aask"):
            cpu = worker(job, answer="whole/1/1", repeat=50)["cpu"]
            bench.samples.note(job, worker.name, cpu / 50 * MILLI)


def long(bench: Bench) -> None:
    """CPU of a request of a thousand messages: milliseconds."""
    for worker in bench.workers(ALL, is_async=False):
        cpu = worker("ask", answer="whole/1/1", repeat=3, turns=1000)["cpu"]
        bench.samples.note("ask/1000", worker.name, cpu / 3 * MILLI)


def connections(bench: Bench) -> None:
    """The number of connections that ten streams in a row open, and of threads that all calls start."""
    for name in bench.names(ALL):
        worker = bench.fleet.fresh(name)
        worker("ready")
        threads = 0
        for job in ("stream", "astream"):
            before = bench.fleet.connections()
            threads += sum(worker(job, answer="text/20/1")["threads"] for _ in range(10))
            bench.samples.note(f"connections/{job}", name, bench.fleet.connections() - before)
        threads += sum(worker(job, answer="whole/1/1", repeat=10)["threads"] for job in ("ask", "aask"))
        bench.samples.note("threads", name, threads)
        worker.end()


def thousand(bench: Bench) -> None:
    """CPU seconds of 1,000 concurrent async streams at a model's pace, and the number that failed."""
    for worker in bench.workers(CROWD, is_async=True):
        if CROWD_SIZE in bench.samples.of("thousand/errors", worker.name):
            continue  # fails after a minute
        result = worker("paced", answer="paced/12/400", at_once=CROWD_SIZE, ramp=3, limit=20)
        bench.samples.note("thousand/cpu", worker.name, result["cpu"])
        bench.note_errors("thousand/errors", worker, result["errors"])


def delays(bench: Bench) -> None:
    """The 99th percentile of the delay of a chunk with 200 async streams open: milliseconds."""
    for worker in bench.workers(CROWD, is_async=True):
        result = worker("paced", answer="paced/30/100", at_once=200, ramp=1, limit=20)
        found = result["delays"] or [math.inf]
        bench.samples.note("delay", worker.name, found[len(found) * 99 // 100] * MILLI)
        bench.note_errors("delay/errors", worker, result["errors"])


def flight(bench: Bench) -> None:
    """Calls per second of 1,000 short async calls from 100 callers, and the number of callers that failed."""
    for worker in bench.workers(CROWD, is_async=True):
        result = worker("flight", answer="whole/1/1", at_once=100, each=10, limit=30)
        bench.samples.note("flight", worker.name, result["per_second"])
        bench.note_errors("flight/errors", worker, result["errors"])


def imports(bench: Bench) -> None:
    """CPU milliseconds and megabytes of an import."""
    for name in bench.names([*startup_programs.IMPORTS]):
        if not bench.round:
            bench.in_fresh_interpreter(name, startup_programs.importing(name))  # writes the bytecode
        result = bench.in_fresh_interpreter(name, startup_programs.importing(name))
        bench.samples.note("import/cpu", name, result["cpu"] * MILLI)
        bench.samples.note("import/memory", name, result["memory"])


def builds(bench: Bench) -> None:
    """CPU milliseconds to construct a model object."""
    for name in bench.names(FRAMEWORKS):
        result = bench.in_fresh_interpreter(name, startup_programs.building(name, bench.fleet.base_url))
        bench.samples.note("build/first", name, result["first"] * MILLI)
        bench.samples.note("build/later", name, result["later"] * MILLI)


def _whole(name: str, result: dict[str, Any], expected: int) -> dict[str, Any]:
    if result["count"] < expected:
        raise LostChunksError(f"{name} yielded {result['count']} chunks of {expected}.")
    return result


@dataclass(frozen=True)
class Experiment:
    """One of the functions above, and its number of rounds as a share of the requested rounds."""

    measure: Callable[[Bench], None]
    share: float = 1.0

    def run(self, bench: Bench, rounds: int) -> None:
        """Run all rounds."""
        count = max(1, math.ceil(rounds * self.share))
        for bench.round in range(count):
            print(f"{self.measure.__name__}, round {bench.round + 1} of {count}", flush=True)
            self.measure(bench)


EXPERIMENTS = (
    Experiment(server),
    Experiment(streams),
    Experiment(tools),
    Experiment(histories),
    Experiment(growth),
    Experiment(first),
    Experiment(short),
    Experiment(long),
    Experiment(connections, share=0.0),  # once: counts do not vary
    Experiment(thousand, share=0.5),  # these three take the most time
    Experiment(delays, share=0.5),
    Experiment(flight, share=0.5),
    Experiment(imports),
    Experiment(builds, share=0.5),
)


def run_all(bench: Bench, rounds: int, only: str = "") -> None:
    """Run the experiments whose name contains the regular expression `only`."""
    for experiment in EXPERIMENTS:
        if re.search(only, experiment.measure.__name__):
            experiment.run(bench, rounds)
