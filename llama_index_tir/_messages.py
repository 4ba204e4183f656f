"""Converts LlamaIndex's messages to the wire form, and answers to LlamaIndex's responses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

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

from llama_index_tir._content import to_content
from llama_index_tir._past_calls import past_calls, server_steps, wire_name
from llama_index_tir._raw import to_openai_call, to_raw
from tir_client import InvalidRequestError
from tir_client.protocol.cost import cost_of
from tir_client.protocol.messages import assistant_message, chat_message, convert_messages, tool_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tir_client.protocol.cost import Price
    from tir_client.protocol.responses import Choice, Completion, Json, ToolCall, Usage

INVALID_CALLS = "invalid_tool_calls"
"""The key in a message's `additional_kwargs` for calls with unreadable arguments. It is not sent: the calls are also
in the blocks."""

ROLES = {
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
    MessageRole.FUNCTION: "tool",
}
"""Roles of other providers, mapped to their names on the wire. All others are sent unchanged."""


def to_wire(messages: Sequence[ChatMessage]) -> list[Json]:
    """Convert messages to the wire form, in order.

    Raises:
        InvalidRequestError: A message or block cannot be sent; the error has its position.
    """
    check_messages(messages)
    return convert_messages(messages, _wire_messages)


def check_messages(messages: object) -> None:
    """Raise `InvalidRequestError` if `messages` is not a list of `ChatMessage` objects."""
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        raise InvalidRequestError(f"`messages` is a {type(messages).__name__}, not a list of ChatMessage objects.")
    for position, message in enumerate(messages):
        if not isinstance(message, ChatMessage):
            raise InvalidRequestError(f"messages[{position}] is a {type(message).__name__}, not a ChatMessage.")


def _wire_messages(message: ChatMessage) -> list[Json]:
    role = ROLES.get(message.role, message.role.value)
    match role:
        case "assistant":
            return [_assistant(message)]
        case "tool":
            return [_tool_result(message)]
        case _:
            return [chat_message(role, to_content(message.blocks, role), name=_name(message))]


def _name(message: ChatMessage) -> str | None:
    name = message.additional_kwargs.get("name")
    if name is not None and not isinstance(name, str):
        raise InvalidRequestError(f"`name` in `additional_kwargs` is {name!r}, not a string.")
    return name


def _assistant(message: ChatMessage) -> Json:
    calls, unreadable = past_calls(message)
    content = [block for block in message.blocks if not isinstance(block, ThinkingBlock | ToolCallBlock)]
    refusal = message.additional_kwargs.get("refusal")
    texts = [*([refusal] if isinstance(refusal, str) else []), *server_steps(message), *unreadable]
    if texts:
        content = [block for block in content if not (isinstance(block, TextBlock) and not block.text)]
    blocks = [*content, *(TextBlock(text=text) for text in texts)]
    return assistant_message(to_content(blocks, "assistant"), reasoning=_reasoning(message), tool_calls=calls)


def _reasoning(message: ChatMessage) -> str:
    """Return the reasoning of an answer, from its blocks or from the fields of other integrations."""
    thoughts = [block.content for block in message.blocks if isinstance(block, ThinkingBlock) and block.content]
    if thoughts or not message.additional_kwargs:
        return "\n".join(thoughts)
    values = (message.additional_kwargs.get(name) for name in ("reasoning_content", "reasoning", "thinking"))
    texts = (value.get("thinking") if isinstance(value, dict) else value for value in values)  # Anthropic's is a dict
    return next((text for text in texts if isinstance(text, str) and text), "")


def _tool_result(message: ChatMessage) -> Json:
    kwargs = message.additional_kwargs
    call_id = next((kwargs[name] for name in ("tool_call_id", "call_id") if kwargs.get(name) is not None), None)
    name = kwargs.get("name")
    return tool_message(
        None if call_id is None else str(call_id),
        to_content(message.blocks, "tool"),
        name=wire_name(name) if isinstance(name, str) else None,
    )


def from_completion(
    completion: Completion, names: Mapping[str, str] | None = None, price: Price | None = None
) -> ChatResponse:
    """Convert a whole answer to a response.

    Args:
        completion: The answer.
        names: Original tool names by the names sent, for tools that were renamed.
        price: The price of the model, for the cost in `additional_kwargs` and `raw`.
    """
    choice, cost = completion.choice, cost_of(completion.usage, price)
    return ChatResponse(
        message=_from_choice(choice, completion.usage, names or {}),
        raw=to_raw(completion, cost),
        logprobs=from_logprobs(choice.logprobs),
        additional_kwargs={**response_kwargs(choice, completion.usage), **(cost or {})},
    )


def _from_choice(choice: Choice, usage: Usage | None, names: Mapping[str, str]) -> ChatMessage:
    """Convert a choice to a message: thinking, exactly one text, and tool calls, in this order."""
    blocks: list[ContentBlock] = []
    if choice.reasoning:
        tokens = usage.reasoning_tokens if usage else None
        blocks.append(ThinkingBlock(content=choice.reasoning, num_tokens=tokens))
    blocks.append(TextBlock(text=choice.text))
    calls = [(call, call.problem()) for call in choice.tool_calls]
    blocks.extend(to_block(call, names, None if problem else call.parsed()) for call, problem in calls)
    message = to_message(blocks, [to_openai_call(call, names) for call in choice.tool_calls])
    if invalid := [_invalid_call(call, names, problem) for call, problem in calls if problem]:
        message.additional_kwargs[INVALID_CALLS] = invalid
    if choice.refusal:
        message.additional_kwargs["refusal"] = choice.refusal
    return message


def _invalid_call(call: ToolCall, names: Mapping[str, str], error: str) -> Json:
    """Return a call with unreadable arguments, with their text and the reason."""
    return {"id": call.id, "name": names.get(call.name, call.name), "arguments": call.arguments, "error": error}


def to_message(blocks: list[ContentBlock], calls: list[Json]) -> ChatMessage:
    """Return an assistant message. Its `additional_kwargs` repeat the calls for code that reads only those."""
    kwargs = {"tool_calls": calls} if calls else {}
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=kwargs)


def to_block(call: ToolCall, names: Mapping[str, str], arguments: Json | None) -> ToolCallBlock:
    """Convert a call to a block: with its arguments, or with the model's text if that is not a JSON object."""
    kwargs = call.arguments if arguments is None else arguments
    return ToolCallBlock(tool_call_id=call.id, tool_name=names.get(call.name, call.name), tool_kwargs=kwargs)


def response_kwargs(choice: Choice, usage: Usage | None) -> Json:
    """Return the `additional_kwargs` of a response: token counts, finish reason, stop reason and refusal."""
    more = {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason, "refusal": choice.refusal or None}
    counts = {} if usage is None else asdict(usage)
    return {name: value for name, value in {**counts, **more}.items() if value is not None}


def from_logprobs(logprobs: Sequence[Json] | None) -> list[list[LogProb]] | None:
    """Return, for each token, the chosen one and then the likeliest alternatives."""
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


def with_system_prompt(prompt: str | None, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the messages after the system prompt, if there is one."""
    return [*([ChatMessage(role=MessageRole.SYSTEM, content=prompt)] if prompt else []), *messages]


def prompt_messages(prompt: object) -> list[ChatMessage]:
    """Return a prompt as a conversation of one message.

    Raises:
        InvalidRequestError: The prompt is not a string.
    """
    if not isinstance(prompt, str):
        kind = type(prompt).__name__
        raise InvalidRequestError(f"The prompt is a {kind}, not a string. Call `format` on a template first.")
    return [ChatMessage(content=prompt)]


def to_completion(response: ChatResponse) -> CompletionResponse:
    """Convert a chat response to a completion response."""
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs={**response.message.additional_kwargs, **response.additional_kwargs},
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )
