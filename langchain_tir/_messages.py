"""LangChain's messages to the wire, and an answer back to LangChain's. Pure.

What servers of several generations need is settled here: reasoning goes back under both of its names, a tool
message carries its tool's name, an assistant's content is never null, and arguments are always JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGeneration, ChatResult

from langchain_tir._content import CALLS, REASONING, Block, Json, blocks_of, parts_of, reasoning_of, text_of
from langchain_tir._content_blocks import PROVIDER, standard_blocks
from tir_client import InvalidRequestError, sendable_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages.ai import UsageMetadata

    from tir_client import Choice, Completion, Delta, Usage


def to_wire(messages: Sequence[BaseMessage]) -> list[Json]:
    """The messages to send, in their order.

    Raises:
        InvalidRequestError: A message, or a block in one, has no place on the wire; the error names both.
    """
    names: dict[str, str] = {}
    wire: list[Json] = []
    for position, message in enumerate(messages):
        try:
            wire += [_message(part, names) for part in _with_results_apart(message)]
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error.message}") from None
    return wire


def _message(message: BaseMessage, names: dict[str, str]) -> Json:
    match message:
        case HumanMessage():
            return _named(message, "user", parts_of(message.content, "user"))
        case AIMessage():
            wire = _assistant(message)
            names.update({call["id"]: call["function"]["name"] for call in wire.get("tool_calls", ())})
            return wire
        case ToolMessage():
            return _tool_result(message, names)
        case SystemMessage():
            # LangChain keeps ("developer", "...") as a system message with this mark.
            role = message.additional_kwargs.get("__openai_role__", "system")
            return _named(message, role, text_of(blocks_of(message.content), role))
        case ChatMessage():
            return _named(message, message.role, parts_of(message.content, message.role))
        case _:
            raise InvalidRequestError(f"a {type(message).__name__} cannot be sent.")


def _with_results_apart(message: BaseMessage) -> list[BaseMessage]:
    """A message, or what it is made of: Anthropic keeps the results of tools in a user's message, before the rest."""
    if not isinstance(message, HumanMessage) or not isinstance(message.content, list):
        return [message]
    blocks = blocks_of(message.content)
    results = [block for block in blocks if block.get("type") == "tool_result"]
    if not results:
        return [message]
    rest: list[Any] = [block for block in blocks if block.get("type") != "tool_result"]
    if not all(block.get("tool_use_id") for block in results):
        raise InvalidRequestError("a tool result has no `tool_use_id`: it cannot be sent.")
    told = [ToolMessage(block.get("content") or "", tool_call_id=block["tool_use_id"]) for block in results]
    return [*told, *([HumanMessage(rest, name=message.name)] if rest else [])]


def _named(message: BaseMessage, role: str, content: str | list[Json]) -> Json:
    wire: Json = {"role": role, "content": content}
    return {**wire, "name": message.name} if message.name else wire


def _tool_result(message: ToolMessage, names: dict[str, str]) -> Json:
    content = parts_of(message.content, "tool")
    wire: Json = {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    # Servers before 0.13 read the tool's name from here; later ones find it through the id.
    name = message.name or names.get(message.tool_call_id)
    return {**wire, "name": name} if name else wire


def _assistant(message: AIMessage) -> Json:
    if isinstance(message.content, str):
        blocks, text = [], message.content + str(message.additional_kwargs.get("refusal") or "")
    else:
        blocks = blocks_of(message.content)
        text = text_of([block for block in blocks if block.get("type") not in CALLS | REASONING], "assistant")
    wire = _named(message, "assistant", text)
    thoughts = [reasoning_of(block) for block in blocks if block.get("type") in REASONING]
    reasoning = "\n".join(filter(None, thoughts)) or message.additional_kwargs.get("reasoning_content")
    if reasoning:
        wire |= {"reasoning": reasoning, "reasoning_content": reasoning}
    calls = _calls(message, blocks)
    return {**wire, "tool_calls": calls} if calls else wire


def _calls(message: AIMessage, blocks: list[Block]) -> list[Json]:
    """The tool calls of a message, and those that stand in its content only, as with Anthropic's `tool_use`."""
    if "function_call" in message.additional_kwargs and not message.tool_calls:
        raise InvalidRequestError("OpenAI's old `function_call` cannot be sent: put the call into `tool_calls`.")
    calls = [_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [_call(call["id"], call["name"], call["args"]) for call in message.invalid_tool_calls]
    known = {call["id"] for call in calls}
    told = [_told_call(block) for block in blocks if block.get("type") in CALLS and block.get("id")]
    return calls + [call for call in told if call["id"] not in known]


def _told_call(block: Block) -> Json:
    args = next((block[name] for name in ("args", "input", "arguments") if name in block), None)
    return _call(block.get("call_id") or block["id"], block.get("name"), args)


def _call(call_id: str | None, name: str | None, args: object) -> Json:
    if not call_id:
        raise InvalidRequestError(f"the call of {name!r} has no `id` to match its result with.")
    try:
        arguments = sendable_arguments(args)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the arguments of the call of {name!r} cannot be written as JSON: {error}") from None
    return {"id": call_id, "type": "function", "function": {"name": name or "", "arguments": arguments}}


def from_completion(completion: Completion, output_version: str | None = None) -> ChatResult:
    """The result of a call: one generation for each choice. The first has the usage, and the others in its metadata.

    Args:
        completion: The answer.
        output_version: "v1" puts standard blocks into the messages' content, as in a stream.
    """
    generations = [_generation(completion, choice, output_version) for choice in completion.choices]
    first = generations[0].message
    if isinstance(first, AIMessage) and completion.usage is not None:
        first.usage_metadata = usage_metadata(completion.usage)
    first.response_metadata |= others(completion)
    output = set_only(model_name=completion.model, token_usage=_told(completion.raw_usage))
    return ChatResult(generations=generations, llm_output=output)


def _generation(completion: Completion, choice: Choice, output_version: str | None) -> ChatGeneration:
    message = AIMessage(content=choice.text, additional_kwargs=extras(choice), **_parsed_calls(choice))
    message.response_metadata = {**head(completion), **of_choice(choice), **tail(completion)}
    if output_version == "v1":
        message.content = [dict(block) for block in standard_blocks(message, indexed=True)]
        message.response_metadata["output_version"] = "v1"
    return ChatGeneration(message=message, generation_info=set_only(finish_reason=choice.finish_reason))


def _parsed_calls(choice: Choice) -> Json:
    valid, invalid = [], []
    for call in choice.tool_calls:
        try:
            valid.append(tool_call(name=call.name, args=call.parsed(), id=call.id))
        except ValueError:
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=None))
    return {"tool_calls": valid, "invalid_tool_calls": invalid}


def extras(said: Choice | Delta) -> Json:
    """What goes into `additional_kwargs`; LangChain reads reasoning from there."""
    return set_only(reasoning_content=said.reasoning, refusal=said.refusal)


def head(completion: Completion) -> Json:
    """Metadata that are known when an answer begins."""
    told = set_only(id=completion.id, created=completion.created, request_id=completion.request_id)
    return {"model_provider": PROVIDER, "model_name": completion.model, **told}


def of_choice(choice: Choice) -> Json:
    """Metadata of one choice."""
    logprobs = None if choice.logprobs is None else {"content": choice.logprobs}
    return {**end(choice), **set_only(logprobs=logprobs, token_ids=choice.token_ids)}


def end(choice: Choice) -> Json:
    """Why a choice ended."""
    return set_only(finish_reason=choice.finish_reason, stop_reason=choice.stop_reason)


def tail(completion: Completion) -> Json:
    """Metadata that may come as late as an answer's end."""
    return set_only(
        system_fingerprint=completion.system_fingerprint,
        service_tier=completion.service_tier,
        token_usage=_told(completion.raw_usage),
    )


def others(completion: Completion) -> Json:
    """All choices but the first: `invoke` and `stream` give one message, which holds the others in its metadata."""
    return set_only(other_choices=[_other(choice) for choice in completion.choices[1:]] or None)


def _other(choice: Choice) -> Json:
    calls = [{"id": call.id, "name": call.name, "args": call.arguments} for call in choice.tool_calls]
    return {"content": choice.text, **extras(choice), "tool_calls": calls, **of_choice(choice)}


def _told(usage: Json | None) -> Json | None:
    """The usage without nulls, which vLLM writes in whole answers and leaves out of streams."""
    if usage is None:
        return None
    return {
        name: _told(count) if isinstance(count, dict) else count for name, count in usage.items() if count is not None
    }


def set_only(**values: Any) -> Json:
    """The values that are there."""
    return {name: value for name, value in values.items() if value is not None and value != ""}


def usage_metadata(usage: Usage) -> UsageMetadata:
    """Token counts as LangChain names them; details only where the server reports them."""
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
