"""Asks an LLM for an object, whole and streamed, sync and async side by side.

What to ask and what an answer means is decided in `_structured`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from llama_index_tir._structured import check_full
from tir_client import Enclosed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from llama_index.core.base.llms.types import ChatResponse
    from llama_index.core.llms.llm import LLM
    from pydantic import BaseModel

    from llama_index_tir._structured import StructuredTask

Step = tuple["ChatResponse", Any]
"""A response of a stream, and the object so far where the response has changed it."""


def ask(llm: LLM, task: StructuredTask[Any]) -> ChatResponse:
    """Get the object of `task`, asking twice if need be; the response that held it is returned."""
    task.started()
    response = llm.chat(task.messages, **task.kwargs)
    if not task.accepts(response):
        response = llm.chat(task.second, **task.kwargs)
        task.settle(response)
    task.ended()
    return response


async def aask(llm: LLM, task: StructuredTask[Any]) -> ChatResponse:
    """`ask` for async code."""
    task.started()
    response = await llm.achat(task.messages, **task.kwargs)
    if not task.accepts(response):
        response = await llm.achat(task.second, **task.kwargs)
        task.settle(response)
    task.ended()
    return response


def steps(llm: LLM, task: StructuredTask[Any]) -> Generator[Step]:
    """Ask for the object of `task`, and read it while it is written."""
    with closing(llm.stream_chat(task.messages, **task.kwargs)) as responses:
        for response in responses:
            yield response, task.partial(response)


async def asteps(llm: LLM, task: StructuredTask[Any]) -> AsyncGenerator[Step]:
    """`steps` for async code."""
    async with Enclosed(await llm.astream_chat(task.messages, **task.kwargs)) as responses:
        async for response in responses:
            yield response, task.partial(response)


def objects(llm: LLM, task: StructuredTask[Any]) -> Generator[Any]:
    """The object of `task` as it grows; the last one is whole, asked for twice if need be."""
    last = None
    with closing(steps(llm, task)) as growing:
        for response, output in growing:  # noqa: B007 - the last one is looked at
            if output is not None:
                last = output
                yield output
    if not task.accepts(response):
        task.settle(llm.chat(task.second, **task.kwargs))
    if task.result != last:
        yield task.result


async def aobjects(llm: LLM, task: StructuredTask[Any]) -> AsyncGenerator[Any]:
    """`objects` for async code."""
    last = None
    async with Enclosed(asteps(llm, task)) as growing:
        async for response, output in growing:  # noqa: B007 - likewise
            if output is not None:
                last = output
                yield output
    if not task.accepts(response):
        task.settle(await llm.achat(task.second, **task.kwargs))
    if task.result != last:
        yield task.result


def full(others: Generator[Any], output_cls: type[BaseModel]) -> Generator[Any]:
    """The objects that a program of LlamaIndex gives while they grow; it ends in silence with whatever it has.

    Raises:
        StructuredOutputError: What it has in the end is not the object.
    """
    last = None
    with closing(others):
        for last in others:
            yield last
    check_full(last, output_cls)


async def afull(others: AsyncGenerator[Any], output_cls: type[BaseModel]) -> AsyncGenerator[Any]:
    """`full` for async code."""
    last = None
    async with Enclosed(others) as growing:
        async for last in growing:
            yield last
    check_full(last, output_cls)
