"""Messages, from LangChain's to the wire. Pure. The way back is in `_answers`.

What servers of several generations need is settled here: reasoning goes back under both of its names, a tool
message carries its tool's name, an assistant's content is never null, and arguments are always JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langchain_tir._content import CALLS, REASONING, Block, blocks_of, parts_of, reasoning_of, text_of
from tir_client import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]


def to_wire(messages: Sequence[BaseMessage]) -> list[Json]:
    """The messages to send, in their order.

    Raises:
        InvalidRequestError: A message, or a block in one, has no place on the wire; the error names both.
    """
    names: dict[str, str] = {}
    wire = []
    for position, message in enumerate(messages):
        try:
            wire.append(_message(message, names))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error.message}") from None
    return wire


def _message(message: BaseMessage, names: dict[str, str]) -> Json:
    match message:
        case HumanMessage():
            return _named(message, "user", parts_of(blocks_of(message.content), "user"))
        case AIMessage():
            wire = _assistant(message)
            names.update({call["id"]: call["function"]["name"] for call in wire.get("tool_calls", ())})
            return wire
        case ToolMessage():
            return _tool(message, names)
        case SystemMessage():
            role = message.additional_kwargs.get("__openai_role__", "system")
            return _named(message, role, text_of(blocks_of(message.content), role))
        case ChatMessage():
            return _named(message, message.role, parts_of(blocks_of(message.content), message.role))
        case _:
            raise InvalidRequestError(f"A {type(message).__name__} cannot be sent.")


def _named(message: BaseMessage, role: str, content: str | list[Json]) -> Json:
    wire: Json = {"role": role, "content": content}
    return {**wire, "name": message.name} if message.name else wire


def _tool(message: ToolMessage, names: dict[str, str]) -> Json:
    wire: Json = {
        "role": "tool",
        "tool_call_id": message.tool_call_id,
        "content": parts_of(blocks_of(message.content), "tool"),
    }
    name = message.name or names.get(message.tool_call_id)
    return {**wire, "name": name} if name else wire


def _assistant(message: AIMessage) -> Json:
    blocks = blocks_of(message.content)
    plain = [block for block in blocks if block.get("type") not in CALLS | REASONING]
    wire = _named(message, "assistant", text_of(plain, "assistant"))
    thoughts = [reasoning_of(block) for block in blocks if block.get("type") in REASONING]
    reasoning = "".join(thoughts) or message.additional_kwargs.get("reasoning_content")
    if reasoning:
        wire |= {"reasoning": reasoning, "reasoning_content": reasoning}
    calls = _calls(message, blocks)
    return {**wire, "tool_calls": calls} if calls else wire


def _calls(message: AIMessage, blocks: list[Block]) -> list[Json]:
    calls = [_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [_call(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
    known = {call["id"] for call in calls}
    return calls + [
        _call(block["id"], block.get("name"), block.get("args", block.get("input")))
        for block in blocks
        if block.get("type") in CALLS and block.get("id") and block["id"] not in known
    ]


def _call(call_id: str | None, name: str | None, args: object) -> Json:
    return {
        "id": call_id or "",
        "type": "function",
        "function": {"name": name or "", "arguments": _arguments(args)},
    }


def _arguments(args: object) -> str:
    """Arguments as JSON. Servers parse them to render the prompt: broken ones go back inside an object."""
    if not isinstance(args, str):
        return json.dumps({} if args is None else args, ensure_ascii=False)
    try:
        if isinstance(json.loads(args), dict):
            return args
    except ValueError:
        pass
    return json.dumps({"invalid_arguments": args}, ensure_ascii=False)
