"""Replaces a tool call that `tool_choice` demands and that is missing, or misses the tool's schema. Pure.

gpt-oss on vLLM before 0.26 accepts `tool_choice` "required" or a name and ignores it; later versions hold arguments to
the schema only for tools with `strict`. The second request asks for an answer that must fit the tool's own JSON schema,
which all versions enforce.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tir_client.errors import ForcedToolError, RefusedCallError
from tir_client.protocol.json_text import read_json
from tir_client.protocol.responses import Completion, Json, ToolCall
from tir_client.protocol.schemas import map_schema, may_fit
from tir_client.protocol.stop_words import request_without_stop
from tir_client.protocol.tool_choice import response_format

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.requests import ChatRequest


class ForcedCall:
    """Checks that an answer has the tool call that `request` demands, and builds the second request if it does not.

    Args:
        request: The request.
        lenient: Return the answer without a usable call, instead of raising.

    Attributes:
        request: The request.
        second: The request for the missing call, set by `check`.
    """

    def __init__(self, request: ChatRequest, *, lenient: bool = False) -> None:
        self.request = request
        self.second: ChatRequest | None = None
        self._demanded = request.tool_choice not in (None, "auto", "none")
        self._lenient = lenient

    def check(self, accumulator: Accumulator) -> bool:
        """Return whether a complete answer needs no second request; if it needs one, set `second`.

        Raises:
            ForcedToolError: It has no call, and the call cannot be requested again.
        """
        if self._demanded:
            try:
                self.second = rescue_request(self.request, accumulator.completion())
            except ForcedToolError:
                if not self._lenient:
                    raise
        return self.second is None

    def pass_through(self, delta: Delta) -> bool:
        """Whether to yield a delta: an end without the call is held back until the second answer is there."""
        if not self._demanded:
            return True
        if delta.final:
            return self.check(delta.accumulator)
        if delta.finish_reason and not self._has_call(delta):
            delta.finish_reason = None
            return bool(delta.text or delta.reasoning or delta.refusal or delta.logprobs)
        return True

    def _has_call(self, delta: Delta) -> bool:
        tools = delta.accumulator.choice(delta.index).tools
        return bool(tools) and not _are_misfits(self.request, tools.calls())

    def rescue(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Add the call from the second answer to the first one, and return its deltas.

        It replaces calls whose arguments miss the schema; from a stream that has shown them they cannot be taken back.

        Raises:
            ForcedToolError: The second answer has no call either.
        """
        self.second, self._demanded = None, False
        first, answer = accumulator.completion(), second.completion()
        try:
            call = rescued_call(self.request, first, answer)
        except ForcedToolError:
            if not self._lenient and not first.choice.tool_calls:
                raise
            return [accumulator.finish()]
        accumulator.choice().tools.drop()
        return [accumulator.add_rescued_call(call, answer.usage), accumulator.finish()]


def rescue_request(request: ChatRequest, answer: Completion) -> ChatRequest | None:
    """The request for a demanded call as JSON, or None if the answer has the call.

    Raises:
        ForcedToolError: The answer was cut off before a call could be made, or the call is broken.
        RefusedCallError: The model refused, and so is not asked again.
    """
    if request.tool_choice in (None, "auto", "none"):
        return None
    for call in (call for choice in answer.choices for call in choice.tool_calls):
        _check_arguments(call, answer)
    if all(choice.tool_calls for choice in answer.choices) and not _can_be_replaced(request, answer):
        return None
    _check_refusal(request, answer, partial=answer)
    if answer.choice.finish_reason == "length" or len(answer.choices) > 1:
        raise ForcedToolError(
            f"The model made no call although `tool_choice` is {request.tool_choice!r}: its answer "
            f"{'was cut off; raise `max_tokens`' if len(answer.choices) == 1 else 'has several choices'}.",
            partial=answer,
        )
    tools = _demanded_tools(request)
    schema = _arguments_schema(tools[0]) if len(tools) == 1 else _any_call(tools)
    name = tools[0]["function"]["name"] if len(tools) == 1 else "tool_call"
    unset = {"tools": None, "tool_choice": None, "parallel_tool_calls": None}
    return request_without_stop(request).model_copy(update={**unset, "response_format": response_format(name, schema)})


def _can_be_replaced(request: ChatRequest, answer: Completion) -> bool:
    """Whether all calls of an answer that was not cut off have arguments that miss their tools' schemas."""
    choice = answer.choice
    is_whole = len(answer.choices) == 1 and choice.finish_reason not in ("length", "content_filter")
    return is_whole and not choice.refusal and _are_misfits(request, choice.tool_calls)


def _are_misfits(request: ChatRequest, calls: list[ToolCall]) -> bool:
    schemas = {tool["function"]["name"]: _arguments_schema(tool) for tool in request.tools or ()}
    return not any(_fits(call, schemas.get(call.name)) for call in calls)


def _fits(call: ToolCall, schema: Json | None) -> bool:
    try:
        return schema is None or may_fit(call.parsed(), schema)
    except ValueError:
        return True  # arguments that cannot be read are an error of their own


def _check_refusal(request: ChatRequest, answer: Completion, partial: Completion) -> None:
    choice = answer.choice
    if refused := choice.refusal or ("a content filter" if choice.finish_reason == "content_filter" else ""):
        raise RefusedCallError(
            f"The model refused the call that `tool_choice` {request.tool_choice!r} demands: {refused!r}.",
            partial=partial,
        )


def _check_arguments(call: ToolCall, answer: Completion) -> None:
    # A stream cannot retract a partial call, so a whole answer does not replace one either.
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
        ForcedToolError: The second answer has no tool call either.
        RefusedCallError: The second answer is a refusal.
    """
    _check_refusal(request, second, partial=first)
    try:
        name, arguments = _read_call(second.choice.text, _demanded_tools(request))
    except (ValueError, TypeError, KeyError):
        raise ForcedToolError(
            f"The server ignored `tool_choice` {request.tool_choice!r}. A second request for the call as JSON returned "
            f"{second.choice.text!r} (finish_reason {second.choice.finish_reason!r}).",
            partial=first,
        ) from None
    return ToolCall(f"{first.id or second.id or 'call'}-tool-0", name, arguments)


def _read_call(text: str, tools: list[Json]) -> tuple[str, str]:
    value = read_json(text)
    names = [tool["function"]["name"] for tool in tools]
    name, arguments = (names[0], value) if len(names) == 1 else (value["name"], value["arguments"])
    if not isinstance(arguments, dict) or name not in names:
        raise ValueError
    return name, json.dumps(arguments, ensure_ascii=False)


def _demanded_tools(request: ChatRequest) -> list[Json]:
    tools = request.tools or []
    wanted = request.demanded_tool()
    return tools if wanted is None else [tool for tool in tools if tool["function"]["name"] == wanted]


def _arguments_schema(tool: Json) -> Json:
    return tool["function"].get("parameters") or {"type": "object", "properties": {}}


def _any_call(tools: list[Json]) -> Json:
    """A schema for "one of these calls", with all definitions at its top, where their references point."""
    definitions: Json = {}
    calls = []
    for tool in tools:
        name = tool["function"]["name"]
        schema, moved = _with_moved_definitions(_arguments_schema(tool), name)
        definitions |= moved
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": name}, "arguments": schema},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": calls, **({"$defs": definitions} if definitions else {})}


def _with_moved_definitions(schema: Json, name: str) -> tuple[Json, Json]:
    """A copy of a tool's schema without its definitions, and those under names that begin with the tool's."""
    refers_to_itself = False

    def move(part: Json) -> Json:
        nonlocal refers_to_itself
        reference = part.get("$ref")
        if reference == "#":
            refers_to_itself = True
            return {**part, "$ref": f"#/$defs/{name}"}
        for start in ("#/$defs/", "#/definitions/"):
            if isinstance(reference, str) and reference.startswith(start):
                return {**part, "$ref": f"#/$defs/{name}__{reference.removeprefix(start)}"}
        return part

    moved: Json = map_schema(schema, move)
    parts = {**(moved.pop("definitions", None) or {}), **(moved.pop("$defs", None) or {})}
    definitions = {f"{name}__{key}": part for key, part in parts.items()}
    return moved, {**definitions, name: moved} if refers_to_itself else definitions
