"""Converts the tool calls of past answers, in any provider's form, to the wire form. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_tir._content import CALLS, Block
from tir_client.protocol.messages import sendable_arguments, tool_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages import AIMessage, InvalidToolCall

    from tir_client.protocol.responses import Json


CLOSED = "closed_arguments"
"""The key in `response_metadata` for the text that streaming appended to broken arguments, by call id."""


def past_calls(message: AIMessage, blocks: list[Block]) -> list[Json]:
    """Return the calls of a message in wire form.

    Anthropic, OpenAI, Google and Bedrock repeat calls in the content; a block is used only if `tool_calls` lacks its
    call. OpenAI's old function call is used only if there are no others.
    """
    if not (blocks or message.tool_calls or message.invalid_tool_calls or message.additional_kwargs):
        return []
    calls = [
        *map(_call, message.tool_calls),
        *(_call(_original_call(call, message)) for call in message.invalid_tool_calls),
    ]
    ids = {call["id"] for call in calls}
    in_content = [_block_call(block) for block in blocks if block["type"] in CALLS and block.get("name")]
    calls += [call for call in in_content if call["id"] not in ids and (call["id"] or not ids)]
    old = message.additional_kwargs.get("function_call")
    return calls or ([_call({"id": None, **old, "args": old.get("arguments")})] if isinstance(old, dict) else [])


def _call(call: Mapping[str, Any]) -> Json:
    call_id, name = call.get("id"), call.get("name")
    return tool_call(str(call_id) if call_id else None, str(name or ""), call.get("args"))


def _original_call(call: InvalidToolCall, message: AIMessage) -> Mapping[str, Any]:
    """Return a broken call as the model wrote it."""
    endings = message.response_metadata.get(CLOSED)
    ending = endings.get(call["id"]) if isinstance(endings, dict) else None
    return {**call, "args": str(call["args"]).removesuffix(ending)} if isinstance(ending, str) else call


def _block_call(block: Block) -> Json:
    """The call in a block. The streamed inputs of Anthropic and Bedrock are strings."""
    arguments = (block.get(name) for name in ("args", "input", "partial_json", "arguments"))
    args = next((given for given in arguments if given), None)
    if block["type"] == "custom_tool_call":
        args = {"__arg1": args}
    return _call({"id": block.get("call_id") or block.get("id"), "name": block["name"], "args": args})


def with_readable_calls(prompt: Any) -> Any:
    """A copy of a prompt in which LangChain can parse the tool calls of dict messages in OpenAI's form.

    LangChain fails on arguments that are not a JSON object, such as an empty string, on calls without an id, and on
    messages with calls but no `content`. So each message with calls has `content`, and each call an id, which may be
    None, and an object as its arguments.
    """
    is_list = isinstance(prompt, Sequence) and not isinstance(prompt, str)
    return [_readable_message(message) for message in prompt] if is_list else prompt


def _readable_message(message: Any) -> Any:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not isinstance(calls, list):
        return message
    return {"content": None, **message, "tool_calls": [_readable_call(call) for call in calls]}


def _readable_call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    arguments = json.loads(sendable_arguments(function.get("arguments")), strict=False)
    return {"id": call.get("id"), "function": {"name": str(function.get("name") or ""), "arguments": arguments}}
