"""Events and callbacks equal those of LlamaIndex's decorators; chunk events need a handler."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.tools import FunctionTool

from llama_index_tir import TIR
from llama_index_tir._mapped_streams import AsyncMapped, Mapped
from llama_index_tir._messages import to_completion
from tests.llama_index.conformance.events import Recorder
from tir_client import TIRError
from tir_sandbox import Fault, Reply

from .conformance.base import question


class Decorated(TIR):
    """`TIR` with LlamaIndex's decorators."""

    @llm_chat_callback()
    def chat(self, messages: Any, **kwargs: Any) -> Any:
        return self._chat(messages, kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Any, **kwargs: Any) -> Any:
        return await self._achat(messages, kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return to_completion(self._chat(self._prompt(prompt, formatted), kwargs))

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return to_completion(await self._achat(self._prompt(prompt, formatted), kwargs))

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        return self._stream(messages, kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
        return await self._astream(messages, kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return Mapped(self._stream(self._prompt(prompt, formatted), kwargs), to_completion)

    @llm_completion_callback()
    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return AsyncMapped(await self._astream(self._prompt(prompt, formatted), kwargs), to_completion)


@pytest.fixture
def recorder():
    recorder = Recorder()
    get_dispatcher().add_event_handler(recorder)
    yield recorder
    get_dispatcher().event_handlers.remove(recorder)


async def consume(llm: TIR, way: str, leave_after: int | None, **kwargs: Any) -> None:
    """Get an answer; read a stream to its end, or close it early."""
    answer = getattr(llm, way)("Hi" if "complete" in way else question(), **kwargs)
    if "stream" not in way:
        await answer if way.startswith("a") else answer
        return
    if way.startswith("astream"):
        count = 0
        async with contextlib.aclosing(await answer) as stream:
            async for _ in stream:
                count += 1
                if count == leave_after:
                    break
        return
    with contextlib.closing(answer) as stream:
        for count, _ in enumerate(stream, 1):
            if count == leave_after:
                break


def content_of(event: Any) -> tuple[Any, ...]:
    """The content of an event, without ids and times."""
    fields = event.model_dump(exclude={"timestamp", "id_", "span_id", "model_dict", "exception"})
    if response := fields.get("response"):
        response["raw"] = (response["raw"] or {}).get("choices")
    return event.span_id is not None, sorted(fields.items(), key=lambda item: item[0])


async def observed(llm: TIR, sandbox, recorder, way, case) -> list[Any]:
    answer, leave_after, kwargs = case
    sandbox.script(*answer)
    recorder.seen.clear()
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm.callback_manager = CallbackManager([debug])
    with contextlib.suppress(TIRError):
        await consume(llm, way, leave_after, **kwargs)
    callbacks = [(event.event_type, sorted(map(str, event.payload))) for event in debug.get_events()]
    return [[content_of(event) for event in recorder.seen], callbacks]


ANSWER = Reply(text=["a", "b"], reasoning=["x"])
CASES = {
    "read to its end": ([ANSWER], None, {}),
    "left": ([ANSWER], 2, {}),
    "refused": ([Fault(status=400)], None, {}),
    "broken": ([Fault(error_chunk="the engine died", after=ANSWER)], None, {}),
    "with arguments": ([ANSWER], None, {"temperature": 0.5}),
    "with an argument that is refused": ([], None, {"temprature": 0.5}),
}


WAYS = [f"{prefix}{kind}" for prefix in ("", "a", "stream_", "astream_") for kind in ("chat", "complete")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_events_equal_those_of_the_decorators(sandbox, recorder, way, case):
    ours = await observed(TIR(max_retries=0), sandbox, recorder, way, case)
    sandbox.reset()
    theirs = await observed(Decorated(max_retries=0), sandbox, recorder, way, case)
    assert ours == theirs
    assert len(ours[0]) >= 1
    assert len(ours[1]) >= 2


@pytest.mark.parametrize("place", ["root", "llama_index.core.llms.callbacks"])
def test_a_handler_added_in_the_middle_of_a_stream_gets_the_remaining_events(llm, place):
    dispatcher, recorder = get_dispatcher(place), Recorder()
    responses = llm.stream_complete("Hi")
    next(responses)
    dispatcher.add_event_handler(recorder)
    try:
        rest = list(responses)
    finally:
        dispatcher.event_handlers.remove(recorder)

    *progress, end = recorder.seen
    assert rest == [event.response for event in progress]
    assert end.class_name() == "LLMCompletionEndEvent"


@pytest.mark.parametrize("way", ["chat_with_tools", "stream_chat_with_tools"])
def test_internal_arguments_are_in_no_event(llm, recorder, sandbox, way):
    tool = FunctionTool.from_defaults(lambda city: city, name="weather[in]", description="The weather.")
    debug = LlamaDebugHandler(print_trace_on_end=False)
    llm.callback_manager = CallbackManager([debug])

    list(getattr(llm, way)([tool], "How is the weather in Delhi?"))

    assert recorder.seen
    assert "tool_names" not in str([event.model_dump() for event in recorder.seen])
    assert "tool_names" not in str([event.payload for event in debug.get_events()])
