"""Many streams at once, with random faults: `python -m tests.faults.soak --seconds 600`.

Each stream has its own script, so that its outcome is known beforehand: the whole answer, or the one error that
belongs to its fault. The soak fails if an outcome differs, a stream hangs, or objects stay in memory.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import random
import sys
import time
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import tir_client
from tests.faults.drivers import LangChain, LlamaIndex
from tests.faults.resources import Held
from tests.faults.response_bytes import DONE, TEXT, VLLM_ERROR, chunk, chunks, events, refusal, stream_head
from tests.waiting import PATIENCE, auntil

STREAMS = 100
LONG = 20
LEFT_BEHIND = 1.0
"""How many objects a stream may leave in memory on average. A leak leaves dozens."""

TALK = [*chunks()[:-2], *[chunk({"content": "."})] * LONG, *chunks()[-2:]]
WHOLE = TEXT + "." * LONG
TIMEOUTS = {"connect": 60.0, "first_byte": 60.0, "chunk": 60.0}
HEAD = stream_head()


def _begun() -> bytes:
    return HEAD + events(*TALK[: random.randrange(2, LONG)])


FAULTS: dict[str, tuple[str, Any]] = {
    "none": ("", lambda: HEAD + events(*TALK) + DONE),
    "no [DONE]": ("", lambda: HEAD + events(*TALK)),
    "cut": ("StreamInterruptedError", _begun),
    "reset": ("StreamInterruptedError", _begun),
    "error": ("StreamServerError", lambda: _begun() + events(VLLM_ERROR) + DONE),
    "garbage": ("StreamError", lambda: _begun() + events(b"<garbage>")),
    "400": ("BadRequestError", lambda: refusal(400)),
    "503 once": ("", lambda: refusal(503)),
    "reset once": ("", lambda: b""),
    "left": ("left", lambda: HEAD + events(*TALK[:3])),
}
WEIGHTS = [10, *[1] * (len(FAULTS) - 1)]


class Server:
    """A server that plays the fault named in the question, in pieces of random sizes."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.open = 0
        self._once: set[str] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.open += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            question = (await reader.readexactly(length)).partition(b"<<")[2].partition(b">>")[0].decode()
            self.seen[question] += 1
            await self._answer(question, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, question: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = question.partition("#")[0]
        if fault.endswith("once") and question in self._once:
            self._once.remove(question)
            fault = "none"
        elif fault.endswith("once"):
            self._once.add(question)
        await _play(FAULTS[fault][1](), writer)
        if fault == "left":
            await reader.read()  # the client leaves
        if fault.startswith("reset"):
            writer.transport.abort()


async def _play(answer: bytes, writer: asyncio.StreamWriter) -> None:
    start = 0
    while start < len(answer):
        size = random.randrange(1, 2_000)
        writer.write(answer[start : start + size])
        start += size
        await writer.drain()
        if random.random() < 0.3:
            await asyncio.sleep(random.random() / 100)


@dataclass
class Report:
    """The outcomes of all streams."""

    asked: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    objects_before: int = 0
    objects_after: int = 0
    requests: int = 0
    still_open: int = 0
    seconds: float = 0.0

    def growth(self) -> float:
        """How many objects each stream leaves in memory."""
        return (self.objects_after - self.objects_before) / self.asked

    def failures(self) -> list[str]:
        """The problems; empty if there are none."""
        found = list(self.wrong[:20])
        if sum(self.outcomes.values()) != self.asked:
            found.append(f"{self.asked} streams were begun, {sum(self.outcomes.values())} ended")
        if self.still_open:
            found.append(f"{self.still_open} connections are still open")
        if self.growth() > LEFT_BEHIND:
            found.append(f"each stream leaves {self.growth():.1f} objects behind")
        return found


class Soak:
    """Keeps a number of streams running until the time is over, or enough of them were started.

    Args:
        seconds: How long.
        streams: How many streams to begin at most, or a few more.
        seed: The seed of all random choices.
    """

    def __init__(self, *, seconds: float = math.inf, streams: float = math.inf, seed: int = 1) -> None:
        random.seed(seed)
        self._began = 0.0
        self._seconds = seconds
        self._streams = streams
        self._server = Server()
        self.report = Report()

    async def run(self) -> Report:
        """Run to the end."""
        async with await asyncio.start_server(self._server.serve, "127.0.0.1", 0) as listening:
            base_url = "http://127.0.0.1:{1}/v1".format(*listening.sockets[0].getsockname())
            models = [driver.model(base_url, TIMEOUTS) for driver in (LangChain(), LlamaIndex())]
            await self._warm_up(models)
            self.report.objects_before = await _objects()
            self._began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for number in range(STREAMS):
                    group.create_task(self._keep_asking(number, models[number % 2]))
            for model in models:
                await model.aclose()
            await auntil(lambda: not self._server.open)
            self.report.still_open = self._server.open
            await self._count_objects()
        self._account()
        self.report.seconds = time.monotonic() - self._began
        return self.report

    def _progress(self) -> float:
        """The part of the soak that is over, from 0 to 1."""
        return max((time.monotonic() - self._began) / self._seconds, self.report.asked / self._streams)

    async def _warm_up(self, models: list[Any]) -> None:
        """Let each library import and cache what it needs."""
        for number, model in enumerate(models):
            for fault in FAULTS:
                await self._ask(fault, f"{fault}#warm-up.{number}", model)

    async def _keep_asking(self, number: int, model: Any) -> None:
        count = 0
        while self._progress() < 1:
            count += 1
            (fault,) = random.choices(list(FAULTS), WEIGHTS)
            await self._ask(fault, f"{fault}#{number}.{count}", model)

    async def _ask(self, fault: str, question: str, model: Any) -> None:
        self.report.asked += 1
        outcome = await _outcome(model, f"<<{question}>>", leave=fault == "left")
        self.report.outcomes[outcome or "right"] += 1
        if outcome != FAULTS[fault][0]:
            self.report.wrong.append(f"{question}: {outcome or 'right'!r} instead of {FAULTS[fault][0] or 'right'!r}")
        tries = self._server.seen.pop(question, 0)
        self.report.requests += tries
        if tries != (2 if fault.endswith("once") else 1):
            self.report.wrong.append(f"{question}: {tries} requests")

    async def _count_objects(self) -> None:
        """Count the objects that are left, again while connections that were just closed are still being freed."""
        end = time.monotonic() + PATIENCE
        self.report.objects_after = await _objects()
        while self.report.growth() > LEFT_BEHIND and time.monotonic() < end:
            self.report.objects_after = await _objects()

    def _account(self) -> None:
        if self._server.seen:
            self.report.wrong.append(f"unexpected requests: {dict(self._server.seen)}")


async def _objects() -> int:
    """Count the objects that are alive."""
    gc.collect()
    await asyncio.sleep(0.2)  # the loop closes async generators among the garbage
    gc.collect()
    return len(gc.get_objects())


async def _outcome(model: Any, question: str, *, leave: bool) -> str:
    """The outcome of a stream: "" for the whole answer, "left", or the name of an error of ours."""
    text = ""
    try:
        if hasattr(model, "ainvoke"):
            pieces, text_of = model.astream(question), lambda piece: piece.text
        else:
            pieces, text_of = await model.astream_complete(question), lambda piece: piece.delta or ""
        async with aclosing(pieces):
            async for piece in pieces:
                text += text_of(piece)
                if leave and text:
                    return "left"
    except tir_client.TIRError as error:
        return type(error).__name__
    return "" if text == WHOLE else f"a text of {len(text)} characters"


def main() -> int:
    """Run the soak, and print its outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    before = Held.now()
    report = asyncio.run(Soak(seconds=arguments.seconds, seed=arguments.seed).run())
    failures = report.failures()
    if kept := Held.now().since(before):
        failures.append(f"still held: {kept}")
    sys.stdout.write(
        f"{report.asked} streams, {report.requests} requests in {report.seconds:.0f} s, {STREAMS} at a time: "
        f"{dict(report.outcomes.most_common())}; {report.growth():.2f} objects left by each\n"
    )
    sys.stdout.write("".join(f"FAILED: {failure}\n" for failure in failures))
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
