"""What is measured, round by round: in each round every contender does the same job, one after the other."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks import fresh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.environments import Environments
    from benchmarks.fleet import Fleet

LANGCHAIN = ("ChatTIR", "ChatOpenAI", "ChatMistralAI", "ChatNVIDIA")
LLAMA_INDEX = ("TIR", "OpenAILike")
ALL = (*LANGCHAIN, *LLAMA_INDEX, "openai SDK", "httpx + jiter")
PAIRS = ("ChatTIR", "ChatOpenAI", "TIR", "OpenAILike")

WRITES = {"one": 1, "many": 32}
"""How many chunks the server puts into a write."""

CHUNKS = 3000
MICRO, MILLI = 1e6, 1e3


class Samples(dict[str, dict[str, list[float]]]):
    """For each metric and contender, one value per round."""

    def note(self, metric: str, name: str, value: float) -> None:
        """Keep the value of one round."""
        self.setdefault(metric, {}).setdefault(name, []).append(value)


class Experiments:
    """All experiments.

    Args:
        fleet: The server and the contenders.
        environments: Where fresh interpreters come from.
        rounds: How often each experiment is repeated; the long ones are repeated less.
    """

    def __init__(self, fleet: Fleet, environments: Environments, rounds: int) -> None:
        self._fleet = fleet
        self._environments = environments
        self._rounds = rounds
        self.samples = Samples()

    def run(self, only: Sequence[str] = ()) -> Samples:
        """Run all, or those named."""
        for name in (
            "server",
            "streams",
            "tools",
            "histories",
            "growth",
            "requests",
            "connections",
            "crowds",
            "starts",
        ):
            if not only or name in only:
                print(f"Measuring {name}", flush=True)
                getattr(self, name)()
        return self.samples

    def server(self) -> None:
        """What the server can deliver, to a reader that only counts bytes: microseconds per chunk."""
        for writes, size in WRITES.items():
            self._fleet.read_raw(f"text/{CHUNKS}/{size}")  # which renders it
            for _ in range(self._rounds):
                seconds = self._fleet.read_raw(f"text/{CHUNKS}/{size}")
                self.samples.note(f"server/{writes}", "raw socket", seconds / CHUNKS * MICRO)

    def streams(self) -> None:
        """CPU of a stream of text: microseconds per chunk."""
        for _ in range(self._rounds):
            for writes, size in WRITES.items():
                for job in ("stream", "astream"):
                    for worker in self._fleet.workers(ALL):
                        result = worker(job, answer=f"text/{CHUNKS}/{size}")
                        self.samples.note(f"{job}/{writes}", worker.name, result["cpu"] / CHUNKS * MICRO)

    def tools(self) -> None:
        """CPU of a tool call in a thousand fragments: microseconds per fragment."""
        for _ in range(self._rounds):
            for worker in self._fleet.workers(PAIRS):
                result = worker("stream", answer="tools/1000/1", tools=True)
                self.samples.note("tools", worker.name, result["cpu"] / 1000 * MICRO)

    def histories(self) -> None:
        """CPU per chunk after the first one, with a short and a long conversation before the prompt."""
        for _ in range(self._rounds):
            for turns in (1, 1000):
                for worker in self._fleet.workers(PAIRS):
                    result = worker("stream", answer="text/2000/1", turns=turns)
                    value = (result["cpu"] - result["marks"][0]) / (result["count"] - 1)
                    self.samples.note(f"history/{turns}", worker.name, value * MICRO)

    def growth(self) -> None:
        """CPU per chunk at the beginning and at the end of a very long answer."""
        for _ in range(self._rounds):
            for worker in self._fleet.workers(("ChatTIR", "TIR")):
                marks = worker("stream", answer="text/32000/1")["marks"]
                self.samples.note("growth/1000", worker.name, (marks[3] - marks[1]) / 2000 * MICRO)
                self.samples.note("growth/32000", worker.name, (marks[32] - marks[30]) / 2000 * MICRO)

    def requests(self) -> None:
        """Time to the first token, and CPU of whole answers: milliseconds."""
        for _ in range(self._rounds):
            for worker in self._fleet.workers(ALL):
                seconds = worker("first", answer="text/20/1", repeat=20)["seconds"]
                self.samples.note("first", worker.name, median(seconds) * MILLI)
                for job in ("ask", "aask"):
                    cpu = worker(job, answer="whole/1/1", repeat=20)["cpu"]
                    self.samples.note(job, worker.name, cpu / 20 * MILLI)
                cpu = worker("ask", answer="whole/1/1", repeat=2, turns=1000)["cpu"]
                self.samples.note("ask/1000", worker.name, cpu / 2 * MILLI)

    def connections(self) -> None:
        """How many connections ten streams in a row open."""
        for name in ALL:
            worker = self._fleet.fresh(name)
            for job in ("stream", "astream"):
                worker("ready")
                before = self._fleet.connections()
                for _ in range(10):
                    worker(job, answer="text/20/1")
                self.samples.note(f"connections/{job}", name, self._fleet.connections() - before)

    def crowds(self) -> None:
        """Many calls at once: 1,000 and 200 streams at a model's pace, and 100 short calls always in flight."""
        for _ in range((self._rounds + 1) // 2):
            for worker in self._fleet.workers(PAIRS):
                result = worker("paced", answer="paced/20/400", at_once=1000, ramp=4, limit=60)
                self.samples.note("thousand/cpu", worker.name, result["cpu"])
                self.samples.note("thousand/errors", worker.name, len(result["errors"]))
            for worker in self._fleet.workers(PAIRS):
                result = worker("paced", answer="paced/50/100", at_once=200, ramp=2, limit=60)
                delays = result["delays"]
                self.samples.note("delay", worker.name, delays[len(delays) * 99 // 100] * MILLI)
            for worker in self._fleet.workers(PAIRS):
                result = worker("flight", answer="whole/1/1", at_once=100, each=5)
                self.samples.note("flight", worker.name, result["per_second"])

    def starts(self) -> None:
        """CPU milliseconds and megabytes of an import, and of a model object, in fresh interpreters."""
        for _ in range(2 * self._rounds):  # the shortest measurements vary the most
            for name in fresh.IMPORTS:
                result = fresh.run(self._environments.python_for(name), fresh.importing(name))
                self.samples.note("import/cpu", name, result["cpu"] * MILLI)
                self.samples.note("import/memory", name, result["memory"])
        for name in PAIRS:
            for _ in range(max(1, self._rounds // 2)):
                result = fresh.run(self._environments.python_for(name), fresh.building(name))
                self.samples.note("build/first", name, result["first"] * MILLI)
                self.samples.note("build/later", name, result["later"] * MILLI)
