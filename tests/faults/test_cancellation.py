"""When a caller cancels, closes or drops a call, the server is disconnected at once and no connection stays open."""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.program.function_program import get_function_tool
from pydantic import BaseModel
from workflows.errors import WorkflowCancelledByUser

from tests.faults.drivers import OURS, Driver
from tests.faults.matrix import PATIENT, hasty
from tests.faults.response_bytes import chunk, head, stream
from tests.waiting import until
from tests.wire_server import STALL, WireServer
from tir_client import APITimeoutError

AT_ONCE = 0.4
"""Seconds within which the server must notice: less than any time limit of the library's own."""

PAUSES = [0.15 * 1.2**number for number in range(20)]
"""Seconds after which each call is left. On a busy machine the first calls may end before the request is sent.

The shortest delay counts, since a busy machine lengthens some of them, but not all.
"""

NOTICE = 10.0
"""Seconds to wait until the server notices the disconnect; far less than the timeouts of `PATIENT`."""

TALK = stream(chunk({"role": "assistant", "content": ""}), *[chunk({"content": "word "})] * 3, done=False)
SILENT = head(content_length="500")


@dataclass(frozen=True)
class Call:
    """A call, which is left after `pause` seconds unless it is left at its first piece."""

    driver: Driver
    model: Any
    server: WireServer
    pause: float


class Left(Exception):  # noqa: N818 - nothing is wrong
    """Raised by code that stops reading a stream."""


# In sync code


def close(call: Call) -> None:
    pieces = call.driver.stream(call.model)
    next(pieces)
    pieces.close()


def leave_the_loop(call: Call) -> None:
    for _ in call.driver.stream(call.model):
        break


def raise_in_the_loop(call: Call) -> None:
    with suppress(Left):
        for _ in call.driver.stream(call.model):
            raise Left


def forget_everything(call: Call) -> None:
    model = call.driver.model(call.server.base_url, PATIENT)
    pieces = call.driver.stream(model)
    next(pieces)
    del model, pieces
    gc.collect()


def interrupt_a_stream(call: Call) -> None:
    with interrupted(call.server):
        for _ in call.driver.stream(call.model):
            pass


def interrupt_a_whole_answer(call: Call) -> None:
    with interrupted(call.server):
        call.driver.whole(call.model)


def run_out_of_time_in_a_stream(call: Call) -> None:
    with pytest.raises(APITimeoutError), closing(call.driver.stream(hurried(call))) as pieces:
        for _ in pieces:
            pass


def run_out_of_time_in_a_whole_answer(call: Call) -> None:
    with pytest.raises(APITimeoutError):
        call.driver.whole(hurried(call))


# In async code


async def aclose(call: Call) -> None:
    pieces = call.driver.astream(call.model)
    await anext(pieces)
    await pieces.aclose()


async def leave_the_async_loop(call: Call) -> None:
    async for _ in call.driver.astream(call.model):
        break


async def raise_in_the_async_loop(call: Call) -> None:
    with suppress(Left):
        async with aclosing(call.driver.astream(call.model)) as pieces:
            async for _ in pieces:
                raise Left


async def cancel_a_stream(call: Call) -> None:
    await cancelled(read(call.driver, call.model), call.pause)


async def cancel_a_whole_answer(call: Call) -> None:
    await cancelled(call.driver.awhole(call.model), call.pause)


async def run_out_of_patience_in_a_stream(call: Call) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(call.pause):
            await read(call.driver, call.model)


async def run_out_of_patience_in_a_whole_answer(call: Call) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call.driver.awhole(call.model), call.pause)


async def run_out_of_time_in_an_async_stream(call: Call) -> None:
    with pytest.raises(APITimeoutError):
        await read(call.driver, hurried(call))


async def fail_beside_a_stream(call: Call) -> None:
    async def fail() -> None:
        await asyncio.sleep(call.pause)
        raise Left

    with suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(read(call.driver, call.model))
            group.create_task(fail())


async def read(driver: Driver, model: Any) -> None:
    async with aclosing(driver.astream(model)) as pieces:
        async for _ in pieces:
            pass


async def cancelled(coroutine: Any, pause: float) -> None:
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(pause)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Shared helpers


@contextmanager
def interrupted(server: WireServer) -> Iterator[None]:
    """The user presses Ctrl-C while the block waits for more of an answer.

    The handler is Python's own, because SIGINT may be ignored where the tests run (under `nohup`, for instance).
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    over = threading.Event()
    thread = threading.Thread(target=_press_ctrl_c, args=(server, over))
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGINT, before)


def _press_ctrl_c(server: WireServer, over: threading.Event) -> None:
    until(lambda: over.is_set() or (server.connections and server.connections[0].stalled))
    if not over.wait(0.15):  # the client reads what it was sent
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def hurried(call: Call) -> Any:
    """A model like that of a call, with a short timeout."""
    return call.driver.model(call.server.base_url, hasty("chunk", 0.15))


def delay(server: WireServer, since: float) -> float:
    """Seconds from `since` until the server saw its only client disconnect; infinite if none had connected."""
    if not server.connections:
        return math.inf
    (connection,) = server.connections
    until(lambda: connection.disconnected, NOTICE)
    assert connection.disconnected_at is not None, "the server did not notice that the client disconnected"
    return connection.disconnected_at - since


async def adelay(server: WireServer) -> float:
    """The same, from now on, in a loop that keeps running."""
    return await asyncio.to_thread(delay, server, time.monotonic())


def script_for(leave: Any) -> list[Any]:
    """Send pieces and then nothing for a stream; for a whole answer, nothing after the headers."""
    return [SILENT if "whole" in leave.__name__ else TALK, STALL]


SYNC = [
    close,
    leave_the_loop,
    raise_in_the_loop,
    forget_everything,
    interrupt_a_stream,
    interrupt_a_whole_answer,
    run_out_of_time_in_a_stream,
    run_out_of_time_in_a_whole_answer,
]
ASYNC = [
    aclose,
    leave_the_async_loop,
    raise_in_the_async_loop,
    cancel_a_stream,
    cancel_a_whole_answer,
    run_out_of_patience_in_a_stream,
    run_out_of_patience_in_a_whole_answer,
    run_out_of_time_in_an_async_stream,
    fail_beside_a_stream,
]


@pytest.mark.parametrize("driver", OURS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("leave", SYNC, ids=lambda leave: leave.__name__)
def test_cancelling_closes_the_connection_at_once(driver: Driver, leave: Any) -> None:
    """Leaving an answer in any way closes its connection."""
    for pause in PAUSES:
        with WireServer(script_for(leave)) as server, closing(driver.model(server.base_url, PATIENT)) as model:
            leave(Call(driver, model, server, pause))
            noticed = delay(server, time.monotonic())
        if noticed < AT_ONCE:
            break

    assert noticed < AT_ONCE


@pytest.mark.parametrize("driver", OURS, ids=lambda driver: driver.name)
@pytest.mark.parametrize("leave", ASYNC, ids=lambda leave: leave.__name__)
def test_cancelling_async_code_closes_the_connection_at_once(driver: Driver, leave: Any) -> None:
    """The same in a loop that keeps running."""
    assert at_once(driver, leave, script_for(leave))


def at_once(driver: Driver, leave: Any, script: list[Any]) -> bool:
    """Whether the server notices at once that a call in a running loop is left."""

    async def main(server: WireServer, pause: float) -> float:
        await leave(Call(driver, driver.model(server.base_url, PATIENT), server, pause))
        return await adelay(server)

    for pause in PAUSES:
        with WireServer(script) as server:
            if asyncio.run(main(server, pause)) < AT_ONCE:
                return True
    return False


async def cancel_a_langchain_agent(call: Call) -> None:
    agent = create_agent(call.model, [])
    await cancelled(agent.ainvoke({"messages": [("user", "Talk.")]}), call.pause)


async def leave_a_langchain_agents_stream(call: Call) -> None:
    agent = create_agent(call.model, [])
    async with aclosing(agent.astream({"messages": [("user", "Talk.")]}, stream_mode="messages")) as pieces:
        async for _ in pieces:
            break


async def cancel_a_llama_index_agent(call: Call) -> None:
    handler = FunctionAgent(llm=call.model, tools=[]).run("Talk.")
    async for event in handler.stream_events():
        if isinstance(event, AgentStream):
            break
    await handler.cancel_run()
    with suppress(WorkflowCancelledByUser):
        await handler


AGENTS = [
    pytest.param(OURS[0], cancel_a_langchain_agent, id="LangChain-cancel"),
    pytest.param(OURS[0], leave_a_langchain_agents_stream, id="LangChain-leave"),
    pytest.param(OURS[1], cancel_a_llama_index_agent, id="LlamaIndex-cancel"),
]


@pytest.mark.filterwarnings("ignore:The `__.*__` attribute is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Accessing the '.*' attribute on the instance:DeprecationWarning")
@pytest.mark.parametrize(("driver", "leave"), AGENTS)
def test_cancelling_an_agent_closes_the_connection_at_once(driver: Driver, leave: Any) -> None:
    """Stopping an agent ends the request to its model."""
    assert at_once(driver, leave, [TALK, STALL])


@pytest.mark.parametrize("driver", OURS, ids=lambda driver: driver.name)
def test_interrupting_an_event_loop_closes_the_connection(driver: Driver) -> None:
    """Ctrl-C in `asyncio.run` closes the connections of its loop."""
    for _ in PAUSES:
        with WireServer([TALK, STALL]) as server:
            model = driver.model(server.base_url, PATIENT)
            with interrupted(server):
                asyncio.run(read(driver, model))
            noticed = delay(server, time.monotonic())
        if noticed < AT_ONCE:
            break

    assert noticed < AT_ONCE


class Fact(BaseModel):
    """How a stream ends."""

    text: str


async def begin_langchain(model: Any) -> Any:
    return model.astream("Talk.")


async def begin_a_chat(model: Any) -> Any:
    return await model.astream_chat([ChatMessage("Talk.")])


async def begin_a_completion(model: Any) -> Any:
    return await model.astream_complete("Talk.")


async def begin_a_demanded_call(model: Any) -> Any:
    return await model.astream_chat_with_tools([get_function_tool(Fact)], "Talk.", tool_required=True)


async def begin_a_structured_completion(model: Any) -> Any:
    return await model.as_structured_llm(Fact).astream_complete("Talk.")


KEPT = [
    pytest.param(OURS[0], begin_langchain, id="LangChain"),
    pytest.param(OURS[1], begin_a_chat, id="LlamaIndex-chat"),
    pytest.param(OURS[1], begin_a_completion, id="LlamaIndex-completion"),
    pytest.param(OURS[1], begin_a_demanded_call, id="LlamaIndex-tool"),
    pytest.param(OURS[1], begin_a_structured_completion, id="LlamaIndex-structured"),
]


@pytest.mark.parametrize(("driver", "begin"), KEPT)
def test_a_half_read_stream_that_is_kept_ends_with_its_loop_without_warnings(driver: Driver, begin: Any) -> None:
    """The loop closes all generators at once, and no generator of ours is closed twice."""
    kept, logged = [], []

    async def main(server: WireServer) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        stream = await begin(driver.model(server.base_url, PATIENT))
        await anext(stream)
        kept.append(stream)

    with WireServer([TALK, STALL]) as server:
        asyncio.run(main(server))
        assert delay(server, time.monotonic()) < NOTICE

    assert not logged


@pytest.mark.parametrize(("driver", "begin"), KEPT)
def test_leaving_the_loop_over_an_async_stream_closes_the_connection_at_once(driver: Driver, begin: Any) -> None:
    """Also if the model is kept and the garbage collector does not run."""
    models = []

    async def leave(call: Call) -> None:
        models.append(call.model)
        async for _ in await begin(call.model):
            break

    gc.disable()
    try:
        assert at_once(driver, leave, [TALK, STALL])
    finally:
        gc.enable()


@pytest.mark.parametrize(("driver", "begin"), KEPT)
def test_a_stream_that_is_dropped_just_before_its_loop_ends_is_closed_without_warnings(
    driver: Driver, begin: Any
) -> None:
    """aiohttp warns in debug mode about responses that are not closed."""

    async def main() -> None:
        async for _ in await begin(model):
            break

    with WireServer([TALK, STALL] * 20) as server:
        model = driver.model(server.base_url, PATIENT)
        for _ in range(20):
            asyncio.run(main(), debug=True)
        gc.collect()


@pytest.mark.parametrize(("driver", "begin"), KEPT)
def test_a_half_read_stream_that_is_freed_after_its_loop_closes_its_connection(driver: Driver, begin: Any) -> None:
    """Also if the model is kept and the garbage collector does not run."""

    async def read_half(model: Any) -> Any:
        stream = await begin(model)
        await anext(stream)
        return stream

    gc.disable()
    try:
        with WireServer([TALK, STALL]) as server:
            model = driver.model(server.base_url, PATIENT)
            loop = asyncio.new_event_loop()
            stream = loop.run_until_complete(read_half(model))
            loop.close()
            del stream
            assert delay(server, time.monotonic()) < NOTICE
    finally:
        gc.enable()


@pytest.mark.parametrize("driver", OURS, ids=lambda driver: driver.name)
def test_a_model_works_after_its_streams_were_abandoned(driver: Driver) -> None:
    """A hundred abandoned streams do not exhaust the connection pool."""
    with WireServer([TALK, STALL]) as server:
        model = driver.model(server.base_url, PATIENT)
        for _ in range(100):
            close(Call(driver, model, server, 0.0))
        until(lambda: all(one.disconnected for one in server.connections))
        model.close()

        assert [one.disconnected for one in server.connections] == [True] * 100
