"""The client's four ways to ask for an answer, each as an async function that returns the completion."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from tir_client import ChatRequest, Completion, TIRClient

Ask = Callable[[TIRClient, ChatRequest], Awaitable[Completion]]


async def whole(client: TIRClient, request: ChatRequest) -> Completion:
    return await asyncio.to_thread(client.chat, request)


async def awhole(client: TIRClient, request: ChatRequest) -> Completion:
    return await client.achat(request)


async def streamed(client: TIRClient, request: ChatRequest) -> Completion:
    return (await asyncio.to_thread(lambda: list(client.stream(request))))[-1].accumulator.completion()


async def astreamed(client: TIRClient, request: ChatRequest) -> Completion:
    async with aclosing(client.astream(request)) as deltas:
        last = [delta async for delta in deltas][-1]
    return last.accumulator.completion()


EVERY = (whole, awhole, streamed, astreamed)
PATHS = [pytest.param(path, id=path.__name__) for path in EVERY]
