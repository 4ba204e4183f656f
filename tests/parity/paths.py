"""The eight paths to an answer, each as one async function: two frameworks, sync and async, whole and streamed.

Conversations and answers are written in types of neither framework.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.tools import FunctionTool

from langchain_tir import ChatTIR
from llama_index_tir import TIR


@dataclass(frozen=True)
class Call:
    """A tool call in a conversation or in an answer."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class Media:
    """An image, a video or audio: at a URL, or data of a media type."""

    kind: str
    source: str | bytes
    media_type: str = ""


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: str
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    call_id: str = ""
    media: tuple[Media, ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer, in types of neither framework."""

    text: str
    reasoning: str
    calls: tuple[Call, ...]
    finish_reason: str | None
    usage: tuple[int, int, int, int | None, int | None] | None
    model: str
    id: str


@dataclass(frozen=True)
class Script:
    """What is asked: the conversation, the tools, and settings under names that both frameworks know."""

    turns: Sequence[Turn]
    tools: Sequence[Callable[..., Any]] = ()
    tool_choice: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    strict: bool | None = None


Path = Callable[[Script, dict[str, Any]], Awaitable[Answer]]

# LangChain


def _to_langchain(turn: Turn) -> BaseMessage:
    if turn.role == "assistant":
        reasoning = {"reasoning_content": turn.reasoning} if turn.reasoning else {}
        calls = [{"id": call.id, "name": call.name, "args": call.arguments} for call in turn.calls]
        return AIMessage(
            turn.text,
            additional_kwargs=reasoning,
            tool_calls=[call for call in calls if isinstance(call["args"], dict)],
            invalid_tool_calls=[{**call, "error": None} for call in calls if isinstance(call["args"], str)],
        )
    if turn.role == "tool":
        return ToolMessage(turn.text, tool_call_id=turn.call_id)
    message = {"user": HumanMessage, "system": SystemMessage}[turn.role]
    if not turn.media:
        return message(turn.text)
    return message([{"type": "text", "text": turn.text}, *map(_langchain_media, turn.media)])


def _langchain_media(media: Media) -> dict[str, Any]:
    if isinstance(media.source, str):
        return {"type": media.kind, "url": media.source}
    data = base64.b64encode(media.source).decode()
    return {"type": media.kind, "base64": data, "mime_type": media.media_type}


def _langchain(script: Script, endpoint: dict[str, Any]) -> tuple[Any, list[BaseMessage]]:
    llm = ChatTIR(**endpoint, **script.settings)
    messages = [_to_langchain(turn) for turn in script.turns]
    if not script.tools:
        return llm, messages
    llm = llm.bind_tools(script.tools, tool_choice=script.tool_choice, parallel_tool_calls=True, strict=script.strict)
    return llm, messages


def _from_langchain(message: AIMessage) -> Answer:
    usage = message.usage_metadata
    metadata = message.response_metadata
    reasoning = "".join(block["reasoning"] for block in message.content_blocks if block["type"] == "reasoning")
    return Answer(
        text=message.text,
        reasoning=reasoning,
        calls=(
            *(Call(call["id"], call["name"], call["args"]) for call in message.tool_calls),
            *(Call(call["id"], call["name"], _broken(call["args"])) for call in message.invalid_tool_calls),
        ),
        finish_reason=metadata["finish_reason"],
        usage=usage
        and (
            usage["input_tokens"],
            usage["output_tokens"],
            usage["total_tokens"],
            usage.get("input_token_details", {}).get("cache_read"),
            usage.get("output_token_details", {}).get("reasoning"),
        ),
        model=metadata["model_name"],
        id=metadata["id"],
    )


def _broken(arguments: str) -> str:
    """The arguments that the model wrote, without the mark that keeps LangChain from completing them."""
    without = arguments.removesuffix("]")
    return (arguments.removesuffix("}") if without == arguments else without).removesuffix('"')


async def langchain_whole(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, messages = _langchain(script, endpoint)
    return _from_langchain(await asyncio.to_thread(llm.invoke, messages))


async def langchain_awhole(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, messages = _langchain(script, endpoint)
    return _from_langchain(await llm.ainvoke(messages))


async def langchain_stream(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, messages = _langchain(script, endpoint)
    with closing(llm.stream(messages)) as chunks:
        return _from_langchain(reduce(add, await asyncio.to_thread(list, chunks)))


async def langchain_astream(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, messages = _langchain(script, endpoint)
    async with aclosing(llm.astream(messages)) as chunks:
        return _from_langchain(reduce(add, [chunk async for chunk in chunks]))


# LlamaIndex


def _to_llama_index(turn: Turn) -> ChatMessage:
    blocks: list[Any] = [ThinkingBlock(content=turn.reasoning)] if turn.reasoning else []
    blocks.append(TextBlock(text=turn.text))
    blocks += map(_llama_index_media, turn.media)
    blocks += [
        ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=call.arguments) for call in turn.calls
    ]
    extras = {"tool_call_id": turn.call_id} if turn.call_id else {}
    return ChatMessage(role=turn.role, blocks=blocks, additional_kwargs=extras)


def _llama_index_media(media: Media) -> ImageBlock | VideoBlock | AudioBlock:
    cls = {"image": ImageBlock, "video": VideoBlock, "audio": AudioBlock}[media.kind]
    if isinstance(media.source, str):
        return cls(url=media.source)
    if media.kind == "audio":
        return cls(audio=media.source, format=media.media_type.rpartition("/")[2])
    return cls(**{media.kind: media.source, f"{media.kind}_mimetype": media.media_type})


def _llama_index(script: Script, endpoint: dict[str, Any]) -> tuple[TIR, dict[str, Any]]:
    strict = {} if script.strict is None else {"strict": script.strict}
    llm = TIR(**endpoint, **script.settings, **strict)
    messages = [_to_llama_index(turn) for turn in script.turns]
    if not script.tools:
        return llm, {"messages": messages}
    tools = [FunctionTool.from_defaults(tool, description=tool.__doc__) for tool in script.tools]
    return llm, {"tools": tools, "chat_history": messages, "allow_parallel_tool_calls": True, **_choice(script)}


def _choice(script: Script) -> dict[str, Any]:
    return {"tool_choice": script.tool_choice} if script.tool_choice else {}


def _from_llama_index(response: ChatResponse) -> Answer:
    blocks, extras = response.message.blocks, response.additional_kwargs
    usage = extras.get("total_tokens") and tuple(
        extras.get(name)
        for name in ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
    )
    return Answer(
        text=response.message.content or "",
        reasoning="".join(block.content or "" for block in blocks if isinstance(block, ThinkingBlock)),
        calls=tuple(
            Call(block.tool_call_id, block.tool_name, block.tool_kwargs)
            for block in blocks
            if isinstance(block, ToolCallBlock)
        ),
        finish_reason=extras["finish_reason"],
        usage=usage or None,
        model=response.raw["model"],
        id=response.raw["id"],
    )


async def llama_index_whole(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, asked = _llama_index(script, endpoint)
    method = llm.chat_with_tools if script.tools else llm.chat
    return _from_llama_index(await asyncio.to_thread(method, **asked))


async def llama_index_awhole(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, asked = _llama_index(script, endpoint)
    method = llm.achat_with_tools if script.tools else llm.achat
    return _from_llama_index(await method(**asked))


async def llama_index_stream(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, asked = _llama_index(script, endpoint)
    method = llm.stream_chat_with_tools if script.tools else llm.stream_chat
    with closing(method(**asked)) as responses:
        return _from_llama_index(_checked(await asyncio.to_thread(list, responses)))


async def llama_index_astream(script: Script, endpoint: dict[str, Any]) -> Answer:
    llm, asked = _llama_index(script, endpoint)
    method = llm.astream_chat_with_tools if script.tools else llm.astream_chat
    async with aclosing(await method(**asked)) as responses:
        return _from_llama_index(_checked([response async for response in responses]))


def _checked(responses: list[ChatResponse]) -> ChatResponse:
    """The last response, whose whole text must be what the deltas before it add up to."""
    last = responses[-1]
    assert (last.message.content or "") == "".join(response.delta or "" for response in responses)
    thoughts = "".join(response.additional_kwargs.get("thinking_delta", "") for response in responses)
    assert _from_llama_index(last).reasoning == thoughts
    return last


EVERY: tuple[Path, ...] = (
    langchain_whole,
    langchain_awhole,
    langchain_stream,
    langchain_astream,
    llama_index_whole,
    llama_index_awhole,
    llama_index_stream,
    llama_index_astream,
)


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """A request's body without what streaming adds to it, tool descriptions cut to what both frameworks keep."""
    body = json.loads(json.dumps(body))
    for name in ("stream", "stream_options"):
        body.pop(name, None)
    for tool in body.get("tools", ()):
        tool["function"] = {"name": tool["function"]["name"], "types": _types(tool["function"]["parameters"])}
    return body


def _types(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: value.get("type") for name, value in schema.get("properties", {}).items()}
