"""Builds `raw` of LlamaIndex's responses, and the tool calls in `additional_kwargs`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tir_client.protocol.responses import Choice, Completion, Json, ToolCall


class Raw(dict[str, Any]):
    """A JSON object with attribute access, as in OpenAI's SDK: `raw.usage.total_tokens`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return _with_attributes(self[name])
        except KeyError:
            raise AttributeError(f"The answer has no field {name!r}.") from None


def _with_attributes(value: Any) -> Any:
    match value:
        case dict():
            return Raw(value)
        case list():
            return [_with_attributes(item) for item in value]
        case _:
            return value


def to_raw(completion: Completion, cost: Mapping[str, float] | None = None) -> Raw:
    """Return an answer as JSON in the server's form, with its cost. It is the same for streamed and whole answers."""
    raw = Raw({"object": "chat.completion", "choices": [_raw_choice(choice) for choice in completion.choices]})
    raw.update({name: getattr(completion, name) for name in ("id", "model", "created", "system_fingerprint")})
    usage = completion.usage
    if usage is not None:
        raw["usage"] = {**(completion.raw_usage or {}), **usage.counts()}
    if cost is not None:
        raw["cost"] = cost
    return raw


def _raw_choice(choice: Choice) -> Json:
    message: Json = {"role": "assistant", "content": choice.text, "reasoning": choice.reasoning or None}
    message["tool_calls"] = [to_openai_call(call, {}) for call in choice.tool_calls]
    rest = ("index", "finish_reason", "stop_reason", "logprobs", "token_ids")
    return {"message": message, **{name: getattr(choice, name) for name in rest}}


def to_openai_call(call: ToolCall, names: Mapping[str, str]) -> Json:
    """Convert a call of an answer to OpenAI's form, with the model's text of the arguments."""
    function = {"name": names.get(call.name, call.name), "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
