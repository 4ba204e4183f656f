"""Calls an LLM for structured output, whole and streamed, sync and async side by side.

What to ask and what an answer means is decided in `_structured`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from llama_index_tir._structured import check_last
from tir_client._enclosed import Enclosed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from llama_index.core.base.llms.types import ChatResponse
    from llama_index.core.llms.llm import LLM
    from pydantic import BaseModel

    from llama_index_tir._structured import StructuredTask

Step = tuple["ChatResponse", Any]
"""A response of a stream, and the object so far where the response has changed it."""


def predict(llm: LLM, task: StructuredTask[Any]) -> ChatResponse:
    """Get the object of `task`, asking twice if need be; the response that held it is returned."""
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


def stream_steps(llm: LLM, task: StructuredTask[Any]) -> Generator[Step]:
    """Ask for the object of `task`, and read it while it is written."""
    with closing(llm.stream_chat(task.messages, **task.kwargs)) as responses:
        for response in responses:
            yield response, task.partial(response)


async def astream_steps(llm: LLM, task: StructuredTask[Any]) -> AsyncGenerator[Step]:
    """`stream_steps` for async code."""
    async with Enclosed(await llm.astream_chat(task.messages, **task.kwargs)) as responses:
        async for response in responses:
            yield response, task.partial(response)


def stream_objects(llm: LLM, task: StructuredTask[Any]) -> Generator[Any]:
    """The object of `task` as it grows; the last one is whole, asked for twice if need be."""
    last = None
    with closing(stream_steps(llm, task)) as growing:
        for response, output in growing:  # noqa: B007 - the last one is looked at
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
    async with Enclosed(astream_steps(llm, task)) as growing:
        async for response, output in growing:  # noqa: B007 - the last one is looked at
            if output is not None:
                last = output
                yield output
    if not task.accepts(response):
        task.finish(await llm.achat(task.second, **task.kwargs))
    if task.result != last:
        yield task.result


def check_stream(objects: Generator[Any], output_cls: type[BaseModel]) -> Generator[Any]:
    """The growing objects of LlamaIndex's program, which ends without an error whatever its last object is.

    Raises:
        StructuredOutputError: The last one is not of the class.
    """
    last = None
    with closing(objects):
        for last in objects:
            yield last
    check_last(last, output_cls)


async def acheck_stream(objects: AsyncGenerator[Any], output_cls: type[BaseModel]) -> AsyncGenerator[Any]:
    """`check_stream` for async code."""
    last = None
    async with Enclosed(objects) as growing:
        async for last in growing:
            yield last
    check_last(last, output_cls)
