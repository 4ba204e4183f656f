"""Every recording of a server is read by the code that reads answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.recorded import Recording, recording, recordings
from tir_client import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ChatRequest,
    ContextOverflowError,
    NotFoundError,
    ResponseError,
    ServerError,
    StreamError,
    StreamServerError,
)
from tir_client.protocol.accumulator import Delta
from tir_client.protocol.error_responses import error_from_response
from tir_client.protocol.json_answers import read_embeddings, read_models, read_token_count
from tir_client.protocol.reader import AnswerStream, accumulator_for, read_answer
from tir_client.protocol.requests import EmbeddingRequest
from tir_client.protocol.responses import Completion
from tir_client.protocol.sse import SSEDecoder

CHATS = [r for r in recordings() if r.is_chat and r.status == 200]
WHOLE = [r for r in CHATS if not r.is_stream]
KILLED = ["vllm-engine-death/midstream-engine-killed", "vllm-sigterm/midstream-sigterm"]
BROKEN = [*KILLED, "sglang-from-source/midstream-abort"]
STREAMS = [r for r in CHATS if r.is_stream and r.name not in BROKEN]
ERRORS = [r for r in recordings() if r.status >= 400]


def request_of(rec: Recording) -> ChatRequest:
    known = {name: value for name, value in rec.body.items() if name in ChatRequest.model_fields}
    if not rec.is_chat:
        known.pop("tools", None)
    kept = {name: rec.body[name] for name in ("include_stop_str_in_output",) if name in rec.body}
    return ChatRequest.of(**{"model": "gpt_oss_120b", "messages": [], "extra_body": kept or None, **known})


def read_stream(rec: Recording, *, cut: int = 0) -> tuple[list[Delta], Completion]:
    """Read a stream in two pieces, cut at a byte; 0 for one piece."""
    answer = AnswerStream(accumulator_for(request_of(rec)))
    answer.begin(rec.headers)
    pieces = [rec.content[:cut], rec.content[cut:]]
    deltas = [delta for piece in pieces for delta in answer.feed(piece)]
    deltas += answer.close()
    return deltas, answer.accumulator.completion()


def ids(rec: Recording) -> str:
    return rec.name


def words(completion: Completion) -> list[tuple[object, ...]]:
    """The content of an answer, without ids and times."""
    return [
        (c.index, c.text, c.reasoning, [(t.name, _arguments(t.arguments)) for t in c.tool_calls], c.finish_reason)
        for c in completion.choices
    ]


def _arguments(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


CUT = {"vllm-gpt-oss/stop": "How"}
"""The stop words that servers leave in the text."""


@pytest.mark.parametrize("rec", WHOLE, ids=ids)
def test_every_whole_answer_has_the_values_of_its_json(rec: Recording):
    recorded = json.loads(rec.content)

    completion = read_answer(request_of(rec), rec.content, "id-1").completion()

    assert recorded["id"] == completion.id
    assert recorded["model"] == completion.model
    assert completion.request_id == "id-1"
    assert recorded["usage"]["completion_tokens"] == completion.usage.completion_tokens
    for raw, choice in zip(recorded["choices"], completion.choices, strict=True):
        assert (raw["message"]["content"] or "") == choice.text + CUT.get(rec.name, "")
        assert (raw["message"].get("reasoning") or raw["message"].get("reasoning_content") or "") == choice.reasoning
        assert raw["finish_reason"] == choice.finish_reason
        calls = [call["function"] for call in raw["message"].get("tool_calls") or []]
        assert [call["arguments"] for call in calls] == [call.arguments for call in choice.tool_calls]


@pytest.mark.parametrize("rec", STREAMS, ids=ids)
def test_every_stream_adds_up_to_its_completion(rec: Recording):
    deltas, completion = read_stream(rec)

    assert deltas[-1].final
    assert sum(delta.final for delta in deltas) == 1
    for choice in completion.choices:
        mine = [delta for delta in deltas if delta.index == choice.index]
        assert "".join(delta.text for delta in mine) == choice.text
        assert "".join(delta.reasoning for delta in mine) == choice.reasoning
        assert [d.finish_reason for d in mine if d.finish_reason] == [choice.finish_reason]
        for position, call in enumerate(choice.tool_calls):
            pieces = [piece for delta in mine for piece in delta.tool_calls if piece.index == position]
            assert call.arguments == "".join(piece.arguments for piece in pieces)
            assert [call.id] == [piece.id for piece in pieces if piece.id]
            assert [call.name] == [piece.name for piece in pieces if piece.name]


# vLLM itself answers these requests in different ways.
SERVER_DIFFERS = {
    "vllm-gpt-oss/pytool-stream": "a line break between two reasoning messages only in the whole answer",
    "vllm-generic/13-tool-required-stream": "cut off by max_tokens: the stream has calls, the whole answer their text",
}


def _twins() -> list[tuple[Recording, Recording]]:
    by_request = {_asked(rec): rec for rec in WHOLE}
    return [(s, by_request[_asked(s)]) for s in STREAMS if s.name not in SERVER_DIFFERS and _asked(s) in by_request]


def _asked(rec: Recording) -> str:
    same = {name: value for name, value in rec.body.items() if name not in {"stream", "stream_options"}}
    return rec.name.split("/")[0] + json.dumps(same, sort_keys=True)


@pytest.mark.parametrize(("stream", "whole"), _twins(), ids=lambda rec: rec.name)
def test_a_stream_and_a_whole_answer_to_the_same_request_are_equal(stream: Recording, whole: Recording):
    _, streamed = read_stream(stream)

    assert words(read_answer(request_of(whole), whole.content).completion()) == words(streamed)


def test_there_are_pairs_of_streamed_and_whole_answers():
    assert len(_twins()) >= 15


def events(*pieces: bytes) -> list[bytes]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def ends_of(content: bytes, size: int = 800) -> bytes:
    """A stream without the events between its first and its last bytes; every cut reads all of it again."""
    begun, ended = content.rfind(b"\n\n", 0, size) + 2, content.find(b"\n\n", len(content) - size) + 2
    return content[:begun] + content[ended:] if 2 <= begun < ended else content


@pytest.mark.parametrize("rec", STREAMS, ids=ids)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_the_decoder_may_be_fed_pieces_split_at_any_byte(rec: Recording, line_end: bytes):
    content = ends_of(rec.content).replace(b"\n", line_end)
    expected = events(content)

    assert len(expected) > 3
    for cut in range(len(content)):
        assert expected == events(content[:cut], content[cut:]), cut


@pytest.mark.parametrize("rec", STREAMS, ids=ids)
def test_an_answer_does_not_depend_on_how_its_stream_is_split(rec: Recording):
    expected = read_stream(rec)[1]

    for cut in range(0, len(rec.content), max(7, len(rec.content) // 40)):
        assert expected == read_stream(rec, cut=cut)[1], cut


@pytest.mark.parametrize("rec", STREAMS, ids=ids)
def test_a_stream_may_arrive_byte_by_byte_and_with_carriage_returns(rec: Recording):
    expected = read_stream(rec)[1]
    for content in (rec.content, rec.content.replace(b"\n", b"\r\n"), rec.content.replace(b"\n", b"\r")):
        answer = AnswerStream(accumulator_for(request_of(rec)))
        answer.begin(rec.headers)
        for position in range(len(content)):
            list(answer.feed(content[position : position + 1]))
        list(answer.close())
        assert expected == answer.accumulator.completion()


@pytest.mark.parametrize("rec", STREAMS, ids=ids)
def test_a_stream_that_ends_early_is_an_error_with_the_partial_answer(rec: Recording):
    whole = read_stream(rec)[1]
    finish = rec.content.index(b'"finish_reason":"')

    for cut in range(1, finish, 211):
        with pytest.raises(StreamError) as caught:
            read_stream(replace(rec, content=rec.content[:cut]))
        for choice in caught.value.partial.choices:
            assert whole.choices[choice.index].text.startswith(choice.text)
            assert choice.finish_reason is None


@pytest.mark.parametrize("name", KILLED)
def test_an_error_in_the_middle_of_a_stream_carries_the_partial_answer(name: str):
    with pytest.raises(StreamServerError, match="EngineCore encountered an issue") as caught:
        read_stream(recording(name))

    assert "hmm hmm" in caught.value.partial.choice.reasoning
    assert caught.value.status_code == 500


def _expected_error(rec: Recording) -> type[APIStatusError]:
    if "too-long" in rec.name:
        return ContextOverflowError
    return {400: BadRequestError, 401: AuthenticationError, 404: NotFoundError, 500: ServerError}.get(
        rec.status, APIStatusError
    )


@pytest.mark.parametrize("rec", ERRORS, ids=ids)
def test_every_error_becomes_its_class_and_repeats_the_servers_words(rec: Recording):
    error = error_from_response(rec.status, rec.headers, rec.content, url="http://host/v1")

    expected = _expected_error(rec)
    assert isinstance(error, expected)
    assert (type(error) is expected) or expected is APIStatusError
    assert rec.status == error.status_code
    assert rec.headers.get("x-request-id") == error.request_id
    assert json.loads(rec.content) == error.body
    reported = error.body.get("error") or error.body.get("detail") or error.body
    assert (reported["message"] if isinstance(reported, dict) else reported) in str(error)


@pytest.mark.parametrize("name", ["vllm-generic/00-models", "vllm-gpt-oss/models"])
def test_a_list_of_models_is_read(name: str):
    (card,) = read_models(recording(name).content, None)

    assert card.id in {"tiny", "gpt_oss_120b"}
    assert card.max_model_len in {2048, 131072}


@pytest.mark.parametrize(
    ("name", "count"),
    [("vllm-generic/80-tokenize", None), ("vllm-generic/81-tokenize-chat", 15), ("vllm-gpt-oss/tokenize", 25)],
)
def test_a_token_count_is_read(name: str, count: int | None):
    content = recording(name).content

    assert read_token_count(content, None) == (count or len(json.loads(content)["tokens"]))


OTHERS = [r for r in recordings() if r.status == 200 and not r.is_chat]


@pytest.mark.parametrize("rec", OTHERS, ids=ids)
def test_an_answer_of_another_endpoint_is_not_read_as_a_chat(rec: Recording):
    with pytest.raises((ResponseError, StreamError)):
        read_stream(rec) if rec.is_stream else read_answer(request_of(rec), rec.content)


@pytest.mark.parametrize(("name", "count"), [("dimensions", 2), ("truncated", 1)])
def test_embeddings_are_read(name: str, count: int):
    rec = recording(f"vllm-embedding/{name}")
    rows = json.loads(rec.content)["data"]

    found = read_embeddings(EmbeddingRequest.of(**rec.body), rec.content, None)

    assert found.vectors == [row["embedding"] for row in rows]
    assert [len(vector) for vector in found.vectors] == [8] * count
    assert found.model == "e5-tiny"


@pytest.mark.parametrize("rec", [*(r for r in OTHERS if not r.path.endswith("embeddings")), *WHOLE], ids=ids)
def test_other_answers_are_not_read_as_embeddings(rec: Recording):
    with pytest.raises(ResponseError):
        read_embeddings(EmbeddingRequest.of(model="m", input=["a"]), rec.content, None)


def test_every_recording_is_replayed_by_a_test_above():
    covered = {r.name for r in (*WHOLE, *STREAMS, *ERRORS, *OTHERS)} | set(BROKEN)

    assert covered == {r.name for r in recordings()}
