"""Converts the tool calls of past answers, in any integration's form, to the wire form. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ToolCallBlock
from pydantic import BaseModel

from tir_client.protocol.messages import tool_call
from tir_client.protocol.placeholders import value_placeholder
from tir_client.protocol.responses import ToolCall

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage

    from tir_client.protocol.responses import Json

_IDS = ("id", "call_id", "tool_call_id", "toolUseId")
_ARGUMENTS = ("arguments", "args", "input", "parameters")


def past_calls(message: ChatMessage) -> tuple[list[Json], list[str]]:
    """Return the tool calls of a message, and placeholders for unreadable ones.

    Arguments keep the model's text if `additional_kwargs` has it. OpenAI's old function call is used only if there are
    no others.
    """
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if not (blocks or message.additional_kwargs):
        return [], []
    kept = message.additional_kwargs.get("tool_calls") or []
    kept = list(kept) if isinstance(kept, list | tuple) else [kept]
    calls = [(call, _read_call(call)) for call in kept]
    readable = [read for _, read in calls if read is not None]
    if blocks:
        wording = {call["id"]: call["function"]["arguments"] for call in readable}
        return [_block_call(block, wording.get(block.tool_call_id or "")) for block in blocks], []
    unreadable = [value_placeholder("tool_call", _plain(call)) for call, read in calls if read is None]
    old = None if readable else _read_call(message.additional_kwargs.get("function_call"))
    return readable if old is None else [old], unreadable


def server_steps(message: ChatMessage) -> list[str]:
    """Return placeholders for tool steps on OpenAI's servers, such as web searches."""
    steps = message.additional_kwargs.get("built_in_tool_calls")
    return [
        value_placeholder(str(_field(step, "type") or "tool_step"), _plain(step))
        for step in (steps if isinstance(steps, list | tuple) else ())
    ]


def wire_name(name: str) -> str:
    """Return the name of a tool in requests. Servers allow few characters, so LlamaIndex replaces the others."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)


def _read_call(call: Any) -> Json | None:
    """Convert a call of any integration: a dict or an SDK's object, with or without a nested `function`."""
    function = _field(call, "function")
    function = call if function is None else function
    name = _field(function, "name")
    if not isinstance(name, str) or not name:
        return None
    call_id = next((found for key in _IDS if (found := _field(call, key)) is not None), None)
    arguments = next((found for key in _ARGUMENTS if (found := _field(function, key)) is not None), None)
    return tool_call(None if call_id is None else str(call_id), wire_name(name), _plain(arguments))


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, BaseModel) else value


def _block_call(block: ToolCallBlock, wording: str | None) -> Json:
    arguments = block.tool_kwargs
    unchanged = wording is not None and (arguments == wording or arguments == parse_arguments(wording))
    return tool_call(block.tool_call_id, wire_name(block.tool_name), wording if unchanged else arguments)


def parse_arguments(text: str) -> Json | None:
    """Return the arguments of a finished call, or None if they are not a JSON object."""
    try:
        return ToolCall("", "", text).parsed()
    except ValueError:
        return None
