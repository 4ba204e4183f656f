"""Contenders without a framework: the openai SDK, and plain HTTP on several transports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.bodies import MODEL, TOOL, Turns
from benchmarks.lazy_import import imported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator


class OpenAISDK:
    """The openai SDK, which most peers use."""

    def __init__(self, base_url: str) -> None:
        self._client = imported("openai", "OpenAI")(base_url=base_url, api_key="test")
        self._async_client = imported("openai", "AsyncOpenAI")(base_url=base_url, api_key="test")

    def prompt(self, turns: Turns) -> Any:
        return {"model": MODEL, "messages": [{"role": role, "content": text} for role, text in turns]}

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:
        more = {"tools": [TOOL]} if tools else {}
        chunks: Iterator[Any] = self._client.chat.completions.create(**prompt, **more, stream=True)
        return chunks

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:
        more = {"tools": [TOOL]} if tools else {}
        chunks: AsyncIterator[Any] = await self._async_client.chat.completions.create(**prompt, **more, stream=True)
        return chunks

    def ask(self, prompt: Any) -> Any:
        return self._client.chat.completions.create(**prompt)

    async def aask(self, prompt: Any) -> Any:
        return await self._async_client.chat.completions.create(**prompt)

    def text(self, chunk: Any) -> str:
        return str(chunk.choices[0].delta.content or "") if chunk.choices else ""


class BareHTTP:
    """A minimal client on httpx: it splits the bytes into events and parses them with jiter.

    Args:
        base_url: The URL of the server.
        make_async: Creates the async client in the loop that uses it.
    """

    def __init__(self, base_url: str, make_async: Callable[[], Awaitable[Any]]) -> None:
        self._url = f"{base_url}/chat/completions"
        self._client = imported("httpx", "Client")()
        self._make_async = make_async
        self._async_client: Any = None
        self._parse = imported("jiter", "from_json")

    def prompt(self, turns: Turns) -> Any:
        return {"model": MODEL, "messages": [{"role": role, "content": text} for role, text in turns]}

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:
        with self._client.stream("POST", self._url, json=_streamed(prompt, tools=tools)) as response:
            rest = b""
            for data in response.iter_bytes():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        yield self._parse(event[6:])

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:
        return self._astream(_streamed(prompt, tools=tools))

    async def _astream(self, body: Any) -> AsyncIterator[Any]:
        client = self._async_client or await self._connect()
        async with client.stream("POST", self._url, json=body) as response:
            rest = b""
            async for data in response.aiter_bytes():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        yield self._parse(event[6:])

    def ask(self, prompt: Any) -> Any:
        return self._parse(self._client.post(self._url, json=prompt).content)

    async def aask(self, prompt: Any) -> Any:
        client = self._async_client or await self._connect()
        return self._parse((await client.post(self._url, json=prompt)).content)

    def text(self, chunk: Any) -> str:
        return str(chunk["choices"][0]["delta"].get("content") or "") if chunk["choices"] else ""

    async def _connect(self) -> Any:
        self._async_client = self._async_client or await self._make_async()
        return self._async_client


def _streamed(prompt: Any, *, tools: bool) -> Any:
    return {**prompt, "stream": True, **({"tools": [TOOL]} if tools else {})}


def _limits() -> Any:
    """Limits for a thousand streams; httpx's default is a hundred connections."""
    return imported("httpx", "Limits")(max_connections=1000)


async def _on_httpx() -> Any:
    return imported("httpx", "AsyncClient")(limits=_limits(), timeout=60)


async def _on_aiohttp() -> Any:
    transport = imported("httpx_aiohttp", "AiohttpTransport")(limits=_limits())
    return imported("httpx", "AsyncClient")(transport=transport, timeout=60)


_KEPT: list[Any] = []


async def _on_ours() -> Any:
    clients = imported("tir_client.transport.clients", "Clients")()
    _KEPT.append(clients)  # garbage collection would close its clients
    return await clients.of_loop()


TRANSPORTS: dict[str, Callable[[], Awaitable[Any]]] = {
    "httpx + jiter": _on_httpx,
    "httpx on aiohttp + jiter": _on_aiohttp,
    "our transport + jiter": _on_ours,
}
"""Async transports for the same httpx client. The sync client is always httpx's own."""
