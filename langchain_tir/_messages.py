"""Converts LangChain's messages to the wire form, and answers to LangChain's messages. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call
from langchain_core.messages.tool import tool_call as valid_tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_tir._content import (
    CALLS,
    REASONING,
    Block,
    answer_text,
    reasoning_of,
    to_blocks,
    to_content,
)
from langchain_tir._content_blocks import PROVIDER, standard_blocks
from langchain_tir._past_calls import past_calls
from langchain_tir._placeholders import all_text
from tir_client import InvalidRequestError
from tir_client.protocol.cost import cost_of
from tir_client.protocol.messages import assistant_message, chat_message, convert_messages, tool_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages.ai import UsageMetadata

    from tir_client.protocol.accumulator import Delta
    from tir_client.protocol.cost import Price
    from tir_client.protocol.responses import Choice, Completion, Json, Usage


def to_wire(messages: Sequence[BaseMessage]) -> list[Json]:
    """Convert messages to the wire form.

    Raises:
        InvalidRequestError: A message or block cannot be sent; the error has its position.
    """
    return convert_messages(messages, _wire_messages)


def _wire_messages(message: BaseMessage) -> list[Json]:
    return _user(message) if isinstance(message, HumanMessage) else [_wire_message(message)]


def _wire_message(message: BaseMessage) -> Json:
    match message:
        case AIMessage():
            return _assistant(message)
        case ToolMessage():
            return tool_message(message.tool_call_id, to_content(message.content, "tool"), name=message.name)
        case FunctionMessage() | ChatMessage(role="tool"):
            return tool_message(None, to_content(message.content, "tool"), name=message.name)
        case ChatMessage(role="assistant"):
            return assistant_message(to_content(message.content, "assistant"), name=message.name)
        case SystemMessage():
            # LangChain represents ("developer", "...") as a system message with this marker.
            return _of_role(message, message.additional_kwargs.get("__openai_role__", "system"))
        case ChatMessage():
            return _of_role(message, message.role)
        case _:
            raise InvalidRequestError(f"a {type(message).__name__} cannot be sent.")


def _of_role(message: BaseMessage, role: str) -> Json:
    return chat_message(role, to_content(message.content, role), name=message.name)


def _user(message: HumanMessage) -> list[Json]:
    """Convert a user's message. Tool results in it, in Anthropic's or Bedrock's form, become messages before it."""
    blocks = to_blocks(message.content) if isinstance(message.content, list) else []
    results = [block for block in blocks if block["type"] == "tool_result"]
    if not results:
        return [_of_role(message, "user")]
    if not all(block.get("tool_use_id") for block in results):
        raise InvalidRequestError("a tool result has no `tool_use_id`: it cannot be sent.")
    wire = [
        tool_message(str(block["tool_use_id"]), to_content(block.get("content") or "", "tool")) for block in results
    ]
    rest = [block for block in blocks if block["type"] != "tool_result"]
    return [*wire, *([chat_message("user", to_content(rest, "user"), name=message.name)] if rest else [])]


def _assistant(message: AIMessage) -> Json:
    if isinstance(message.content, str):
        blocks: list[Block] = []
        text = message.content + _text_in_extras(message.additional_kwargs)
    else:
        blocks = to_blocks(message.content)
        text = answer_text([block for block in blocks if block["type"] not in CALLS | REASONING])
    reasoning = [reasoning_of(block) for block in blocks if block["type"] in REASONING]
    return assistant_message(
        text,
        reasoning="\n".join(filter(None, reasoning)) or _reasoning_in_extras(message.additional_kwargs),
        tool_calls=past_calls(message, blocks),
        name=message.name,
    )


def _text_in_extras(extras: Json) -> str:
    """The text of an answer in its extras: a refusal, or the transcript of OpenAI's audio output."""
    if not extras:
        return ""
    audio = extras.get("audio")
    transcript = audio.get("transcript") if isinstance(audio, dict) else None
    return all_text(extras.get("refusal")) + all_text(transcript)


def _reasoning_in_extras(extras: Json) -> str:
    """The reasoning in the extras, under vLLM's name or that of gateways and OpenAI's SDK."""
    if not extras:
        return ""
    return all_text(extras.get("reasoning_content")) or all_text(extras.get("reasoning"))


def from_completion(
    completion: Completion, output_version: str | None = None, price: Price | None = None
) -> ChatResult:
    """Convert an answer to LangChain's result, with a generation per choice. The first has the usage and the cost.

    Args:
        completion: The answer.
        output_version: "v1" makes the content of messages a list of standard blocks.
        price: The price of the model, for the cost.
    """
    generations = [_from_choice(completion, choice, output_version) for choice in completion.choices]
    first = generations[0].message
    if isinstance(first, AIMessage) and completion.usage is not None:
        first.usage_metadata = usage_metadata(completion.usage)
    first.response_metadata |= {**other_choices(completion), **cost_metadata(completion, price)}
    output = set_only(id=completion.id, model_name=completion.model, token_usage=_without_nulls(completion.raw_usage))
    return ChatResult(generations=generations, llm_output=output)


def _from_choice(completion: Completion, choice: Choice, output_version: str | None) -> ChatGeneration:
    message = AIMessage(content=choice.text, additional_kwargs=additional_kwargs(choice), **_parsed_calls(choice))
    message.response_metadata = {**start_metadata(completion), **_choice_metadata(choice), **end_metadata(completion)}
    if output_version == "v1":
        message.content = [dict(block) for block in standard_blocks(message, indexed=True)]
        message.response_metadata["output_version"] = "v1"
    return ChatGeneration(message=message, generation_info=set_only(finish_reason=choice.finish_reason))


def _parsed_calls(choice: Choice) -> Json:
    valid, invalid = [], []
    for call in choice.tool_calls:
        try:
            valid.append(valid_tool_call(name=call.name, args=call.parsed(), id=call.id))
        except ValueError as error:
            reason = f"The arguments are not a JSON object: {error}"
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=reason))
    return {"tool_calls": valid, "invalid_tool_calls": invalid}


def additional_kwargs(answer: Choice | Delta) -> Json:
    """The `additional_kwargs` of a message; LangChain reads reasoning from there."""
    return set_only(reasoning_content=answer.reasoning, refusal=answer.refusal)


def start_metadata(completion: Completion) -> Json:
    """The response metadata that are known at the beginning of an answer."""
    optional = set_only(id=completion.id, created=completion.created, request_id=completion.request_id)
    return {"model_provider": PROVIDER, "model_name": completion.model, **optional}


def _choice_metadata(choice: Choice) -> Json:
    """The response metadata of a choice."""
    logprobs = None if choice.logprobs is None else {"content": choice.logprobs}
    return {**finish_metadata(choice), **set_only(logprobs=logprobs, token_ids=choice.token_ids)}


def finish_metadata(choice: Choice) -> Json:
    """The finish and stop reasons of a choice, as response metadata."""
    return set_only(finish_reason=choice.finish_reason, stop_reason=choice.stop_reason)


def end_metadata(completion: Completion) -> Json:
    """The response metadata that may arrive at the end of an answer."""
    return set_only(
        system_fingerprint=completion.system_fingerprint,
        service_tier=completion.service_tier,
        token_usage=_without_nulls(completion.raw_usage),
    )


def other_choices(completion: Completion) -> Json:
    """All choices but the first, as response metadata, because LangChain returns one message."""
    return set_only(other_choices=[_other(choice) for choice in completion.choices[1:]] or None)


def cost_metadata(completion: Completion, price: Price | None) -> Json:
    """The cost of an answer, as response metadata. It is not in the usage, where LangChain adds only integers."""
    return set_only(cost=cost_of(completion.usage, price))


def _other(choice: Choice) -> Json:
    calls = [{"id": call.id, "name": call.name, "args": call.arguments} for call in choice.tool_calls]
    return {"content": choice.text, **additional_kwargs(choice), "tool_calls": calls, **_choice_metadata(choice)}


def _without_nulls(usage: Json | None) -> Json | None:
    """The usage without null fields, which vLLM sends in whole answers but not in streams."""
    if usage is None:
        return None
    return {
        name: _without_nulls(count) if isinstance(count, dict) else count
        for name, count in usage.items()
        if count is not None
    }


def set_only(**values: Any) -> Json:
    """Return the values that are neither None nor an empty text."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def usage_metadata(usage: Usage) -> UsageMetadata:
    """Convert token counts to LangChain's names; details only where the server reports them."""
    counts: UsageMetadata = {
        "input_tokens": usage.prompt_tokens,
        "output_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cached_tokens is not None:
        counts["input_token_details"] = {"cache_read": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        counts["output_token_details"] = {"reasoning": usage.reasoning_tokens}
    return counts
