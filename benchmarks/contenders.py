"""The contenders, behind one interface: each is built and asked as its own documentation does it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.bodies import MODEL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

Turns = list[tuple[str, str]]
"""A conversation: role and text of each message."""

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}


def imported(module: str, name: str) -> Any:
    """Import when it is needed: the process of one contender must not pay for the others."""
    return getattr(import_module(module), name)


class Contender(Protocol):
    """What the measurements need of a client."""

    def prompt(self, turns: Turns) -> Any: ...
    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]: ...
    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]: ...
    def ask(self, prompt: Any) -> Any: ...
    async def aask(self, prompt: Any) -> Any: ...
    def text(self, chunk: Any) -> str: ...


class LangChainModel:
    """A chat model of LangChain."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def prompt(self, turns: Turns) -> Any:
        return imported("langchain_core.messages", "convert_to_messages")(turns)

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:
        chunks: Iterator[Any] = (self._model.bind_tools([TOOL]) if tools else self._model).stream(prompt)
        return chunks

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = (self._model.bind_tools([TOOL]) if tools else self._model).astream(prompt)
        return chunks

    def ask(self, prompt: Any) -> Any:
        return self._model.invoke(prompt)

    async def aask(self, prompt: Any) -> Any:
        return await self._model.ainvoke(prompt)

    def text(self, chunk: Any) -> str:
        return str(chunk.content)


class LlamaIndexModel:
    """An LLM of LlamaIndex."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def prompt(self, turns: Turns) -> Any:
        return [imported("llama_index.core.llms", "ChatMessage")(role=role, content=text) for role, text in turns]

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:
        chunks: Iterator[Any] = self._model.stream_chat(prompt, **({"tools": [TOOL]} if tools else {}))
        return chunks

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:
        chunks: AsyncIterator[Any] = await self._model.astream_chat(prompt, **({"tools": [TOOL]} if tools else {}))
        return chunks

    def ask(self, prompt: Any) -> Any:
        return self._model.chat(prompt)

    async def aask(self, prompt: Any) -> Any:
        return await self._model.achat(prompt)

    def text(self, chunk: Any) -> str:
        return str(chunk.delta or "")


class OpenAISDK:
    """The client that most peers are built upon."""

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
    """The least that a client built on httpx can do: split the bytes into events and parse them."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/chat/completions"
        self._client = imported("httpx", "Client")()
        self._async_client = imported("httpx", "AsyncClient")()
        self._parse = imported("jiter", "from_json")

    def prompt(self, turns: Turns) -> Any:
        return {"model": MODEL, "messages": [{"role": role, "content": text} for role, text in turns]}

    def stream(self, prompt: Any, *, tools: bool = False) -> Iterator[Any]:  # noqa: ARG002 - they change nothing here
        rest = b""
        with self._client.stream("POST", self._url, json={**prompt, "stream": True}) as response:
            for data in response.iter_bytes():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        yield self._parse(event[6:])

    async def astream(self, prompt: Any, *, tools: bool = False) -> AsyncIterator[Any]:  # noqa: ARG002 - likewise
        return self._astream(prompt)

    async def _astream(self, prompt: Any) -> AsyncIterator[Any]:
        rest = b""
        async with self._async_client.stream("POST", self._url, json={**prompt, "stream": True}) as response:
            async for data in response.aiter_bytes():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event != b"data: [DONE]":
                        yield self._parse(event[6:])

    def ask(self, prompt: Any) -> Any:
        return self._parse(self._client.post(self._url, json=prompt).content)

    async def aask(self, prompt: Any) -> Any:
        return self._parse((await self._async_client.post(self._url, json=prompt)).content)

    def text(self, chunk: Any) -> str:
        return str(chunk["choices"][0]["delta"].get("content") or "") if chunk["choices"] else ""


def _chat_tir(base_url: str) -> Any:
    return imported("langchain_tir", "ChatTIR")(model=MODEL, api_key="test", base_url=base_url)


def _tir(base_url: str) -> Any:
    return imported("llama_index_tir", "TIR")(model=MODEL, api_key="test", base_url=base_url)


def _chat_openai(base_url: str) -> Any:
    return imported("langchain_openai", "ChatOpenAI")(model=MODEL, api_key="test", base_url=base_url, stream_usage=True)


def _chat_mistral(base_url: str) -> Any:
    return imported("langchain_mistralai", "ChatMistralAI")(model_name=MODEL, api_key="test", endpoint=base_url)


def _chat_nvidia(base_url: str) -> Any:
    return imported("langchain_nvidia_ai_endpoints", "ChatNVIDIA")(model=MODEL, api_key="test", base_url=base_url)


def _openai_like(base_url: str) -> Any:
    settings = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 131_072}
    return imported("llama_index.llms.openai_like", "OpenAILike")(
        model=MODEL, api_key="test", api_base=base_url, **settings
    )


LANGCHAIN: dict[str, Callable[[str], Any]] = {
    "ChatTIR": _chat_tir,
    "ChatOpenAI": _chat_openai,
    "ChatMistralAI": _chat_mistral,
    "ChatNVIDIA": _chat_nvidia,
}
LLAMA_INDEX: dict[str, Callable[[str], Any]] = {"TIR": _tir, "OpenAILike": _openai_like}
BARE: dict[str, Callable[[str], Contender]] = {"openai SDK": OpenAISDK, "httpx + jiter": BareHTTP}


def model(name: str, base_url: str) -> Any:
    """The object that a user of a framework builds."""
    return (LANGCHAIN | LLAMA_INDEX | BARE)[name](base_url)


def contender(name: str, base_url: str) -> Contender:
    """One contender, pointed at the server."""
    if name in LANGCHAIN:
        return LangChainModel(model(name, base_url))
    return LlamaIndexModel(model(name, base_url)) if name in LLAMA_INDEX else BARE[name](base_url)
