"""Any bytes, JSON or messages are read, or refused with a TIRError."""

from __future__ import annotations

import re
from contextlib import suppress
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core import messages as lc
from llama_index.core.base.llms import types as li

from langchain_tir import _messages as langchain
from langchain_tir import _stream as langchain_stream
from llama_index_tir import _messages as llama_index
from llama_index_tir import _stream as llama_index_stream
from tests.faults.response_bytes import DONE, chunk, completion, events
from tests.faults.strategies import (
    CALL,
    JSON,
    OBJECTS,
    changed,
    damaged,
    dumped,
    pieces,
    rich_chunks,
    rich_completion,
)
from tir_client import APIStatusError, ChatRequest, EmbeddingRequest, RerankRequest, TIRError
from tir_client.protocol.accumulator import Delta
from tir_client.protocol.error_responses import error_from_response
from tir_client.protocol.json_answers import read_embeddings, read_models, read_token_count
from tir_client.protocol.reader import AnswerStream, accumulator_for, read_answer
from tir_client.protocol.requests import to_bytes
from tir_client.protocol.rerank import read_reranking
from tir_client.protocol.sse import BOM, SSEDecoder

REQUEST = ChatRequest.of(
    model="gpt_oss_120b",
    messages=[],
    tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
)
WORDS = st.text(st.characters(), max_size=8)
SENT = st.text(st.characters(codec="utf-8"), max_size=8)
CUTS = st.lists(st.integers(0, 1 << 16), max_size=5)


def read(content: bytes, cuts: list[int], kind: str = "text/event-stream") -> tuple[list[Delta], AnswerStream]:
    """Read a stream as the client does; what arrived before an error is kept."""
    answer = AnswerStream(accumulator_for(REQUEST))
    answer.begin({"content-type": kind})
    deltas: list[Delta] = []
    with suppress(TIRError):
        for piece in pieces(content, cuts):
            deltas.extend(answer.feed(piece))
        deltas.extend(answer.close())
    return deltas, answer


def check_deltas(deltas: list[Delta], answer: AnswerStream) -> None:
    """Deltas add up to the answer so far; both integrations map each of them."""
    for choice in answer.accumulator.completion().choices:
        mine = [delta for delta in deltas if delta.index == choice.index and not delta.final]
        assert choice.text.startswith("".join(delta.text for delta in mine))
        assert choice.reasoning.startswith("".join(delta.reasoning for delta in mine))
    assert sum(delta.final for delta in deltas) <= 1


def check_integrations(content: bytes, cuts: list[int]) -> None:
    """Both integrations make pieces of the same text of a stream."""
    answer = AnswerStream(accumulator_for(REQUEST))
    answer.begin({})
    to_chunk, to_response = langchain_stream.DeltaMapper().map, llama_index_stream.DeltaMapper().map
    chunks = responses = ""
    with suppress(TIRError):
        for piece in [*pieces(content, cuts), None]:
            for delta in answer.close() if piece is None else answer.feed(piece):
                chunk, response = to_chunk(delta), to_response(delta)
                chunks += chunk.text if chunk else ""
                responses += response.delta or "" if not delta.index else ""
    assert chunks == responses


# Bytes


LINES = [b"data:x", b"data: y", b"data", b":", b"event: z", b" ", BOM]
ENDS = [b"\r", b"\n", b"\r\n", b"\r\r", b"\n\n", b"\r\n\r\n", b""]
WRITTEN = st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDS)).map(b"".join)).map(b"".join)


def events_by_the_book(content: bytes) -> list[bytes]:
    """The events of a whole body as the specification defines them, plus a last one without a blank line."""
    events: list[bytes] = []
    data: list[bytes] = []
    for line in [*re.split(rb"\r\n|\n|\r", content.removeprefix(BOM)), b""]:
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        if not line and data:
            events.append(b"\n".join(data))
            data = []
    return events


@given(
    st.binary(max_size=200) | st.tuples(st.sampled_from([b"", BOM]), WRITTEN).map(b"".join) | damaged(streamed=True),
    CUTS,
)
def test_events_are_those_of_the_specification_for_any_split(content: bytes, cuts: list[int]) -> None:
    """The decoder takes any bytes, in any pieces, down to single bytes."""
    expected = events_by_the_book(content)
    for parts in (pieces(content, cuts), [content[at : at + 1] for at in range(len(content))]):
        decoder = SSEDecoder()
        assert [event for part in parts for event in decoder.feed(part)] + decoder.close() == expected


@given(st.binary(max_size=300), CUTS, st.sampled_from(["text/event-stream", "application/json", "text/html", ""]))
def test_any_bytes_are_a_stream_or_our_error(content: bytes, cuts: list[int], kind: str) -> None:
    """With any body and any content type."""
    check_deltas(*read(content, cuts, kind))


@given(damaged(streamed=True), CUTS)
def test_damaged_recordings_are_streams_or_our_errors(content: bytes, cuts: list[int]) -> None:
    """Real answers with a few bytes changed. Both integrations agree on the result."""
    check_deltas(*read(content, cuts))
    check_integrations(content, cuts)


@given(damaged(streamed=False) | st.binary(max_size=200))
def test_any_bytes_are_a_whole_answer_or_our_error(content: bytes) -> None:
    """The same for whole answers. Both integrations convert what was read."""
    with suppress(TIRError):
        check_whole(content)


def check_whole(content: bytes) -> None:
    """Read a whole answer, and hand it to both integrations."""
    answer = read_answer(REQUEST, content).completion()
    message = langchain.from_completion(answer).generations[0].message
    response = llama_index.from_completion(answer)
    assert message.text == answer.choice.text == (response.message.content or "")


# JSON


@given(st.lists(JSON.map(dumped), max_size=4), st.booleans())
def test_any_events_are_a_stream_or_our_error(data: list[bytes], done: bool) -> None:
    """Events of any JSON."""
    check_deltas(*read(events(*data) + (DONE if done else b""), []))


@given(changed(rich_chunks()), CUTS)
def test_changed_chunks_are_a_stream_or_our_error(data: list[Any], cuts: list[int]) -> None:
    """Chunks with some parts replaced. Both integrations agree on the result."""
    content = b"".join(b"data: " + dumped(one) + b"\n\n" for one in data) + DONE
    check_deltas(*read(content, cuts))
    check_integrations(content, cuts)


@given(changed(rich_completion()) | JSON)
def test_changed_answers_are_answers_or_our_errors(value: Any) -> None:
    """A whole answer with some parts replaced."""
    with suppress(TIRError):
        check_whole(dumped(value))


@given(
    st.lists(st.sampled_from(["[", "{", "}", ",", "1", '"a":', "\\ud800", " "]) | SENT, max_size=4),
    st.sampled_from([1, 1_050]),
)
def test_any_arguments_of_a_call_are_read_or_kept(parts: list[str], times: int) -> None:
    """The arguments that a model wrote become an object or stay a string, streamed or not, in both integrations.

    Only the first word of a repetition is kept: LangChain before 1.8 takes quadratic time.
    """
    arguments = "".join([part * times for part in parts[:1]] + parts[1:])
    call = {**CALL, "index": None, "function": {"name": "f", "arguments": arguments}}
    end = chunk({}, "tool_calls")
    check_integrations(events(chunk({"tool_calls": [call]}), chunk({"tool_calls": [call]}), end) + DONE, [])
    check_whole(dumped(completion(None) | {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "stop"}]}))


@given(
    st.integers(100, 999).filter(lambda status: status != 200),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-request-id"]), st.text(max_size=30)),
    st.binary(max_size=200) | JSON.map(dumped) | st.integers(1, 100_000).map(lambda depth: b'{"error":' * depth),
)
def test_any_refusal_is_our_error(status: int, headers: dict[str, str], content: bytes) -> None:
    """An error of any status and any body has a class and a readable message."""
    error = error_from_response(status, headers, content, url="https://host/v1")

    assert isinstance(error, APIStatusError)
    assert error.status_code == status
    assert str(status) in str(error)
    assert len(str(error)) < 5_000
    assert error.retry_after is None or error.retry_after >= 0


@given(OBJECTS | JSON)
def test_any_answer_about_something_else_is_read_or_our_error(value: Any) -> None:
    """Embeddings, scores of documents, lists of models, counts of tokens."""
    request = EmbeddingRequest.of(model="m", input=["a", "b"])
    documents = RerankRequest.of(model="m", query="a", documents=["a", "b"])
    content = dumped(value)
    for read_it in (
        lambda: read_embeddings(request, content, None),
        lambda: read_reranking(documents, content, None),
        lambda: read_models(content, None),
        lambda: read_token_count(content, None),
    ):
        with suppress(TIRError):
            read_it()


@given(
    changed(
        {"data": [{"index": i, "embedding": [0.5, 1]} for i in range(2)], "model": "m", "usage": {"prompt_tokens": 1}}
    )
)
def test_changed_embeddings_are_embeddings_or_our_error(value: Any) -> None:
    """One vector for each text, all of one length and of numbers, or an error."""
    with suppress(TIRError):
        vectors = read_embeddings(EmbeddingRequest.of(model="m", input=["a", "b"]), dumped(value), None).vectors
        assert len(vectors) == 2
        assert len({len(vector) for vector in vectors}) == 1
        assert all(isinstance(number, float) and isfinite(number) for vector in vectors for number in vector)


SCORES = [{"index": 1, "relevance_score": 0.5, "document": {"text": "b"}}, {"index": 0, "score": 1}]


@given(changed({"results": SCORES, "model": "m", "usage": {"prompt_tokens": 1}}) | changed(SCORES))
def test_changed_scores_are_scores_or_our_error(value: Any) -> None:
    """One finite number for each document, the highest first, or an error."""
    with suppress(TIRError):
        request = RerankRequest.of(model="m", query="a", documents=["a", "b"])
        results = read_reranking(request, dumped(value), None).results
        assert {result.index for result in results} == {0, 1}
        assert all(isinstance(result.score, float) and isfinite(result.score) for result in results)
        assert results[0].score >= results[1].score


# Messages


LC_CONTENT = WORDS | st.lists(
    WORDS
    | OBJECTS
    | st.fixed_dictionaries(
        {
            "type": st.sampled_from(
                [
                    "text",
                    "image",
                    "image_url",
                    "tool_use",
                    "reasoning",
                    "thinking",
                    "audio",
                    "file",
                    "non_standard",
                    "text-plain",
                ]
            )
        },
        optional={
            "text": WORDS,
            "url": WORDS,
            "image_url": JSON,
            "base64": WORDS,
            "mime_type": WORDS,
            "reasoning": JSON,
        },
    ),
    max_size=3,
)
LC_CALLS = st.lists(st.fixed_dictionaries({"name": WORDS, "args": OBJECTS, "id": st.none() | WORDS}), max_size=2)
LC_MESSAGES = st.lists(
    st.builds(lc.HumanMessage, content=LC_CONTENT)
    | st.builds(lc.SystemMessage, content=LC_CONTENT)
    | st.builds(lc.ToolMessage, content=LC_CONTENT, tool_call_id=WORDS)
    | st.builds(lc.ChatMessage, content=LC_CONTENT, role=WORDS)
    | st.builds(lc.AIMessage, content=LC_CONTENT, tool_calls=LC_CALLS, additional_kwargs=OBJECTS),
    max_size=4,
)
BLOCKS = st.lists(
    st.builds(li.TextBlock, text=WORDS)
    | st.builds(li.ThinkingBlock, content=st.none() | WORDS)
    | st.builds(li.ImageBlock, image=st.none() | st.binary(max_size=8), url=st.none() | st.just("https://host/a.png"))
    | st.builds(li.ToolCallBlock, tool_call_id=st.none() | WORDS, tool_name=WORDS, tool_kwargs=OBJECTS | WORDS),
    max_size=3,
)
LI_MESSAGES = st.lists(
    st.builds(li.ChatMessage, role=st.sampled_from(li.MessageRole), blocks=BLOCKS, additional_kwargs=OBJECTS),
    max_size=4,
)


@pytest.mark.parametrize("integration", ["LangChain", "LlamaIndex"])
def test_any_messages_are_sent_or_refused(integration: str) -> None:
    """A list of messages becomes JSON or a TIRError, and is not changed."""
    messages, to_wire = {
        "LangChain": (LC_MESSAGES, langchain.to_wire),
        "LlamaIndex": (LI_MESSAGES, llama_index.to_wire),
    }[integration]

    @given(messages)
    def check(conversation: list[Any]) -> None:
        before = repr(conversation)
        with suppress(TIRError):
            wire = to_wire(conversation)
            body = ChatRequest.of(model="m", messages=wire).body()
            assert len(wire) >= (1 if conversation else 0)
            assert all(isinstance(one["role"], str) for one in wire)
            to_bytes(body)
        assert repr(conversation) == before

    check()
