"""Promises about callbacks and events: the same as with LlamaIndex's `llm_chat_callback`."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEvent, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.rate_limiter import BaseRateLimiter
from pydantic import Field

from tir_sandbox import Fault, Reply

from .base import Promises, collect, question
from .structured import PROMPT, City


class Recorder(BaseEventHandler):
    """Records events."""

    seen: list[Any] = Field(default_factory=list)

    def handle(self, event: Any, **_: Any) -> None:
        self.seen.append(event)

    def names(self) -> list[str]:
        return [event.class_name() for event in self.seen]


def pairs(debug: LlamaDebugHandler, kind: CBEventType) -> list[list[CBEvent]]:
    """The starts and ends of a kind, in the order of the starts; the handler sorts them by the time of day."""
    return [pair for pair in debug.events_pairs_by_id.values() if pair[0].event_type == kind]


class Limiter(BaseRateLimiter):
    """Counts its calls."""

    acquired: int = 0

    def acquire(self) -> None:
        self.acquired += 1

    async def async_acquire(self) -> None:
        self.acquired += 1


class EventPromises(Promises):
    @pytest.fixture
    def events(self):
        recorder = Recorder()
        root = get_dispatcher()
        root.add_event_handler(recorder)
        yield recorder
        root.event_handlers.remove(recorder)

    def test_a_chat_starts_and_ends(self, llm, events):
        llm.chat(question())
        assert events.names() == ["LLMChatStartEvent", "LLMChatEndEvent"]

    def test_a_completion_reports_completion_events_and_no_chat_events(self, llm, events):
        """A chat event too would count it twice."""
        llm.complete("Hi")
        assert events.names() == ["LLMCompletionStartEvent", "LLMCompletionEndEvent"]

    def test_a_streamed_chat_reports_each_item(self, llm, sandbox, events):
        sandbox.script(Reply(text=["a", "b"]))
        responses = list(llm.stream_chat(question()))
        middle = ["LLMChatInProgressEvent"] * len(responses)
        assert events.names() == ["LLMChatStartEvent", *middle, "LLMChatEndEvent"]
        assert [event.response.message.content for event in events.seen[1:]][-2:] == ["ab", "ab"]
        assert all([message.content for message in event.messages] == ["How are you?"] for event in events.seen)

    async def test_an_async_streamed_chat_reports_each_item(self, llm, sandbox, events):
        sandbox.script(Reply(text=["a", "b"]))
        responses = await collect(llm.astream_chat(question()))
        middle = ["LLMChatInProgressEvent"] * len(responses)
        assert events.names() == ["LLMChatStartEvent", *middle, "LLMChatEndEvent"]

    def test_a_streamed_completion_reports_each_item(self, llm, sandbox, events):
        sandbox.script(Reply(text=["a", "b"]))
        responses = list(llm.stream_complete("Hi"))
        middle = ["LLMCompletionInProgressEvent"] * len(responses)
        assert events.names() == ["LLMCompletionStartEvent", *middle, "LLMCompletionEndEvent"]
        assert {event.prompt for event in events.seen} == {"Hi"}

    @pytest.mark.parametrize("way", ["chat", "stream_chat"])
    def test_callbacks_get_question_and_answer(self, make, sandbox, way):
        sandbox.script(Reply(text="Fine."))
        debug = LlamaDebugHandler(print_trace_on_end=False)
        answer = getattr(make(callback_manager=CallbackManager([debug])), way)(question())
        if way == "stream_chat":
            list(answer)
        ((start, end),) = debug.get_event_pairs(CBEventType.LLM)
        assert start.payload[EventPayload.MESSAGES][0].content == "How are you?"
        assert end.payload[EventPayload.RESPONSE].message.content == "Fine."

    @pytest.mark.parametrize("way", ["chat", "stream_chat"])
    def test_callbacks_get_failures(self, make, sandbox, way):
        sandbox.script(Fault(status=400))
        debug = LlamaDebugHandler(print_trace_on_end=False)
        llm = make(callback_manager=CallbackManager([debug]), max_retries=0)
        with pytest.raises(Exception, match=r".") as caught:
            list(getattr(llm, way)(question()))
        ((_, end),) = debug.get_event_pairs(CBEventType.LLM)
        assert end.payload[EventPayload.EXCEPTION] is caught.value

    def test_a_failure_in_the_middle_of_a_stream_is_an_event(self, llm, sandbox, events):
        sandbox.script(Fault(error_chunk="the engine died", after=Reply(text=["a"] * 8)))
        with pytest.raises(Exception, match="the engine died"):
            list(llm.stream_chat(question()))
        assert "ExceptionEvent" in events.names()

    def test_structured_output_is_reported(self, llm, events):
        llm.structured_predict(City, PROMPT, name="Pune")
        names = [name for name in events.names() if "Structured" in name]
        assert names == ["LLMStructuredPredictStartEvent", "LLMStructuredPredictEndEvent"]

    def test_the_rate_limiter_is_acquired_once_for_each_call(self, make):
        limiter = Limiter()
        llm = make(rate_limiter=limiter)
        llm.chat(question())
        list(llm.stream_chat(question()))
        llm.complete("Hi")
        list(llm.stream_complete("Hi"))
        assert limiter.acquired == 4

    async def test_the_rate_limiter_is_acquired_once_for_each_async_call(self, make):
        limiter = Limiter()
        llm = make(rate_limiter=limiter)
        await llm.achat(question())
        await collect(llm.astream_chat(question()))
        await llm.acomplete("Hi")
        await collect(llm.astream_complete("Hi"))
        assert limiter.acquired == 4

    def test_streams_work_without_a_callback_manager(self, llm):
        """The caller may have set it to None."""
        llm.callback_manager = None
        assert list(llm.stream_chat(question()))
