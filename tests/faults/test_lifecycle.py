"""Models in many event loops, threads and forks leave no sockets, threads or clients open."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from tests.faults.drivers import OURS, TOKEN, Driver
from tests.faults.matrix import PATIENT
from tests.faults.resources import all_returned
from tests.faults.response_bytes import VLLM_ERROR, chunk, head, refusal, stream
from tests.faults.servers import Servers
from tests.waiting import auntil, until
from tests.wire_server import CLOSE, RESET, STALL, WireServer
from tir_client import APITimeoutError, ChatRequest, Config, TIRClient, TIRError
from tir_sandbox import Reply, Sandbox

RUNS = 200
MODELS = 500
THREADS = 64

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A server that keeps connections open as long as clients do."""
    with Sandbox(token=TOKEN) as running:
        yield running


@pytest.fixture(params=OURS, ids=lambda driver: driver.name)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Each integration."""
    return request.param


@pytest.fixture
def fresh(sandbox: Sandbox, driver: Driver) -> Any:
    """Return a function that makes models, after a first call, which imports many modules."""

    def make() -> Any:
        return driver.model(sandbox.base_url, PATIENT)

    warm = make()
    driver.whole(warm)
    asyncio.run(driver.awhole(warm))
    warm.close()
    return make


def objects_at_rest(sandbox: Sandbox) -> int:
    """Count the objects that are alive, once the sandbox, which runs in this process, has no connections."""
    sandbox.reset()
    assert until(lambda: not sandbox.open_connections)
    gc.collect()
    return len(gc.get_objects())


def test_many_loops_in_a_row(sandbox: Sandbox, driver: Driver, fresh: Any) -> None:
    """One model works in hundreds of `asyncio.run` calls, without growing memory."""
    model = fresh()
    with all_returned():
        for _ in range(RUNS // 5):
            asyncio.run(driver.awhole(model))
        before = objects_at_rest(sandbox)
        for _ in range(RUNS - RUNS // 5):
            asyncio.run(driver.awhole(model))

        assert until(lambda: objects_at_rest(sandbox) - before < RUNS)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's, for the owner of the loop
def test_loops_that_are_closed_without_ending_their_generators(driver: Driver, fresh: Any) -> None:
    """Some code closes loops without closing their async generators, as LlamaIndex's `asyncio_run` does in threads.

    Nothing can be closed in time then; the garbage collector closes the sockets, and the model keeps working.
    """
    model = fresh()
    with all_returned():
        for _ in range(50):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(driver.awhole(model))
            loop.close()
        asyncio.run(driver.awhole(model))


def test_many_threads_share_a_model(driver: Driver, fresh: Any) -> None:
    """Threads share a model, sync and with loops of their own."""
    with all_returned(), closing(fresh()) as model:

        def work(number: int) -> str:
            if number % 2:
                return driver.read(driver.whole(model))[0]
            return asyncio.run(_read(driver, model))

        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(work, range(4 * THREADS)))

        assert len(answers) == 4 * THREADS
        assert len(set(answers)) == 1


def test_many_threads_with_a_total_timeout(driver: Driver, fresh: Any) -> None:
    """The timeout `total` ends each call at its own time, and leaves no timer."""

    def work(number: int) -> str:
        model = patient if number % 2 else hasty
        try:
            return driver.read(driver.whole(model))[0]
        except APITimeoutError as error:
            return str(error.phase)

    with WireServer([head(content_length="500"), STALL]) as silent, all_returned():
        hasty = driver.model(silent.base_url, {**PATIENT, "total": 1.0})
        patient = driver.model(fresh().base_url, {**PATIENT, "total": 60.0})
        with closing(hasty), closing(patient), ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(work, range(2 * THREADS)))

        assert set(answers[::2]) == {"total"}
        assert len(set(answers[1::2])) == 1
        assert answers[1] not in {"total", ""}


async def _read(driver: Driver, model: Any) -> str:
    return driver.read(await driver.awhole(model))[0]


def test_fork_after_use(sandbox: Sandbox, driver: Driver, fresh: Any) -> None:
    """A child process opens its own connections; those of the parent are not affected."""
    model = fresh()
    expected = driver.read(driver.whole(model))[0]
    connections = sandbox.connections
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the sandbox has a thread, and forks warn of it
        pid = os.fork()
    if pid == 0:
        try:
            answers = [driver.read(driver.whole(model))[0], asyncio.run(_read(driver, model))]
            os.write(writer, "|".join(answers).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        output = pipe.read().decode()
    os.waitpid(pid, 0)

    assert output == f"{expected}|{expected}"
    assert sandbox.connections == connections + 2
    assert driver.read(driver.whole(model))[0] == expected
    assert sandbox.connections == connections + 2, "the parent had to connect again"
    model.close()


def test_sync_calls_inside_a_running_loop(driver: Driver, fresh: Any) -> None:
    """A notebook's cell runs in a loop and can make every kind of call: sync, async, and `asyncio.run` in a thread."""

    async def cell(model: Any) -> list[str]:
        first = await _read(driver, model)
        second = driver.read(driver.whole(model))[0]
        third = await asyncio.to_thread(lambda: asyncio.run(_read(driver, model)))
        with closing(driver.stream(model)) as pieces:
            next(pieces)
        return [first, second, third, await _read(driver, model)]

    with all_returned(), closing(fresh()) as model:
        assert len(set(asyncio.run(cell(model)))) == 1
        assert len(set(asyncio.run(cell(model)))) == 1


def test_models_that_are_garbage_collected(driver: Driver, fresh: Any) -> None:
    """The connections of a model are closed when it is garbage-collected."""
    with all_returned():
        for _ in range(50):
            driver.whole(fresh())


def test_models_that_are_garbage_collected_while_their_loop_runs(driver: Driver, fresh: Any, sandbox: Sandbox) -> None:
    """The same in a loop that keeps running."""

    async def main() -> None:
        before = sandbox.open_connections
        for _ in range(50):
            await driver.awhole(fresh())
        gc.collect()
        assert await auntil(lambda: sandbox.open_connections <= before)

    with all_returned():
        asyncio.run(main())


def test_many_unused_models_hold_no_resources(driver: Driver, fresh: Any) -> None:
    """A model that is not used holds nothing but its settings."""
    with all_returned():
        models = [fresh() for _ in range(MODELS)]
        assert len(models) == MODELS
        del models


def test_streams_that_are_left_half_read(sandbox: Sandbox, driver: Driver, fresh: Any) -> None:
    """A hundred unfinished streams, in loops and outside, leave nothing open."""
    with all_returned():
        model = fresh()
        for _ in range(50):
            sandbox.script(Reply(text=["word "] * 50), Reply(text=["word "] * 50))
            next(driver.stream(model))
            asyncio.run(_begin(driver, model))
        model.close()
        del model
    sandbox.reset()


async def _begin(driver: Driver, model: Any) -> None:
    await anext(driver.astream(model))


def test_closing_a_copy_leaves_the_original_open(driver: Driver, fresh: Any) -> None:
    """Closing a copy does not close the original."""
    with all_returned(), closing(fresh()) as model:
        driver.whole(model)
        with closing(model.model_copy(deep=True)) as copy:
            driver.whole(copy)
        assert driver.read(driver.whole(model))[0]


def errors_alive() -> list[TIRError]:
    """The TIRErrors that are alive."""
    return [one for one in gc.get_objects() if isinstance(one, TIRError)]


@pytest.mark.parametrize("tries", [1, 2])
@pytest.mark.parametrize("mode", ["whole", "stream"])
@pytest.mark.usefixtures("pauses")
def test_errors_do_not_keep_themselves_alive(mode: str, tries: int, servers: Servers) -> None:
    """An error without references is freed at once, with the response, not by the garbage collector."""
    broken = {"whole": refusal(400), "stream": stream(chunk({"content": "x"}), VLLM_ERROR)}[mode]
    servers.play(*[[RESET]] * (tries - 1), [broken, CLOSE])
    client = TIRClient(Config.resolve(api_key=TOKEN, base_url=servers.address("{line}/v1")))
    request = ChatRequest.of(model="m", messages=[])
    gc.collect()
    others = errors_alive()  # of earlier tests, whose threads may still refer to them
    gc.disable()
    try:
        with pytest.raises(TIRError), closing(client):
            _ = client.chat(request) if mode == "whole" else list(client.stream(request))
        left = [one for one in errors_alive() if all(one is not other for other in others)]
    finally:
        gc.enable()

    assert left == []
