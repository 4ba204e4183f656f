"""The answers to chat requests: whole bodies and streams. No I/O."""

from __future__ import annotations

import json

import pytest

from tests.client.paths import request
from tir_client import (
    APIConnectionError,
    APITimeoutError,
    ChatRequest,
    NoAnswerError,
    ResponseError,
    StreamError,
    StreamInterruptedError,
    StreamServerError,
)
from tir_client.protocol.reader import (
    AnswerStream,
    accumulator_for,
    read_answer,
)
from tir_client.protocol.responses import Completion
from tir_client.protocol.sse import BOM

DONE = b"data: [DONE]\n\n"


def event(content: str = "", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return (
        b"data: " + str({"id": "c", "choices": [choice]}).replace("'", '"').replace("None", "null").encode() + b"\n\n"
    )


REQUEST = request()
GOOD = {"id": "c", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
CUT = {"id": "c", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": None}]}


def test_a_whole_answer_is_read():
    completion = read_answer(REQUEST, json.dumps(GOOD).encode(), "id-7").completion()

    assert (completion.choice.text, completion.request_id) == ("Hi", "id-7")


def test_an_answer_that_is_not_complete_is_an_error_that_shows_it():
    with pytest.raises(ResponseError, match="without a finish reason") as caught:
        read_answer(REQUEST, json.dumps(CUT).encode(), "id-7")

    assert (caught.value.body, caught.value.request_id) == (CUT, "id-7")
    assert caught.value.partial.choice.text == "Hi"


@pytest.mark.parametrize(
    ("content", "error", "words", "body"),
    [
        (b"", ResponseError, "not a JSON object: an empty body\nCheck the URL", ""),
        (b"[1]", ResponseError, r"not a JSON object: \[1\]\nCheck the URL", [1]),
        (b"null", ResponseError, "not a JSON object: an empty body\nCheck the URL", None),
        (b"<h1>Hello</h1>", ResponseError, "not a JSON object: Hello\nCheck the URL", "<h1>Hello</h1>"),
        (b'{"error": "No."}', NoAnswerError, "reports an error: No.$", {"error": "No."}),
        (b'{"error": {}}', NoAnswerError, "reports an error: ", {"error": {}}),
        (BOM + b'{"error": "No."}', NoAnswerError, "reports an error: No.$", {"error": "No."}),
    ],
)
def test_a_body_that_is_not_an_answer_is_an_error_that_shows_it(content, error, words, body):
    with pytest.raises(error, match=words) as caught:
        read_answer(REQUEST, content, "id-7")

    assert (caught.value.body, caught.value.request_id) == (body, "id-7")


def test_the_accumulator_is_configured_from_the_request():
    tools = [{"type": "function", "function": {"name": name}} for name in ("add", "sub")]
    calls = [{"id": "c", "function": {"name": name, "arguments": "{}"}} for name in ("functions.sub", "add")]
    answer = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]}

    def names(**fields):
        completion = read_answer(request(tools=tools, **fields), json.dumps(answer).encode()).completion()
        return [call.name for call in completion.choice.tool_calls]

    assert names() == ["sub", "add"]
    assert names(tool_choice="none") == []
    assert names(tool_choice={"type": "function", "function": {"name": "add"}}) == ["add"]
    with pytest.warns(UserWarning, match="`n` is 2, but the server ignores it: it sent 1"):
        assert len(read_answer(request(n=2), json.dumps(GOOD).encode()).completion().choices) == 1


@pytest.mark.parametrize(("model", "text"), [("gpt_oss_120b", "<think>a</think>b"), ("qwen3_32b", "b")])
def test_the_model_says_whether_tags_in_a_text_are_reasoning(model, text):
    answer = {"choices": [{"message": {"content": "<think>a</think>b"}, "finish_reason": "stop"}]}

    assert read_answer(request(model=model), json.dumps(answer).encode()).completion().choice.text == text


# Streams


class Reading:
    """A stream that is read in pieces.

    Attributes:
        text: The text of the deltas.
        finals: How many of the deltas were final.
    """

    def __init__(self, asked: ChatRequest = REQUEST, **headers: str) -> None:
        self.stream = AnswerStream(accumulator_for(asked))
        self.stream.begin({"x-request-id": "id-7", **{name.replace("_", "-"): headers[name] for name in headers}})
        self.text = ""
        self.finals = 0

    def feed(self, *pieces: bytes) -> Reading:
        for piece in pieces:
            self._take(self.stream.feed(piece))
        return self

    def close(self) -> Reading:
        self._take(self.stream.close())
        return self

    def _take(self, deltas) -> None:
        for delta in deltas:
            self.text += delta.text
            self.finals += delta.final


def streaming() -> Reading:
    return Reading(content_type="text/event-stream; charset=utf-8")


BODY = event("a") + event("b", "stop") + DONE


def test_a_stream_of_fewer_choices_is_complete_if_the_server_says_that_it_has_ended():
    with pytest.warns(UserWarning, match="`n` is 2, but the server ignores it: it sent 1"):
        assert Reading(request(n=2), content_type="text/event-stream").feed(BODY).close().finals == 1
    with pytest.raises(StreamInterruptedError, match="1 of 2 choices"):
        Reading(request(n=2), content_type="text/event-stream").feed(event("b", "stop")).close()


def test_a_stream_is_read_as_it_arrives():
    reading = streaming()
    assert not reading.stream.started

    reading.feed(event("a"))
    assert (reading.text, reading.stream.started, reading.stream.done) == ("a", True, False)

    reading.feed(event("b", "stop") + DONE)
    assert (reading.text, reading.finals, reading.stream.done) == ("ab", 1, True)

    reading.feed(event("more")).close()
    assert (reading.text, reading.finals) == ("ab", 1)
    assert reading.stream.accumulator.completion().request_id == "id-7"


@pytest.mark.parametrize("nothing", [b": ping\n\n", b"data:\n\n", b'data: {"choices": []}\n\n', b"da"])
def test_a_stream_has_not_started_before_its_first_delta(nothing):
    """Until then it may be requested again."""
    assert not streaming().feed(nothing).stream.started


@pytest.mark.parametrize("end", [b"", DONE[:-1], DONE[:-2], DONE[:-3], DONE[:-4], b"data: [DONE] \n\n", b": bye"])
def test_a_stream_may_end_without_done_once_it_has_its_finish(end):
    reading = streaming().feed(event("a", "stop"), end).close()

    assert (reading.text, reading.finals) == ("a", 1)


def test_a_last_event_counts_only_if_it_is_complete():
    last = event("b", "stop")

    assert streaming().feed(event("a"), last[:-2]).close().text == "ab"
    with pytest.raises(StreamInterruptedError, match="without a finish reason") as caught:
        streaming().feed(event("a"), last[:-3]).close()
    assert caught.value.partial.choice.text == "a"


@pytest.mark.parametrize("start", [b"", b"event: message\n", b"id: 7\n", b"retry: 1\n", b":\n"])
@pytest.mark.parametrize("before", [b"", BOM, b"\n", b"\r\n"])
@pytest.mark.parametrize("size", [1, 5, 6, 1_000])
def test_a_stream_with_another_content_type_is_recognized_by_its_start(start, before, size):
    body = before + start + BODY
    reading = Reading(content_type="text/plain").feed(*[body[i : i + size] for i in range(0, len(body), size)])

    assert (reading.text, reading.close().finals) == ("ab", 1)


def test_a_stream_with_the_right_content_type_may_begin_with_any_line():
    assert streaming().feed(b"foo: bar\n\n" + BODY).close().text == "ab"


def test_a_stream_with_another_content_type_must_begin_within_a_kilobyte():
    assert Reading(content_type="text/plain").feed(b"\n" * 1_018 + BODY).close().text == "ab"
    with pytest.raises(ResponseError, match="not a JSON object"):
        Reading(content_type="text/plain").feed(b"\n" * 1_024, BODY).close()


def test_a_single_comment_with_another_content_type_is_an_interrupted_stream():
    with pytest.raises(StreamInterruptedError, match="no choices"):
        Reading(content_type="text/plain").feed(b":\n").close()


@pytest.mark.parametrize("headers", [{}, {"content_type": "application/json"}])
@pytest.mark.parametrize("size", [1, 5, 6, 1_000])
def test_a_whole_answer_to_a_request_for_a_stream_is_read(headers, size):
    body = json.dumps(GOOD).encode()
    reading = Reading(**headers).feed(*[body[i : i + size] for i in range(0, len(body), size)])
    assert (reading.text, reading.stream.started) == ("", False)

    reading.close()
    assert (reading.text, reading.finals, reading.stream.started) == ("Hi", 1, True)


@pytest.mark.parametrize(
    ("piece", "error", "words"),
    [
        (b"data: <garbage>\n\n", StreamError, "not a chunk: '<garbage>'"),
        (b"data: [1]\n\n", StreamError, r"not a chunk: \[1\]"),
        (b'data: {"choices": {}}\n\n', StreamError, "`choices` must be an array"),
        (b'data: {"error": {"message": "Died.", "code": 500}}\n\n', StreamServerError, "in the middle.*: Died."),
        (event("b", "abort") + DONE, StreamServerError, "not a complete answer: the server aborted it"),
        (
            DONE,
            StreamInterruptedError,
            "not a complete answer: it ended without a finish reason.*send the request again",
        ),
    ],
)
def test_a_broken_stream_is_an_error_with_the_partial_answer(piece, error, words):
    with pytest.raises(StreamError, match=words) as caught:
        streaming().feed(event("a"), piece)

    assert type(caught.value) is error
    assert caught.value.partial.choice.text.startswith("a")
    assert caught.value.request_id == "id-7"
    if "Died" in words:
        assert (caught.value.status_code, caught.value.body["error"]["message"]) == (500, "Died.")


def test_a_stream_that_ends_with_half_a_character_has_it_in_the_partial_answer():
    reading = streaming().feed(event("a\ud83d"))
    assert reading.text == ""

    with pytest.raises(StreamInterruptedError) as caught:
        reading.close()
    assert caught.value.partial.choice.text == "a\ufffd"


def test_an_event_of_garbage_that_ends_in_half_a_character_is_an_error():
    with pytest.raises(StreamError, match="not a chunk"):
        streaming().feed(event("a"), b'data: {"a\\ud83d"\n\n', event("b"))


def test_the_partial_answer_of_a_stream_without_choices_has_an_empty_choice():
    with pytest.raises(StreamInterruptedError) as caught:
        streaming().feed(DONE)

    assert (caught.value.partial.choices, caught.value.partial.choice.text) == ([], "")


@pytest.mark.parametrize(
    ("cls", "error"),
    [
        (APIConnectionError, StreamInterruptedError),
        (APITimeoutError, APITimeoutError),
        (ResponseError, ResponseError),
    ],
)
def test_a_failure_after_some_text_carries_the_text(cls, error):
    failure = cls("No.")
    assert streaming().stream.broken_by(failure) is failure
    assert failure.partial is None

    broken = streaming().feed(event("a")).stream.broken_by(failure)

    assert (type(broken), broken.message) == (error, failure.message)
    assert broken.partial.choice.text == "a"


def test_a_failure_keeps_its_own_partial_answer():
    failure = ResponseError("odd", partial=Completion(id="its own"))

    assert streaming().feed(event("a")).stream.broken_by(failure).partial.id == "its own"
