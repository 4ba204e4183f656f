"""LlamaIndex's messages to the wire, and an answer back to LlamaIndex's responses. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from pydantic import BaseModel

from llama_index_tir._content import Json, to_content
from tir_client import InvalidRequestError, ToolCall, sendable_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tir_client import Choice, Completion, Usage

ROLES = {
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.FUNCTION: "tool",
}
"""What other providers' roles are called here; the rest have their own names on the wire."""


def to_wire(messages: Sequence[ChatMessage]) -> list[Json]:
    """Put messages into the form in which they are sent.

    Reasoning and tool calls of the assistant are sent back: gpt-oss needs its own thoughts between two calls of a
    tool. vLLM's versions differ in the name that they read, so reasoning goes under both.

    Raises:
        InvalidRequestError: A message holds something that cannot be sent.
    """
    names: dict[str, str] = {}
    wire = []
    for message in messages:
        role = ROLES.get(message.role, message.role.value)
        if role == "assistant":
            wire.append(_assistant(message))
            names |= {call["id"]: call["function"]["name"] for call in wire[-1].get("tool_calls", ())}
        elif role == "tool":
            wire.append(_tool_result(message, names))
        else:
            name = message.additional_kwargs.get("name")
            wire.append({"role": role, "content": to_content(message.blocks), **({"name": name} if name else {})})
    return wire


def _assistant(message: ChatMessage) -> Json:
    thoughts = [block.content for block in message.blocks if isinstance(block, ThinkingBlock) and block.content]
    said = [block for block in message.blocks if not isinstance(block, ThinkingBlock | ToolCallBlock)]
    wire: Json = {"role": "assistant", "content": to_content(said)}
    if thoughts:
        wire["reasoning"] = wire["reasoning_content"] = "\n".join(thoughts)
    calls = _calls(message)
    if calls:
        wire["tool_calls"] = calls
    return wire


def _calls(message: ChatMessage) -> list[Json]:
    """The tool calls of a message: its blocks, with the model's own wording of the arguments where that is kept."""
    told = [_told_call(call) for call in message.additional_kwargs.get("tool_calls") or ()]
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if not blocks:
        return told
    wording = {call["id"]: call["function"]["arguments"] for call in told}
    return [_block_call(block, wording) for block in blocks]


def _told_call(call: Any) -> Json:
    """A call from `additional_kwargs`, where other integrations keep dictionaries or objects of their SDK."""
    plain = call.model_dump() if isinstance(call, BaseModel) else call
    try:
        function = plain["function"]
        return _call(str(plain["id"]), str(function["name"]), sendable_arguments(function["arguments"]))
    except (TypeError, KeyError, RecursionError):
        raise InvalidRequestError(f"A tool call in `additional_kwargs` cannot be read: {call!r}.") from None


def _block_call(block: ToolCallBlock, wording: Mapping[str, str]) -> Json:
    if block.tool_call_id is None:
        raise InvalidRequestError(f"The call of {block.tool_name!r} has no `tool_call_id` to match its result with.")
    text = wording.get(block.tool_call_id)
    unchanged = text is not None and (block.tool_kwargs == text or block.tool_kwargs == parse_arguments(text))
    try:
        arguments = sendable_arguments(text if unchanged else block.tool_kwargs)
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"The arguments in the ToolCallBlock of {block.tool_name!r} are not JSON: {error}."
        raise InvalidRequestError(problem) from None
    return _call(block.tool_call_id, block.tool_name, arguments)


def _call(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _tool_result(message: ChatMessage, names: Mapping[str, str]) -> Json:
    call_id = message.additional_kwargs.get("tool_call_id")
    if call_id is None:
        raise InvalidRequestError(
            "A tool's result does not say which call it answers: set `additional_kwargs['tool_call_id']`."
        )
    # Servers before 0.13 read the tool's name from here; later ones find it through the id.
    name = message.additional_kwargs.get("name") or names.get(call_id)
    wire = {"role": "tool", "tool_call_id": call_id, "content": to_content(message.blocks)}
    return {**wire, "name": name} if name else wire


def from_completion(completion: Completion, names: Mapping[str, str] | None = None) -> ChatResponse:
    """Make a response of a whole answer.

    Args:
        completion: The answer.
        names: The names of tools that were sent under other names, by those.
    """
    choice = completion.choice
    return ChatResponse(
        message=from_choice(choice, completion.usage, names or {}),
        raw=to_raw(completion),
        logprobs=from_logprobs(choice.logprobs),
        additional_kwargs=told_of(choice, completion.usage),
    )


def from_choice(choice: Choice, usage: Usage | None, names: Mapping[str, str]) -> ChatMessage:
    """Make a message: thinking, text, tool calls, in this order, and always exactly one text."""
    blocks: list[ContentBlock] = []
    if choice.reasoning:
        tokens = usage.reasoning_tokens if usage else None
        blocks.append(ThinkingBlock(content=choice.reasoning, num_tokens=tokens))
    blocks.append(TextBlock(text=choice.text))
    blocks.extend(to_block(call, names, parse_arguments(call.arguments, cut=call.cut)) for call in choice.tool_calls)
    return assistant(blocks, [to_told(call, names) for call in choice.tool_calls])


def assistant(blocks: list[ContentBlock], calls: list[Json]) -> ChatMessage:
    """A message of the assistant; `additional_kwargs` repeat its calls for those who look only there."""
    told = {"tool_calls": calls} if calls else {}
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=told)


def to_block(call: ToolCall, names: Mapping[str, str], arguments: Json | None) -> ToolCallBlock:
    """A call as a block: with its arguments, or the model's text where that is not a JSON object."""
    kwargs = call.arguments if arguments is None else arguments
    return ToolCallBlock(tool_call_id=call.id, tool_name=names.get(call.name, call.name), tool_kwargs=kwargs)


def to_told(call: ToolCall, names: Mapping[str, str]) -> Json:
    """A call as `additional_kwargs` have it, with the model's own wording of the arguments."""
    return _call(call.id, names.get(call.name, call.name), call.arguments)


def parse_arguments(text: str, *, cut: bool = False) -> Json | None:
    """The arguments of a finished call, or None if they are not a JSON object; none at all is an empty one.

    `cut` says that the answer was cut off: then no arguments at all are some that did not arrive.
    """
    try:
        return ToolCall("", "", text, cut).parsed()
    except ValueError:
        return None


def told_of(choice: Choice, usage: Usage | None) -> Json:
    """What a response tells beside its message: token counts, and why and how it ended."""
    more = {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason, "refusal": choice.refusal or None}
    counts = {} if usage is None else asdict(usage)
    return {name: value for name, value in {**counts, **more}.items() if value is not None}


def to_raw(completion: Completion) -> Json:
    """An answer as plain JSON in the server's form, the same whether it was streamed or not."""
    raw: Json = {"object": "chat.completion", "choices": [_raw_choice(choice) for choice in completion.choices]}
    raw |= {name: getattr(completion, name) for name in ("id", "model", "created", "system_fingerprint")}
    usage = completion.usage
    if usage is not None:
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        raw["usage"] = {**(completion.raw_usage or {}), **{name: getattr(usage, name) for name in counts}}
    return raw


def _raw_choice(choice: Choice) -> Json:
    message: Json = {"role": "assistant", "content": choice.text, "reasoning": choice.reasoning or None}
    message["tool_calls"] = [to_told(call, {}) for call in choice.tool_calls]
    rest = ("index", "finish_reason", "stop_reason", "logprobs", "token_ids")
    return {"message": message, **{name: getattr(choice, name) for name in rest}}


def from_logprobs(logprobs: Sequence[Json] | None) -> list[list[LogProb]] | None:
    """For each token, the one that was chosen and then its likeliest rivals."""
    if logprobs is None:
        return None
    return [
        [
            _logprob(token),
            *(_logprob(top) for top in token.get("top_logprobs") or () if top.get("token") != token.get("token")),
        ]
        for token in logprobs
    ]


def _logprob(token: Json) -> LogProb:
    return LogProb(**{name: token[name] for name in LogProb.model_fields if token.get(name) is not None})


def to_completion(response: ChatResponse) -> CompletionResponse:
    """The answer to a prompt, of the answer to a chat."""
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )
