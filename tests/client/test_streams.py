"""Streams and clients in several event loops: nothing is left open, nothing is printed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.blocked_imports import ROOT
from tests.faults.resources import all_returned
from tir_client import ChatRequest, Config, TIRClient
from tir_sandbox import Reply, Sandbox

TASK_FACTORIES = [None, *([asyncio.eager_task_factory] if sys.version_info >= (3, 12) else [])]
"""asyncio's own, and the one of Python 3.12 that begins to run a task at once."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def client_for(sandbox: Sandbox) -> TIRClient:
    return TIRClient(Config.resolve(api_key=sandbox.token, base_url=sandbox.base_url))


def request() -> ChatRequest:
    return ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])


async def read_whole(client: TIRClient) -> str:
    return (await client.achat(request())).choice.text


async def read_half(client: TIRClient) -> Any:
    stream = client.astream(request())
    await anext(stream)
    return stream


def test_a_stream_is_a_context_manager_that_ends_the_request(sandbox: Sandbox) -> None:
    sandbox.script(Reply(text=["x"] * 500, chunk_delay=0.01))
    with client_for(sandbox) as client, client.stream(request()) as stream:
        assert next(stream).accumulator is not None
    assert list(stream) == []


async def test_an_async_stream_is_an_async_context_manager_that_ends_the_request(sandbox: Sandbox) -> None:
    sandbox.script(Reply(text=["x"] * 500, chunk_delay=0.01))
    async with client_for(sandbox) as client, client.astream(request()) as stream:
        await anext(stream)
    assert [delta async for delta in stream] == []


@pytest.mark.usefixtures("patient_drain")
async def test_the_next_call_uses_the_connection_of_a_stream_read_to_its_end(sandbox: Sandbox) -> None:
    async with client_for(sandbox) as client:
        for _ in range(5):
            assert [delta async for delta in client.astream(request())][-1].final
    assert sandbox.connections == 1


def test_a_hundred_loops_one_after_the_other(sandbox: Sandbox) -> None:
    client = client_for(sandbox)
    with all_returned():
        for _ in range(100):
            asyncio.run(read_whole(client))


def test_loops_may_end_while_a_stream_is_half_read(sandbox: Sandbox) -> None:
    client = client_for(sandbox)
    with all_returned():
        kept = []
        for _ in range(10):
            sandbox.script(Reply(text=["x"] * 50))
            kept.append(asyncio.run(read_half(client)))
        kept.clear()


@pytest.mark.parametrize("read", [read_whole, read_half])
def test_loops_that_are_closed_without_being_shut_down(read: Any, sandbox: Sandbox) -> None:
    """LlamaIndex's `asyncio_run` does this. The connections are closed by the next call or by `close`."""
    client = client_for(sandbox)
    with all_returned():
        for _ in range(10):
            sandbox.script(Reply(text=["x"] * 50))
            loop = asyncio.new_event_loop()
            try:
                kept = loop.run_until_complete(read(client))
            finally:
                loop.close()
            del kept
        client.close()


def test_each_client_that_is_closed_is_forgotten(sandbox: Sandbox) -> None:
    """A model that is closed and used again drops its earlier clients."""
    client = client_for(sandbox)
    with all_returned():
        for _ in range(10):
            client.chat(request())
            client.close()


async def test_a_call_leaves_no_task(sandbox: Sandbox) -> None:
    async with client_for(sandbox) as client:
        await read_whole(client)
        await (await read_half(client)).aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("factory", TASK_FACTORIES)
async def test_calls_work_with_eager_tasks(sandbox: Sandbox, factory: Any) -> None:
    asyncio.get_running_loop().set_task_factory(factory)
    async with client_for(sandbox) as client:
        texts = await asyncio.gather(*(read_whole(client) for _ in range(20)))
    assert len(set(texts)) == 1


def test_calls_work_with_uvloop(sandbox: Sandbox) -> None:
    uvloop = pytest.importorskip("uvloop", reason="not on Windows: https://github.com/MagicStack/uvloop/issues/14")
    client = client_for(sandbox)
    with all_returned():
        for _ in range(5):
            sandbox.script(Reply(text="Hi."), Reply(text=["x"] * 50))
            uvloop.run(read_whole(client))
            uvloop.run(read_half(client))


EVALUATIONS = """
import importlib, sys, warnings
warnings.simplefilter("default")
importlib.import_module(sys.argv[3]).apply()
import asyncio
from llama_index.core.evaluation import FaithfulnessEvaluator
from llama_index_tir import TIR

llm = TIR(model="gpt_oss_120b", api_key=sys.argv[1], base_url=sys.argv[2])
evaluator = FaithfulnessEvaluator(llm=llm)

def evaluate():
    return evaluator.evaluate(response="It rains.", contexts=["It rains in Pune."])

async def cell():
    for _ in range(3):
        evaluate()

warnings.simplefilter("ignore", DeprecationWarning)
for _ in range(3):
    evaluate()
asyncio.run(cell())
"""


NESTING = ["nest_asyncio2", *(["nest_asyncio"] if sys.version_info < (3, 14) else [])]
"""The package that does not work with Python 3.14 is archived: https://github.com/erdewit/nest_asyncio"""


@pytest.mark.parametrize("nesting", NESTING)
def test_evaluations_in_a_notebook_print_nothing(sandbox: Sandbox, nesting: str) -> None:
    """`nest_asyncio` runs loops without hooks for async generators, and LlamaIndex closes them without a shutdown."""
    arguments = [EVALUATIONS, sandbox.token, sandbox.base_url, nesting]
    command = [sys.executable, "-W", "default::ResourceWarning", "-c", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    noise = [line for line in done.stderr.splitlines() if "unclosed" in line or "ignored" in line or "closed" in line]
    assert (done.returncode, noise) == (0, [])
