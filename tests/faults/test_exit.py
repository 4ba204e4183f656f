"""A program that closes nothing exits at once and prints nothing."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.drivers import OURS, Driver
from tests.faults.matrix import PATIENT
from tests.faults.response_bytes import answer, as_json, chunk, completion, stream
from tests.waiting import until
from tests.wire_server import STALL, WireServer

ROOT = Path(__file__).parents[2]
WORDS = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": "word "})] * 3]
ENDLESS = [stream(*WORDS, done=False), STALL]
WHOLE = [stream(*WORDS, chunk({}, "stop")), STALL]
KEPT_ALIVE = [answer(as_json(completion("word")), connection="keep-alive"), STALL]
SHOW_RESOURCES = ["-W", "ignore", "-W", "default::ResourceWarning"]
KEPT: list[Any] = []


def leave_everything_open(driver: Driver, base_url: str) -> None:
    """Begin streams in the main thread, in another, in a loop that ends; close none of them."""
    model = driver.model(base_url, PATIENT)
    KEPT.extend([model, begun(driver, model)])
    asyncio.run(begin(driver, model))
    thread = threading.Thread(target=lambda: KEPT.append(begun(driver, model)))
    thread.start()
    thread.join()


def leave_loops(driver: Driver, base_url: str) -> None:
    """Read streams in loops that nobody shuts down, as LlamaIndex's `asyncio_run` does; the last one stays open."""
    model = driver.model(base_url, PATIENT)
    KEPT.append(model)
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(read(driver, model))
        KEPT.append(loop)
    for loop in KEPT[1:-1]:
        loop.close()


def leave_to_the_collector(driver: Driver, base_url: str) -> None:
    """Free models at the end of a task and while their loop is stopped, then close the loops."""
    freed_by_task, stopped = asyncio.new_event_loop(), asyncio.new_event_loop()
    freed_by_task.run_until_complete(driver.awhole(driver.model(base_url, PATIENT)))
    model = driver.model(base_url, PATIENT)
    stopped.run_until_complete(driver.awhole(model))
    del model
    gc.collect()
    freed_by_task.close()
    stopped.close()


def begun(driver: Driver, model: Any) -> Any:
    """A stream of which one piece was read."""
    pieces = driver.stream(model)
    next(pieces)
    return pieces


async def begin(driver: Driver, model: Any) -> None:
    """Begin streams, one of them in a task that is still running when the loop ends."""
    async for _ in driver.astream(model):
        break
    has_begun = asyncio.Event()
    KEPT.append(asyncio.create_task(read(driver, model, has_begun)))
    await has_begun.wait()


async def read(driver: Driver, model: Any, has_begun: asyncio.Event | None = None) -> None:
    """Read a stream to its end, if it has one."""
    async for _ in driver.astream(model):
        if has_begun is not None:
            has_begun.set()


@pytest.mark.parametrize("number", range(len(OURS)), ids=[driver.name for driver in OURS])
@pytest.mark.parametrize(
    ("leave", "answer", "options", "connections"),
    [
        ("everything_open", ENDLESS, SHOW_RESOURCES, 4),
        ("loops", WHOLE, [], 3),
        ("to_the_collector", KEPT_ALIVE, SHOW_RESOURCES, 2),
    ],
    ids=["open_streams", "loops_that_are_not_shut_down", "models_whose_loop_is_stopped"],
)
def test_a_program_that_closes_nothing_exits_without_warnings(
    number: int, leave: str, answer: list[Any], options: list[str], connections: int
) -> None:
    """There is no warning, no traceback and no wait, and the connections are closed."""
    with WireServer(answer) as server:
        command = [sys.executable, *options, "-m", "tests.faults.test_exit", leave, str(number), server.base_url]
        program = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
        assert program.stderr == ""
        took = time.time() - float(program.stdout)
        until(lambda: all(one.disconnected for one in server.connections))

        assert program.returncode == 0
        assert took < 20, "the program took too long to exit"
        assert [one.disconnected for one in server.connections] == [True] * connections


if __name__ == "__main__":
    leave = {"everything_open": leave_everything_open, "loops": leave_loops, "to_the_collector": leave_to_the_collector}
    leave[sys.argv[1]](OURS[int(sys.argv[2])], sys.argv[3])
    sys.stdout.write(str(time.time()))
