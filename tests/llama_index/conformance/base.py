"""Promises: the base class of the conformance tests, and helpers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ThinkingBlock, ToolCallBlock

if TYPE_CHECKING:
    from collections.abc import Callable

    from llama_index.core.llms.function_calling import FunctionCallingLLM


class Promises:
    """The LLM under test comes from the fixture `make`, which takes constructor fields."""

    @pytest.fixture
    def make(self) -> Callable[..., FunctionCallingLLM]:
        raise NotImplementedError

    @pytest.fixture
    def llm(self, make) -> FunctionCallingLLM:
        return make(max_retries=0)


def question(text: str = "How are you?") -> list[ChatMessage]:
    return [ChatMessage(content=text)]


def thinking(response: ChatResponse) -> str:
    return "".join(block.content or "" for block in response.message.blocks if isinstance(block, ThinkingBlock))


def texts(response: ChatResponse) -> list[str]:
    return [block.text for block in response.message.blocks if isinstance(block, TextBlock)]


def calls(response: ChatResponse) -> list[ToolCallBlock]:
    return [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]


async def collect(stream: Any) -> list[ChatResponse]:
    return [response async for response in await stream]


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    """A chunk of a stream as vLLM sends it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def piece(index: int | None, arguments: str | None, **more: Any) -> dict[str, Any]:
    """A piece of a tool call in a chunk."""
    function = {"arguments": arguments, **({"name": more.pop("name")} if "name" in more else {})}
    return {"type": "function", "function": function, **({} if index is None else {"index": index}), **more}
