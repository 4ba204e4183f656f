"""Any answer of a server is a message that can be shown and sent back, or an error of this library."""

from __future__ import annotations

import json
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from langchain_tir._messages import from_completion, to_wire
from langchain_tir._stream import DeltaMapper
from tests.langchain.strategies import END, event
from tir_client import ChatRequest, TIRError
from tir_client.protocol.reader import accumulator_for, read_answer
from tir_client.protocol.requests import to_bytes

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

TOOL = {"type": "function", "function": {"name": "a"}}
REQUEST = ChatRequest.of(model="m", messages=[], tools=[TOOL], stop=["0", "a"])


def check_answer(message: BaseMessage) -> None:
    assert isinstance(message.content_blocks, list)
    assert to_bytes(ChatRequest.of(model="m", messages=to_wire([message])).body())


@given(event("message"))
def test_any_answer_is_a_message_that_can_be_sent_back_or_an_error(answer: dict[str, Any]):
    try:
        completion = read_answer(REQUEST, json.dumps(answer).encode()).completion()
    except TIRError:
        return
    for version in (None, "v1"):
        for generation in from_completion(completion, version).generations:
            check_answer(generation.message)


@given(st.lists(event("delta"), min_size=1, max_size=4), END)
def test_any_stream_is_a_message_that_can_be_sent_back_or_an_error(events: list[dict[str, Any]], end: Any):
    accumulator, mapper = accumulator_for(REQUEST), DeltaMapper()
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": end or "stop"}]}
    try:
        deltas = [delta for each in [*json.loads(json.dumps(events)), last] for delta in accumulator.add(each)]
        deltas.append(accumulator.finish())
    except TIRError:
        return
    chunks = [chunk for delta in deltas if (chunk := mapper.map(delta))]

    check_answer(reduce(add, chunks).message)
