"""A program that closes nothing exits at once and prints nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.drivers import OURS, Driver
from tests.faults.matrix import PATIENT
from tests.faults.response_bytes import chunk, stream
from tests.waiting import until
from tests.wire_server import STALL, WireServer

ROOT = Path(__file__).parents[2]
TALK = stream(chunk({"role": "assistant", "content": ""}), *[chunk({"content": "word "})] * 3, done=False)
KEPT: list[Any] = []


def leave_everything_open(driver: Driver, base_url: str) -> None:
    """Begin streams in the main thread, in another, in a loop that ends; close none of them."""
    model = driver.model(base_url, PATIENT)
    KEPT.extend([model, begun(driver, model)])
    asyncio.run(begin(driver, model))
    thread = threading.Thread(target=lambda: KEPT.append(begun(driver, model)))
    thread.start()
    thread.join()


def begun(driver: Driver, model: Any) -> Any:
    """A stream of which one piece was read."""
    pieces = driver.stream(model)
    next(pieces)
    return pieces


async def begin(driver: Driver, model: Any) -> None:
    """Begin streams, one of them in a task that is still running when the loop ends."""
    async for _ in driver.astream(model):
        break
    KEPT.append(asyncio.create_task(read(driver, model)))
    await asyncio.sleep(0.1)


async def read(driver: Driver, model: Any) -> None:
    """Read a stream that never ends."""
    async for _ in driver.astream(model):
        pass


@pytest.mark.parametrize("number", range(len(OURS)), ids=[driver.name for driver in OURS])
def test_a_program_with_open_streams_exits_without_warnings(number: int) -> None:
    """There is no warning, no traceback and no wait, and the connection is closed."""
    with WireServer([TALK, STALL]) as server:
        command = [sys.executable, "-W", "ignore", "-W", "default::ResourceWarning"]
        command += ["-m", "tests.faults.test_exit", str(number), server.base_url]
        program = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        took = time.time() - float(program.stdout)
        until(lambda: all(one.disconnected for one in server.connections))

        assert program.stderr == ""
        assert program.returncode == 0
        assert took < 20, "the program took too long to exit"
        assert [one.disconnected for one in server.connections] == [True] * 4


if __name__ == "__main__":
    leave_everything_open(OURS[int(sys.argv[1])], sys.argv[2])
    sys.stdout.write(str(time.time()))
