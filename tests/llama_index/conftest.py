"""Fixtures: one sandbox server, reset between tests."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from demo.rules import answer
from llama_index_tir import TIR, TIREmbedding, register
from tir_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.register_assert_rewrite("tests.llama_index.conformance")


@pytest.fixture(autouse=True, scope="session")
def _registered() -> None:
    """Register our classes with LlamaIndex for every test."""
    register()


@pytest.fixture(autouse=True)
def _loop_of_the_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Close the event loops that LlamaIndex's sync methods leave open."""
    if inspect.iscoroutinefunction(request.function):
        yield
        return
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox(rules=answer) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    for name, value in running_sandbox.env.items():
        monkeypatch.setenv(name, value)
    running_sandbox.reset()
    running_sandbox.strict = True
    yield running_sandbox
    running_sandbox.check_script()


@pytest.fixture
def make_llm(sandbox: Sandbox) -> Callable[..., TIR]:
    """Return a function that makes a `TIR` for the sandbox."""
    return TIR


@pytest.fixture
def llm(make_llm: Callable[..., TIR]) -> TIR:
    return make_llm(max_retries=0)


@pytest.fixture
def embedding(sandbox: Sandbox) -> TIREmbedding:
    return TIREmbedding(max_retries=0)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a stream as vLLM sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}
