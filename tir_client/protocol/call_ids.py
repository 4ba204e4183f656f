"""Completes the ids of past tool calls, in place, so that each result belongs to one call. No I/O.

Some integrations keep calls without ids, and old histories of OpenAI have function calls, which never had any. vLLM
needs an id on both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tir_client.protocol.responses import Json


def match_results(messages: Iterable[Json]) -> None:
    """Give each call without an id the id of its result, or a new one, and each result its call's id and name.

    A result without an id belongs to the first call before it that has none either, and the same name where both
    have one. So does the second result of one id, and of two open calls with one id the second has none: Google's and
    Ollama's integrations take the name of the tool as the id. Servers before 0.13 do not find the name of a result's
    tool through the id.
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
    """The call that a result answers: one with the same id as another call, or else the first with the same name."""
    same_id = (call for call in waiting if call_id is not None and call["id"] == call_id)
    same_name = (call for call in waiting if name in (None, call["function"]["name"]))
    return next(same_id, None) or next(same_name, None)
