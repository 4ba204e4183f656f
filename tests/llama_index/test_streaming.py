"""The content of stream items; their cost is linear in the length of the answer."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ToolCallBlock
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import MockLLM

from llama_index_tir._instrumentation import CHAT, Instrumentation
from llama_index_tir._stream import DeltaMapper
from tests.complexity import growth_between
from tir_client import StreamInterruptedError
from tir_client.protocol.accumulator import Accumulator
from tir_sandbox import Fault, Reply, ToolCall

from .conformance.base import calls, chunk, piece, question
from .conformance.events import Recorder
from .conformance.structured import City


@pytest.fixture
def recorder():
    recorder = Recorder()
    get_dispatcher().add_event_handler(recorder)
    yield recorder
    get_dispatcher().event_handlers.remove(recorder)


def test_arguments_are_an_object_that_grows(llm, sandbox):
    pieces = ['{"city": "Pu', 'ne", "days"', ": 3}"]
    begun = chunk({"tool_calls": [piece(0, "", name="weather", id="c1")]})
    rest = [chunk({"tool_calls": [piece(0, text)]}) for text in pieces]
    sandbox.script(Reply(chunks=[begun, *rest, chunk({}, "tool_calls")]))
    seen = [calls(response)[0].tool_kwargs for response in llm.stream_chat(question())]
    assert seen[:4] == [{}, {"city": "Pu"}, {"city": "Pune"}, {"city": "Pune", "days": 3}]
    assert seen[-1] == {"city": "Pune", "days": 3}


STREAMS = ["stream_chat", "stream_complete", "structured stream_chat", "structured stream_complete"]


def begin(llm, name, prefix=""):
    llm = llm.as_structured_llm(City) if name.startswith("structured") else llm
    way = prefix + name.rpartition(" ")[2]
    return getattr(llm, way)("Pune?" if way.endswith("complete") else question())


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_a_frame_until_it_ends_as_native_generators_have(llm, name):
    """OpenInference looks for it before it waits for the end of a stream."""
    stream = begin(llm, name)
    assert stream.gi_frame is not None
    next(stream)
    assert stream.gi_frame is not None
    assert list(stream)
    assert stream.gi_frame is None
    left = begin(llm, name)
    left.close()
    assert left.gi_frame is None


@pytest.mark.parametrize("name", STREAMS)
async def test_an_async_stream_has_a_frame_until_it_ends(llm, name):
    stream = await begin(llm, name, "a")
    assert stream.ag_frame is not None
    assert [response async for response in stream]
    assert stream.ag_frame is None
    left = await begin(llm, name, "a")
    await left.aclose()
    assert left.ag_frame is None


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "Hi"},
        {"reasoning": "Hm."},
        {"tool_calls": [{"id": "c1", "index": 0, "function": {"name": "f", "arguments": "{}"}}]},
    ],
)
def test_an_item_equals_one_from_llama_indexs_constructors(delta):
    (added,) = Accumulator().add({"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})
    made = DeltaMapper().map(added)
    blocks = [type(block)(**block.model_dump()) for block in made.message.blocks]
    message = ChatMessage(role="assistant", blocks=blocks, additional_kwargs=made.message.additional_kwargs)
    rest = {name: getattr(made, name) for name in ("delta", "raw", "logprobs", "additional_kwargs")}
    expected = ChatResponse(message=message, **rest)

    assert expected == made
    assert expected.model_dump_json() == made.model_dump_json()
    assert expected.model_fields_set == made.model_fields_set
    assert expected.message.model_fields_set == made.message.model_fields_set


def test_earlier_items_do_not_change(llm, sandbox):
    sandbox.script(Reply(text=["a", "b"], reasoning=["x", "y"], tool_calls=[ToolCall("now", {"zone": "IST"})]))
    responses, copies = [], []
    for response in llm.stream_chat(question()):
        responses.append(response)
        copies.append(response.model_dump_json())
    assert [response.model_dump_json() for response in responses] == copies


def test_changing_a_response_does_not_change_later_ones():
    answer = [
        {"reasoning": "Hm."},
        {"tool_calls": [{"id": "c1", "index": 0, "function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"content": "So"},
        {"content": " be it."},
    ]

    def items():
        accumulator, mapper = Accumulator(), DeltaMapper()
        for delta in answer:
            for added in accumulator.add({"choices": [{"index": 0, "delta": delta}]}):
                yield mapper.map(added)

    expected = list(items())
    for item, untouched in zip(items(), expected, strict=True):
        assert item == untouched
        for block in item.message.blocks:
            for name, value in block:
                if isinstance(value, dict):
                    value.clear()
                elif name != "block_type":
                    setattr(block, name, "changed")
        for call in item.message.additional_kwargs.get("tool_calls", []):
            call.clear()
        item.message.blocks.clear()


def test_the_last_item_is_the_whole_answer(llm, sandbox):
    """The same as without a stream."""
    reply = Reply(text="Well.", reasoning="Hm.", tool_calls=[ToolCall("now", {"zone": "IST"}, id="c1")])
    sandbox.script(reply, reply)
    last = list(llm.stream_chat(question()))[-1]
    whole = llm.chat(question())
    assert last.message == whole.message
    assert last.additional_kwargs == whole.additional_kwargs
    assert last.raw["choices"] == whole.raw["choices"]


def test_the_error_has_the_partial_answer(llm, sandbox):
    sandbox.script(Fault(cut_after=6, after=Reply(text=["a"] * 8, reasoning=["x"])))
    with pytest.raises(StreamInterruptedError) as caught:
        list(llm.stream_chat(question()))
    assert set(caught.value.partial.choice.text) == {"a"}


def pieces_of_a_call(number: int) -> list[dict[str, Any]]:
    """The events of a call whose arguments come in this many pieces."""
    begun = chunk({"tool_calls": [piece(0, '{"a": "', name="write", id="c1")]})
    return [begun, *(chunk({"tool_calls": [piece(0, "word ")]}) for _ in range(number - 1))]


def convert(events: list[dict[str, Any]]) -> list[ChatResponse]:
    accumulator, mapper = Accumulator(), DeltaMapper()
    return [mapper.map(delta) for event in events for delta in accumulator.add(event)]


def test_a_long_call_takes_linear_time():
    assert growth_between(convert, pieces_of_a_call(300), pieces_of_a_call(2_400), enough=3) < 3


def test_a_long_history_costs_nothing_at_each_chunk(recorder):
    """With an event handler; each event holds the whole history."""
    responses = convert([chunk({"content": "a"})] * 200)

    def stream(history: list[ChatMessage]) -> None:
        recorder.seen.clear()
        for _ in Instrumentation(CHAT, MockLLM(), history, {}).stream(lambda: (response for response in responses)):
            pass

    short, long = ([ChatMessage(content="Hi")] * length for length in (1, 1_000))
    assert (
        growth_between(stream, short, long, enough=0.003) < 0.003
    )  # three times the time for a thousand times the history
    assert {len(event.messages) for event in recorder.seen} <= {1, 1_000}


def test_blocks_of_a_call_have_the_original_names(llm, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("add_int_", {"a": 1})]))
    *_, last = llm.stream_chat(question(), tool_names={"add_int_": "add[int]"})
    assert [block.tool_name for block in last.message.blocks if isinstance(block, ToolCallBlock)] == ["add[int]"]
