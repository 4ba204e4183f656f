"""Replaces a required tool call that is missing, is not valid JSON, or does not fit its schema. Pure.

vLLM before 0.26 accepts `tool_choice` "required" or a tool's name for gpt-oss and ignores it; later versions enforce
the schema of the arguments only for tools with `strict`. The second request has the tool's JSON schema as its
`response_format`, which all versions enforce.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tir_client.errors import ForcedToolError, RefusedCallError
from tir_client.protocol.json_text import find_json
from tir_client.protocol.responses import Choice, Completion, Json, ToolCall
from tir_client.protocol.schemas import may_fit, move_definitions
from tir_client.protocol.stop_words import request_without_stop
from tir_client.protocol.tool_choice import response_format

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.requests import ChatRequest


class ForcedCall:
    """Checks that an answer has the tool call that `request` requires, and builds the second request if it does not.

    Args:
        request: The request.
        lenient: Accept an answer without a usable call, instead of raising.

    Attributes:
        second: The request for the missing call, set by `accepts`.
    """

    def __init__(self, request: ChatRequest, *, lenient: bool) -> None:
        self.second: ChatRequest | None = None
        self._request = request
        self._required = request.tool_choice not in (None, "auto", "none")
        self._lenient = lenient

    def accepts(self, accumulator: Accumulator) -> bool:
        """Return whether a complete answer needs no second request; if it needs one, set `second`.

        Raises:
            ForcedToolError: The answer has no call, and the call cannot be requested again.
        """
        if self._required:
            try:
                self.second = rescue_request(self._request, accumulator.completion())
            except ForcedToolError:
                if not self._lenient:
                    raise
        return self.second is None

    def pass_through(self, delta: Delta) -> bool:
        """Whether to yield a delta.

        The end of an answer without the call is held back until the second answer: the finish reason is removed from
        the delta, which is yielded if it has something else.
        """
        if not self._required:
            return True
        if delta.final:
            return self.accepts(delta.accumulator)
        if delta.finish_reason and not self._has_call(delta):
            delta.finish_reason = None
            return bool(delta.text or delta.reasoning or delta.tool_calls or delta.refusal or delta.logprobs)
        return True

    def _has_call(self, delta: Delta) -> bool:
        answer = delta.accumulator.completion()
        choice = delta.accumulator.choice(delta.index).choice()
        return _has_call(self._request, choice, replaceable=_can_be_replaced(self._request, answer))

    def merge(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Add the call from the second answer to the first one, and return its deltas.

        It replaces the calls of the first answer in the accumulator. If a stream has already yielded those, the new
        call follows them.

        Raises:
            ForcedToolError: The second answer has no call either, and those of the first one cannot be read.
        """
        self.second, self._required = None, False
        first, answer = accumulator.completion(), second.completion()
        try:
            call = rescued_call(self._request, first, answer)
        except ForcedToolError:
            if not self._lenient and not _has_call(self._request, first.choice, replaceable=False):
                raise
            return [accumulator.finish()]
        accumulator.choice().tools.drop()
        return [accumulator.add_rescued_call(call, answer.usage), accumulator.finish()]


def rescue_request(request: ChatRequest, answer: Completion) -> ChatRequest | None:
    """The request for a required call as JSON, or None if the answer has the call.

    Raises:
        ForcedToolError: The answer was cut off before the call, or has several choices.
        RefusedCallError: The model refused.
    """
    if request.tool_choice in (None, "auto", "none"):
        return None
    replaceable = _can_be_replaced(request, answer)
    if all(_has_call(request, choice, replaceable=replaceable) for choice in answer.choices):
        return None
    _check_refusal(request, answer, partial=answer)
    if not replaceable:
        raise ForcedToolError(_why_none(request, answer), partial=answer)
    tools = _required_tools(request)
    schema = _arguments_schema(tools[0]) if len(tools) == 1 else _any_call(tools)
    name = tools[0]["function"]["name"] if len(tools) == 1 else "tool_call"
    unset = {"tools": None, "tool_choice": None, "parallel_tool_calls": None}
    changes = {**unset, "response_format": response_format(name, schema)}
    return request_without_stop(request, 1).model_copy(update=changes)


def _can_be_replaced(request: ChatRequest, answer: Completion) -> bool:
    """Whether the calls of an answer may be requested again: it has one choice, neither cut off nor refused."""
    choice = answer.choice
    is_single = len(answer.choices) == 1 and request.n in (None, 1)
    return is_single and choice.finish_reason not in ("length", "content_filter") and not choice.refusal


def _has_call(request: ChatRequest, choice: Choice, *, replaceable: bool) -> bool:
    """Whether a choice has a call with readable arguments that, if the call is replaceable, may fit its schema."""
    readable = [call for call in choice.tool_calls if not call.problem()]
    if not replaceable:
        return bool(readable)
    schemas = {tool["function"]["name"]: _arguments_schema(tool) for tool in request.tools or ()}
    return any(may_fit(call.parsed(), schemas.get(call.name)) for call in readable)


def _check_refusal(request: ChatRequest, answer: Completion, partial: Completion) -> None:
    choice = answer.choice
    if refused := choice.refusal or ("a content filter" if choice.finish_reason == "content_filter" else ""):
        raise RefusedCallError(
            f"The model refused the call that `tool_choice` {request.tool_choice!r} requires: {refused!r}.",
            partial=partial,
        )


def _why_none(request: ChatRequest, answer: Completion) -> str:
    """The error message for a missing or broken call that is not requested again."""
    is_cut = any(choice.finish_reason == "length" for choice in answer.choices)
    why = "its answer was cut off; raise `max_tokens`" if is_cut else "its answer has several choices"
    broken = _broken_call(answer)
    if broken is not None:
        return f"{_describe(broken)} ({why})."
    return f"The model made no call although `tool_choice` is {request.tool_choice!r}: {why}."


def _broken_call(answer: Completion) -> ToolCall | None:
    calls = (call for choice in answer.choices for call in choice.tool_calls)
    return next((call for call in calls if call.problem()), None)


def _describe(call: ToolCall) -> str:
    begin = call.arguments[:500]
    return f"The required call of {call.name!r} has arguments that are not a JSON object: {begin!r}"


def rescued_call(request: ChatRequest, first: Completion, second: Completion) -> ToolCall:
    """Read the required call from the answer to `rescue_request`.

    Raises:
        ForcedToolError: The second answer has no tool call either.
        RefusedCallError: The second answer is a refusal.
    """
    _check_refusal(request, second, partial=first)
    try:
        name, arguments = _read_call(second.choice.text, _required_tools(request))
    except (ValueError, TypeError, KeyError):
        broken = _broken_call(first)
        ignored = f"The server ignored `tool_choice` {request.tool_choice!r}"
        raise ForcedToolError(
            f"{_describe(broken) if broken else ignored}. A second request for the call as JSON returned "
            f"{second.choice.text!r} (finish_reason {second.choice.finish_reason!r}).",
            partial=first,
        ) from None
    return ToolCall(f"{first.id or second.id or 'call'}-tool-0", name, arguments)


def _read_call(text: str, tools: list[Json]) -> tuple[str, str]:
    value = find_json(text)
    names = [tool["function"]["name"] for tool in tools]
    name, arguments = (names[0], value) if len(names) == 1 else (value["name"], value["arguments"])
    if not isinstance(arguments, dict) or name not in names:
        raise ValueError
    return name, json.dumps(arguments, ensure_ascii=False)


def _required_tools(request: ChatRequest) -> list[Json]:
    tools = request.tools or []
    wanted = request.required_tool()
    return tools if wanted is None else [tool for tool in tools if tool["function"]["name"] == wanted]


def _arguments_schema(tool: Json) -> Json:
    return tool["function"].get("parameters") or {"type": "object", "properties": {}}


def _any_call(tools: list[Json]) -> Json:
    """A schema for "one of these calls", with all definitions at the top level, where references point."""
    definitions: Json = {}
    calls = []
    for tool in tools:
        name = tool["function"]["name"]
        schema, moved = move_definitions(_arguments_schema(tool), name)
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
