"""What both frameworks need for tools and schemas: the shapes on the wire, and the rescue of a forced call. Pure.

gpt-oss on vLLM before 0.26 accepts `tool_choice` "required" or a name and ignores it. A call that was demanded and
not made is asked for once more, as an answer that must fit the tool's own JSON schema, which those servers do obey.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tir_client.errors import ForcedToolError, InvalidRequestError, RefusedCallError
from tir_client.protocol.responses import Completion, Json, ToolCall, parse_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.requests import ChatRequest


def response_format(name: str, schema: Json, *, strict: bool | None = None) -> Json:
    """The `response_format` that makes an answer fit `schema`."""
    inner: Json = {"name": name, "schema": schema}
    if strict is not None:
        inner["strict"] = strict
    return {"type": "json_schema", "json_schema": inner}


def tool_choice(choice: object, tools: Sequence[Json]) -> str | Json | None:
    """Translate what frameworks call a tool choice into what goes over the wire.

    Args:
        choice: None or "auto", False or "none", True (the only tool, or any of several), "any" or "required", the
            name of a tool, or a choice that has its wire form already.
        tools: The tools that are offered, in wire form.

    Raises:
        InvalidRequestError: It names a tool that is not offered, or demands one where there is none.
    """
    if choice is None or choice == "auto":
        return choice if choice is None else "auto"
    if choice is False or choice == "none":
        return "none"
    names = [tool["function"]["name"] for tool in tools]
    if not names:
        raise InvalidRequestError(f"`tool_choice` is {choice!r}, but no tools are offered.")
    if choice is True and len(names) == 1:
        return _named(names[0])
    if choice is True or choice in ("any", "required"):
        return "required"
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else choice
    if name not in names:
        raise InvalidRequestError(f"`tool_choice` is {choice!r}; the tools offered are {', '.join(names)}.")
    return choice if isinstance(choice, dict) else _named(str(name))


def _named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def sendable_arguments(arguments: object) -> str:
    """The arguments of a past call as they go back to the server, which parses them to render the prompt.

    Args:
        arguments: An object, or the model's own text. None and an empty text become `{}`, and a text that is not a
            JSON object goes back inside one, so that the model sees what it wrote.
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    try:
        value = parse_json(text) if text.strip() else None
    except ValueError:
        value = text
    if value is None:
        return "{}"
    return text if isinstance(value, dict) else json.dumps({"invalid_arguments": text}, ensure_ascii=False)


def rescue_request(request: ChatRequest, answer: Completion) -> ChatRequest | None:
    """The request that asks for a demanded call as JSON, or None where nothing has to be rescued.

    Raises:
        ForcedToolError: The answer was cut off before a call could be made, or the call is broken.
        RefusedCallError: The model refused, and so is not asked again.
    """
    if request.tool_choice in (None, "auto", "none"):
        return None
    for call in (call for choice in answer.choices for call in choice.tool_calls):
        _check_arguments(call, answer)
    if all(choice.tool_calls for choice in answer.choices):
        return None
    _check_refusal(request, answer, partial=answer)
    if answer.choice.finish_reason == "length" or len(answer.choices) > 1:
        raise ForcedToolError(
            f"The model made no call although `tool_choice` is {request.tool_choice!r}: its answer "
            f"{'was cut off; raise `max_tokens`' if len(answer.choices) == 1 else 'has several choices'}.",
            partial=answer,
        )
    tools = _demanded(request)
    schema = _arguments_schema(tools[0]) if len(tools) == 1 else _any_call(tools)
    name = tools[0]["function"]["name"] if len(tools) == 1 else "tool_call"
    unset = {"tools": None, "tool_choice": None, "parallel_tool_calls": None}
    return request.model_copy(update={**unset, "response_format": response_format(name, schema)})


def _check_refusal(request: ChatRequest, answer: Completion, partial: Completion) -> None:
    choice = answer.choice
    if refused := choice.refusal or ("a content filter" if choice.finish_reason == "content_filter" else ""):
        raise RefusedCallError(
            f"The model refused the call that `tool_choice` {request.tool_choice!r} demands: {refused!r}.",
            partial=partial,
        )


def _check_arguments(call: ToolCall, answer: Completion) -> None:
    # Half a call cannot be taken back from a stream, so it is not replaced in a whole answer either.
    try:
        call.parsed()
    except ValueError:
        advice = (
            "its answer was cut off; raise `max_tokens`" if call.cut else "`strict` tools keep a server to the schema"
        )
        raise ForcedToolError(
            f"The call of {call.name!r} that was demanded has arguments that are not a JSON object: "
            f"{call.arguments!r} ({advice}).",
            partial=answer,
        ) from None


def rescued_call(request: ChatRequest, first: Completion, second: Completion) -> ToolCall:
    """Read the demanded call from the answer to `rescue_request`.

    Raises:
        ForcedToolError: That answer does not hold a call either.
        RefusedCallError: It is a refusal.
    """
    _check_refusal(request, second, partial=first)
    try:
        name, arguments = _read_call(second.choice.text, _demanded(request))
    except (ValueError, TypeError, KeyError):
        raise ForcedToolError(
            f"The server ignored `tool_choice` {request.tool_choice!r}, and asked for the call as JSON it answered "
            f"{second.choice.text!r} (finish_reason {second.choice.finish_reason!r}).",
            partial=first,
        ) from None
    return ToolCall(f"{first.id or second.id or 'call'}-tool-0", name, arguments)


def _read_call(text: str, tools: list[Json]) -> tuple[str, str]:
    value = parse_json(text)
    names = [tool["function"]["name"] for tool in tools]
    name, arguments = (names[0], value) if len(names) == 1 else (value["name"], value["arguments"])
    if not isinstance(arguments, dict) or name not in names:
        raise ValueError(name)
    return name, json.dumps(arguments, ensure_ascii=False)


def _demanded(request: ChatRequest) -> list[Json]:
    tools = request.tools or []
    wanted = request.demanded_tool()
    return tools if wanted is None else [tool for tool in tools if tool["function"]["name"] == wanted]


def _arguments_schema(tool: Json) -> Json:
    return tool["function"].get("parameters") or {"type": "object", "properties": {}}


def _any_call(tools: list[Json]) -> Json:
    """A schema for "one of these calls". Definitions move to its top, where their references look for them."""
    definitions: Json = {}
    calls = []
    for tool in tools:
        name = tool["function"]["name"]
        schema = _renamed(_arguments_schema(tool), f"{name}__")
        definitions |= {f"{name}__{key}": value for key, value in schema.pop("$defs", {}).items()}
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": name}, "arguments": schema},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": calls, **({"$defs": definitions} if definitions else {})}


def _renamed(schema: Any, prefix: str) -> Any:
    """A copy of `schema` whose references to definitions carry `prefix`."""
    if isinstance(schema, list):
        return [_renamed(item, prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    start = "#/$defs/"
    return {
        key: start + prefix + value.removeprefix(start)
        if key == "$ref" and isinstance(value, str) and value.startswith(start)
        else _renamed(value, prefix)
        for key, value in schema.items()
    }
