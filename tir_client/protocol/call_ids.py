"""Adds missing ids to past tool calls and their results, and replaces repeated ones, in place. No I/O.

Some integrations store calls without ids, and OpenAI's old function calls have none. vLLM needs the same id in the call
and in its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tir_client.protocol.responses import Json


def match_calls_and_results(messages: Iterable[Json]) -> None:
    """Give each call without an id its result's id or a new one, and each result its call's id and name.

    A result without an id belongs to the first earlier call without an id that has no result yet; if both have names,
    they must agree. Google's and Ollama's integrations use the tool's name as the id, so ids repeat: the second call or
    result with an id is treated as having none. The name is added because vLLM before 0.13 does not look it up by id.
    """
    names: dict[str, str] = {}
    answered: set[str] = set()
    waiting: list[Json] = []
    for position, message in enumerate(messages):
        for call in message.get("tool_calls", ()):
            if call["id"] is None or (call["id"] in names and call["id"] not in answered):
                waiting.append(call)
            else:
                names[call["id"]] = call["function"]["name"]
                answered.discard(call["id"])
        if message["role"] == "tool":
            _match(message, names, answered, waiting, f"call_{position}")
    for position, call in enumerate(waiting):
        call["id"] = f"call_without_result_{position}"


def _match(result: Json, names: dict[str, str], answered: set[str], waiting: list[Json], new_id: str) -> None:
    call_id, name = result.get("tool_call_id"), result.get("name")
    if call_id not in names or call_id in answered:
        call = _waiting_call(waiting, call_id, names.get(call_id or "", name))
        call_id = new_id if not call_id or (call is not None and call_id in answered) else call_id
        if call is not None:
            waiting.remove(call)
            call["id"] = call_id
            names[call_id] = call["function"]["name"]
    result["tool_call_id"] = call_id
    answered.add(call_id)
    if names.get(call_id):
        result.setdefault("name", names[call_id])


def _waiting_call(waiting: list[Json], call_id: str | None, name: str | None) -> Json | None:
    """The call of a result: one with the same, repeated id, or else the first with the same name."""
    same_id = (call for call in waiting if call_id is not None and call["id"] == call_id)
    same_name = (call for call in waiting if name in (None, call["function"]["name"]))
    return next(same_id, None) or next(same_name, None)
