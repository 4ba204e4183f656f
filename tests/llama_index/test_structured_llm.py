"""Callbacks, events and rate limiters of a structured LLM and of the LLM inside it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.callbacks import (
    CallbackManager,
    CBEventType,
    EventPayload,
    LlamaDebugHandler,
    TokenCountingHandler,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, Field

from llama_index_tir import StructuredOutputError
from tir_sandbox import Reply, ToolCall

from .conformance.base import collect, question
from .conformance.events import Limiter, Recorder, pairs
from .conformance.structured import JSON, City

WAYS = ["chat", "complete", "stream_chat", "stream_complete", "achat", "acomplete", "astream_chat", "astream_complete"]
ANSWER = Reply(text=JSON, usage={"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110})


async def answer(llm: Any, way: str) -> Any:
    """Return the last response of a call."""
    given = getattr(llm, way)("Pune?" if way.endswith("complete") else question())
    if way.startswith("astream"):
        return (await collect(given))[-1]
    if way.startswith("a"):
        return await given
    return list(given)[-1] if way.startswith("stream") else given


def on_inner_llm(make_llm: Any, handler: Any) -> Any:
    return make_llm(callback_manager=CallbackManager([handler])).as_structured_llm(City)


def on_structured_llm(make_llm: Any, handler: Any) -> Any:
    return make_llm().as_structured_llm(City, callback_manager=CallbackManager([handler]))


def on_both_llms(make_llm: Any, handler: Any) -> Any:
    manager = CallbackManager([handler])
    return make_llm(callback_manager=manager).as_structured_llm(City, callback_manager=manager)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make_structured", [on_inner_llm, on_structured_llm, on_both_llms])
async def test_tokens_are_counted_once_by_any_handler(make_llm, sandbox, make_structured, way):
    counter = TokenCountingHandler()
    sandbox.script(ANSWER)
    await answer(make_structured(make_llm, counter), way)
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (100, 10)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", [PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM])
@pytest.mark.parametrize("make_structured", [on_inner_llm, on_structured_llm, on_both_llms])
async def test_tokens_of_llama_indexs_programs_are_counted_once_too(make_llm, sandbox, make_structured, mode, way):
    counter, recorder = TokenCountingHandler(), Recorder()
    get_dispatcher().add_event_handler(recorder)
    sandbox.script(
        ANSWER if mode is PydanticProgramMode.LLM else Reply(tool_calls=[ToolCall("City", JSON)], usage=ANSWER.usage)
    )
    try:
        last = await answer(make_structured(partial(make_llm, pydantic_program_mode=mode), counter), way)
    finally:
        get_dispatcher().event_handlers.remove(recorder)

    ends = [event for event in recorder.seen if event.class_name() in {"LLMChatEndEvent", "LLMCompletionEndEvent"}]
    assert [event.response.additional_kwargs.get("total_tokens") for event in ends] == [110, None]
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == (100, 10)
    assert isinstance(last.raw, City)


@pytest.mark.filterwarnings("ignore:The `__.*__` attribute is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Accessing the '.*' attribute on the instance:DeprecationWarning")
async def test_the_tokens_of_an_agent_that_ends_with_an_object_are_counted_once(make_llm, sandbox, monkeypatch):
    """With a global counter, as in LlamaIndex's documentation."""
    counter = TokenCountingHandler()
    monkeypatch.setattr(Settings, "_callback_manager", CallbackManager([counter]))
    sandbox.script(*[ANSWER] * 2)
    agent = FunctionAgent(llm=make_llm(), tools=[], output_cls=City)
    assert (await agent.run("Pune?")).structured_response
    assert counter.total_llm_token_count == 220


@pytest.mark.parametrize("way", WAYS)
async def test_events_count_tokens_once(llm, sandbox, way):
    recorder = Recorder()
    get_dispatcher().add_event_handler(recorder)
    sandbox.script(ANSWER)
    try:
        last = await answer(llm.as_structured_llm(City), way)
    finally:
        get_dispatcher().event_handlers.remove(recorder)

    ends = [event for event in recorder.seen if event.class_name() in {"LLMChatEndEvent", "LLMCompletionEndEvent"}]
    assert [event.response.additional_kwargs.get("total_tokens") for event in ends] == [110, None]
    assert last.additional_kwargs["total_tokens"] == 110


class Bill(BaseModel):
    usage: str


def test_a_field_called_usage_is_not_counted_as_token_usage(make_llm, sandbox):
    """A `TokenCountingHandler` looks for it in `raw`, which is the object here."""
    counter = TokenCountingHandler()
    llm = make_llm(callback_manager=CallbackManager([counter]))
    sandbox.script(Reply(text='{"usage": "much"}'))
    llm.as_structured_llm(Bill, callback_manager=llm.callback_manager).chat(question())
    assert counter.total_llm_token_count > 0


def test_a_handler_on_both_llms_gets_both_calls(make_llm, sandbox):
    sandbox.script(ANSWER)
    debug = LlamaDebugHandler(print_trace_on_end=False)
    on_both_llms(make_llm, debug).chat(question())
    outer, inner = pairs(debug, CBEventType.LLM)
    assert [start.payload[EventPayload.MESSAGES][0].content for start, _ in (outer, inner)] == ["How are you?"] * 2
    assert isinstance(outer[1].payload[EventPayload.RESPONSE].raw, City)
    assert inner[1].payload[EventPayload.RESPONSE].raw["usage"]["total_tokens"] == 110


@pytest.mark.parametrize("way", ["chat", "achat"])
async def test_both_llms_report_a_failure(make_llm, sandbox, way):
    sandbox.script(Reply(text="{", finish_reason="length"))
    debug = LlamaDebugHandler(print_trace_on_end=False)
    with pytest.raises(StructuredOutputError) as caught:
        await answer(on_structured_llm(make_llm, debug), way)
    (outer, *_) = pairs(debug, CBEventType.LLM)
    assert outer[1].payload == {EventPayload.EXCEPTION: caught.value}


@pytest.mark.parametrize(("way", "kind"), [("chat", "Chat"), ("acomplete", "Completion")])
async def test_events_of_a_structured_llm_enclose_those_of_the_llm_inside(llm, sandbox, way, kind):
    recorder = Recorder()
    get_dispatcher().add_event_handler(recorder)
    try:
        await answer(llm.as_structured_llm(City), way)
    finally:
        get_dispatcher().event_handlers.remove(recorder)

    inside = ["LLMStructuredPredictStartEvent", "LLMChatStartEvent", "LLMChatEndEvent", "LLMStructuredPredictEndEvent"]
    assert recorder.names() == [f"LLM{kind}StartEvent", *inside, f"LLM{kind}EndEvent"]


@pytest.mark.parametrize("way", WAYS)
async def test_both_rate_limiters_are_acquired(make_llm, way):
    inner, outer = Limiter(), Limiter()
    await answer(make_llm(rate_limiter=inner).as_structured_llm(City, rate_limiter=outer), way)
    assert (inner.acquired, outer.acquired) == (1, 1)


@pytest.mark.parametrize("way", WAYS)
async def test_a_structured_llm_answers_without_a_callback_manager(llm, way):
    structured = llm.as_structured_llm(City)
    structured.callback_manager = llm.callback_manager = None
    assert isinstance((await answer(structured, way)).raw, City)


class Person(BaseModel):
    """A person."""

    first_name: str = Field(alias="firstName")


@pytest.mark.parametrize("way", WAYS)
async def test_the_text_of_an_object_with_aliases_can_be_parsed(make_llm, sandbox, way):
    sandbox.script(Reply(text='{"firstName": "Asha"}'))
    response = await answer(make_llm().as_structured_llm(Person), way)
    text = response.text if way.endswith("complete") else response.message.content
    assert Person.model_validate_json(text) == response.raw
