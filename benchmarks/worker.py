"""The process of one contender: reads jobs from standard input, and writes their cost to standard output.

A job is a line of JSON: the name of a method of `Jobs`, and its arguments. A result is also a line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import Contender, contender

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Result = dict[str, Any]
STEP = 1000
"""Chunks between two clock readings."""


class Jobs:
    """The jobs that a contender can do."""

    def __init__(self, client: Contender) -> None:
        self._client = client

    def _prompt(self, answer: str, turns: int = 1) -> Any:
        roles = ("user", "assistant")
        history = [(roles[place % 2], f"Message {place} of a longer conversation.") for place in range(turns - 1)]
        return self._client.prompt([*history, ("user", f"bench:{answer}")])

    def ready(self) -> Result:
        """Do nothing. The result shows that everything is imported and built."""
        return {}

    def stream(self, answer: str, *, turns: int = 1, tools: bool = False) -> Result:
        """CPU seconds of a stream, up to its first chunk, and up to each thousandth chunk."""
        prompt = self._prompt(answer, turns)
        count = 0
        start = time.process_time()
        marks = []
        for _ in self._client.stream(prompt, tools=tools):
            if not count % STEP:
                marks.append(time.process_time() - start)
            count += 1
        return {"cpu": time.process_time() - start, "count": count, "marks": marks}

    async def astream(self, answer: str, *, turns: int = 1, tools: bool = False) -> Result:
        """`stream` for async code."""
        prompt = self._prompt(answer, turns)
        count = 0
        start = time.process_time()
        marks = []
        async for _ in await self._client.astream(prompt, tools=tools):
            if not count % STEP:
                marks.append(time.process_time() - start)
            count += 1
        return {"cpu": time.process_time() - start, "count": count, "marks": marks}

    def first(self, answer: str, repeat: int) -> Result:
        """Seconds from the call to the first text, for several streams in a row."""
        prompt = self._prompt(answer)
        seconds = []
        for _ in range(repeat):
            start = time.perf_counter()
            chunks = iter(self._client.stream(prompt))
            next(chunk for chunk in chunks if self._client.text(chunk))
            seconds.append(time.perf_counter() - start)
            deque(chunks, maxlen=0)
        return {"seconds": seconds}

    async def afirst(self, answer: str, repeat: int) -> Result:
        """`first` for async code."""
        prompt = self._prompt(answer)
        seconds = []
        for _ in range(repeat):
            start = time.perf_counter()
            passed = 0.0
            async for chunk in await self._client.astream(prompt):
                if not passed and self._client.text(chunk):
                    passed = time.perf_counter() - start
            seconds.append(passed)
        return {"seconds": seconds}

    def ask(self, answer: str, *, repeat: int, turns: int = 1) -> Result:
        """CPU seconds of whole answers in a row."""
        prompt = self._prompt(answer, turns)
        start = time.process_time()
        for _ in range(repeat):
            self._client.ask(prompt)
        return {"cpu": time.process_time() - start}

    async def aask(self, answer: str, *, repeat: int, turns: int = 1) -> Result:
        """`ask` for async code."""
        prompt = self._prompt(answer, turns)
        start = time.process_time()
        for _ in range(repeat):
            await self._client.aask(prompt)
        return {"cpu": time.process_time() - start}

    async def flight(self, answer: str, *, at_once: int, each: int, limit: float) -> Result:
        """Calls per second of concurrent callers, and the number of callers that failed."""
        prompt = self._prompt(answer)

        async def caller() -> None:
            async with asyncio.timeout(limit):
                for _ in range(each):
                    await self._client.aask(prompt)

        start = time.perf_counter()
        errors = await _errors(caller, at_once)
        seconds = time.perf_counter() - start
        return {"per_second": (at_once - len(errors)) * each / seconds, "errors": errors}

    async def paced(self, answer: str, *, at_once: int, ramp: float, limit: float) -> Result:
        """CPU seconds of concurrent streams at a model's pace, the delays of chunks, and the number that failed."""
        prompt = self._prompt(answer)
        delays: list[float] = []
        starts = iter(range(at_once))

        async def reader() -> None:
            nonlocal delays
            await asyncio.sleep(ramp * next(starts) / at_once)
            async with asyncio.timeout(limit):
                async for chunk in await self._client.astream(prompt):
                    written = self._client.text(chunk)
                    delays += [time.monotonic() - float(written)] if written else []

        start = time.process_time()
        errors = await _errors(reader, at_once)
        return {"cpu": time.process_time() - start, "errors": errors, "delays": sorted(delays)}


async def _errors(task: Callable[[], Awaitable[None]], at_once: int) -> list[str]:
    results = await asyncio.gather(*(task() for _ in range(at_once)), return_exceptions=True)
    return [repr(result) for result in results if result is not None]


class ThreadCount:
    """Counts the threads that Python code in this process starts after construction."""

    def __init__(self) -> None:
        self.started = 0
        start = threading.Thread.start

        def counting(thread: threading.Thread) -> None:
            self.started += 1
            start(thread)

        threading.Thread.start = counting  # type: ignore[method-assign, assignment]


def main(name: str, base_url: str) -> None:
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # output of libraries must not be taken for a result
    logging.getLogger().addHandler(logging.NullHandler())  # some libraries log thousands of retries
    jobs = Jobs(contender(name, base_url))
    threads = ThreadCount()
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            job = json.loads(line)
            gc.collect()  # keeps the garbage of earlier jobs out of this one
            before = threads.started
            result = getattr(jobs, job.pop("job"))(**job)
            if inspect.iscoroutine(result):
                result = runner.run(result)
            print(json.dumps({**result, "threads": threads.started - before}), file=results, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
