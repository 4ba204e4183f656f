"""Runs a `StructuredTask`, whole or streamed, in sync and async versions."""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

from llama_index_tir._mapped_streams import AsyncMapped, Mapped
from llama_index_tir._structured import check_last

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from llama_index.core.base.llms.types import ChatResponse
    from llama_index.core.llms.llm import LLM
    from pydantic import BaseModel

    from llama_index_tir._structured import StructuredTask

Step = tuple["ChatResponse", Any]
"""A response of a stream, and the object so far, or None if it did not change."""


def predict(llm: LLM, task: StructuredTask[Any]) -> ChatResponse:
    """Request the object of `task`, at most twice; return the response with it."""
    task.started()
    response = llm.chat(task.messages, **task.kwargs)
    if not task.accepts(response):
        response = llm.chat(task.second, **task.kwargs)
        task.finish(response)
    task.ended()
    return response


async def apredict(llm: LLM, task: StructuredTask[Any]) -> ChatResponse:
    """`predict` for async code."""
    task.started()
    response = await llm.achat(task.messages, **task.kwargs)
    if not task.accepts(response):
        response = await llm.achat(task.second, **task.kwargs)
        task.finish(response)
    task.ended()
    return response


def stream_steps(llm: LLM, task: StructuredTask[Any]) -> Mapped[ChatResponse, Step]:
    """Request the object of `task`, and parse it while it arrives."""
    responses = llm.stream_chat(task.messages, **task.kwargs)
    return Mapped(responses, lambda response: (response, task.partial(response)))


async def astream_steps(llm: LLM, task: StructuredTask[Any]) -> AsyncMapped[ChatResponse, Step]:
    """`stream_steps` for async code."""
    responses = await llm.astream_chat(task.messages, **task.kwargs)
    return AsyncMapped(responses, lambda response: (response, task.partial(response)))


def stream_objects(llm: LLM, task: StructuredTask[Any]) -> Generator[Any]:
    """Yield the object of `task` as it grows. The last one is complete, after at most two requests."""
    last = None
    with closing(stream_steps(llm, task)) as growing:
        for response, output in growing:  # noqa: B007 - the last one is used below
            if output is not None:
                last = output
                yield output
    if not task.accepts(response):
        task.finish(llm.chat(task.second, **task.kwargs))
    if task.result != last:
        yield task.result


async def astream_objects(llm: LLM, task: StructuredTask[Any]) -> AsyncGenerator[Any]:
    """`stream_objects` for async code."""
    last = None
    async with aclosing(await astream_steps(llm, task)) as growing:
        async for response, output in growing:  # noqa: B007 - the last one is used below
            if output is not None:
                last = output
                yield output
    if not task.accepts(response):
        task.finish(await llm.achat(task.second, **task.kwargs))
    if task.result != last:
        yield task.result


def check_stream(objects: Generator[Any], output_cls: type[BaseModel]) -> Generator[Any]:
    """Yield the growing objects of LlamaIndex's program, and check the last one.

    Raises:
        StructuredOutputError: The last object is not of the class.
    """
    last = None
    with closing(objects):
        for last in objects:
            yield last
    check_last(last, output_cls)


async def acheck_stream(objects: AsyncGenerator[Any], output_cls: type[BaseModel]) -> AsyncGenerator[Any]:
    """`check_stream` for async code."""
    last = None
    async with aclosing(objects) as growing:
        async for last in growing:
            yield last
    check_last(last, output_cls)
