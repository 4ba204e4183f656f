"""The four ways to call the client (sync or async, whole or streamed), each as an async function."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from tests.wire_server import WireServer
from tir_client import ChatRequest, Config, RetryPolicy, TIRClient
from tir_client.protocol.responses import Completion
from tir_sandbox import Sandbox

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

TOKEN = "eyJtYXJrZWQ.dG9rZW4.c2VjcmV0"
NO_PAUSE = RetryPolicy(base=0, jitter=0)


def request(**more) -> ChatRequest:
    return ChatRequest.of(**{"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more})


def client(server: Sandbox | WireServer, **options) -> TIRClient:
    return TIRClient(Config.resolve(api_key=TOKEN, base_url=server.base_url), **{"retry": NO_PAUSE, **options})
