"""Answers, from the core's `Completion` and `Delta` to LangChain's messages. Pure. The way out is in `_messages`.

Streamed and whole answers give the same message: the same content, metadata and usage, each value once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_tir._blocks import PROVIDER, blocks_of_answer

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

    from tir_client import Choice, Completion, Delta, Usage

Json = dict[str, Any]


def from_completion(completion: Completion, output_version: str | None = None) -> ChatResult:
    """The result of a call: one generation for each choice. The first one carries the usage."""
    generations = [_generation(completion, choice, output_version) for choice in completion.choices]
    first = generations[0].message
    if isinstance(first, AIMessage) and completion.usage is not None:
        first.usage_metadata = usage_metadata(completion.usage)
    return ChatResult(generations=generations, llm_output=_llm_output(completion))


def _generation(completion: Completion, choice: Choice, output_version: str | None) -> ChatGeneration:
    message = AIMessage(content=choice.text, additional_kwargs=_extras(choice), **_parsed_calls(choice))
    message.response_metadata = {**head_metadata(completion), **choice_metadata(choice), **_tail_metadata(completion)}
    if output_version == "v1":
        message.content = [dict(block) for block in blocks_of_answer(message, indexed=True)]
        message.response_metadata["output_version"] = "v1"
    return ChatGeneration(message=message, generation_info={"finish_reason": choice.finish_reason})


class ChunkReader:
    """Turns the deltas of one stream into chunks.

    A LangChain stream is one message: of several choices it is the first, as with `invoke`; the others are whole in
    the last chunk's `response_metadata["other_choices"]`.
    """

    def __init__(self) -> None:
        self._begun = False

    def read(self, delta: Delta) -> ChatGenerationChunk | None:
        """The chunk for a delta, or None if it belongs to another choice."""
        if delta.index and not delta.final:
            return None
        message = _last(delta) if delta.final else _piece(delta)
        if not self._begun:
            self._begun = True
            message.response_metadata |= head_metadata(delta.so_far.completion())
        return ChatGenerationChunk(message=message)


def _piece(delta: Delta) -> AIMessageChunk:
    metadata: Json = {"model_provider": PROVIDER}
    if delta.logprobs:
        metadata["logprobs"] = {"content": delta.logprobs}
    if delta.token_ids:
        metadata["token_ids"] = delta.token_ids
    return AIMessageChunk(
        content=delta.text,
        additional_kwargs=_extras(delta),
        response_metadata=metadata,
        tool_call_chunks=[
            tool_call_chunk(name=call.name, args=call.arguments, id=call.id, index=call.index)
            for call in delta.tool_calls
        ],
    )


def _last(delta: Delta) -> AIMessageChunk:
    completion = delta.so_far.completion()
    metadata = {"model_provider": PROVIDER, **_finish(completion.choice), **_tail_metadata(completion)}
    others = [_other(choice) for choice in completion.choices[1:]]
    return AIMessageChunk(
        content="",
        chunk_position="last",
        response_metadata={**metadata, "other_choices": others} if others else metadata,
        usage_metadata=usage_metadata(completion.usage) if completion.usage else None,
    )


def _other(choice: Choice) -> Json:
    calls = [{"id": call.id, "name": call.name, "args": call.arguments} for call in choice.tool_calls]
    return {"content": choice.text, **_extras(choice), "tool_calls": calls, **choice_metadata(choice)}


def _extras(said: Choice | Delta) -> Json:
    extras = {"reasoning_content": said.reasoning, "refusal": said.refusal}
    return {name: text for name, text in extras.items() if text}


def _parsed_calls(choice: Choice) -> Json:
    valid, invalid = [], []
    for call in choice.tool_calls:
        try:
            valid.append(tool_call(name=call.name, args=call.parsed(), id=call.id))
        except ValueError as error:
            invalid.append(invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=str(error)))
    return {"tool_calls": valid, "invalid_tool_calls": invalid}


def head_metadata(completion: Completion) -> Json:
    """What is known when an answer begins."""
    return _set(
        model_provider=PROVIDER,
        model_name=completion.model,
        id=completion.id,
        created=completion.created,
        request_id=completion.request_id,
    )


def choice_metadata(choice: Choice) -> Json:
    """What belongs to one choice."""
    logprobs = None if choice.logprobs is None else {"content": choice.logprobs}
    return {**_finish(choice), **_set(logprobs=logprobs, token_ids=choice.token_ids)}


def _finish(choice: Choice) -> Json:
    return _set(finish_reason=choice.finish_reason, stop_reason=choice.stop_reason)


def _tail_metadata(completion: Completion) -> Json:
    """What may come as late as an answer's end."""
    return _set(
        system_fingerprint=completion.system_fingerprint,
        service_tier=completion.service_tier,
        token_usage=completion.raw_usage,
    )


def _set(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None and value != ""}


def _llm_output(completion: Completion) -> Json:
    return _set(model_name=completion.model, token_usage=completion.raw_usage)


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
