"""The sandbox's faults: statuses, delays, stalls, broken connections and streams."""

import json
import time

import httpx
import pytest

from tests.waiting import until
from tir_sandbox import Fault, Reply

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = BODY | {"stream": True}
WORDS = Reply(text="one two three four five")


def test_a_status_is_sent_with_its_headers(http, sandbox):
    sandbox.script(Fault(status=429, headers={"Retry-After": "2"}))
    answer = http.post(CHAT, json=BODY)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert answer.json()["error"]["code"] == 429


@pytest.mark.parametrize(
    ("body", "text", "kind"),
    [
        ("<html>", "<html>", "text/html"),
        ({"detail": "no"}, '{"detail":"no"}', "application/json"),
        (b"\xff", "�", None),
    ],
)
def test_a_status_may_have_a_custom_body(http, sandbox, body, text, kind):
    sandbox.script(Fault(status=502, body=body, content_type="text/html" if kind == "text/html" else None))
    answer = http.post(CHAT, json=BODY)

    assert answer.status_code == 502
    assert answer.content.decode(errors="replace") == text
    assert kind is None or answer.headers["content-type"] == kind


def read(http, seen):
    with http.stream("POST", CHAT, json=STREAM) as answer:
        for line in answer.iter_lines():
            if line:
                seen.append(line)


def test_a_connection_is_closed_in_a_stream(http, sandbox):
    sandbox.script(Fault(after=WORDS, cut_after=3))
    seen = []
    with pytest.raises(httpx.RemoteProtocolError):
        read(http, seen)

    assert len(seen) == sandbox.requests[0].sent == 3
    assert not sandbox.requests[0].finished
    assert not sandbox.requests[0].disconnected


def test_a_connection_is_closed_after_the_last_event(http, sandbox):
    sandbox.script(Fault(after=WORDS, cut_after=99))
    seen = []
    with pytest.raises(httpx.RemoteProtocolError):
        read(http, seen)

    assert seen[-1] == "data: [DONE]"


def test_a_connection_is_closed_in_a_whole_answer(http, sandbox):
    sandbox.script(Fault(after=WORDS, cut_after=20))
    with pytest.raises(httpx.RemoteProtocolError, match="received 20 bytes"):
        http.post(CHAT, json=BODY)


@pytest.mark.parametrize("body", [BODY, STREAM])
def test_a_connection_is_reset(http, sandbox, body):
    sandbox.script(Fault(reset_before_headers=True))
    with pytest.raises(httpx.ReadError):
        http.post(CHAT, json=body)


@pytest.mark.parametrize("body", [BODY, STREAM])
def test_a_stall_ends_when_the_client_disconnects(http, sandbox, body):
    sandbox.script(Fault(after=WORDS, stall_after=2))
    with pytest.raises(httpx.ReadTimeout):
        http.post(CHAT, json=body, timeout=httpx.Timeout(60, read=0.2))

    assert until(lambda: sandbox.requests and sandbox.requests[0].disconnected)
    assert until(lambda: sandbox.open_connections == 0)


def test_a_stall_may_have_a_length(http, sandbox):
    sandbox.script(Fault(after=WORDS, stall_after=2, stall=0.15))
    start = time.monotonic()
    seen = []
    read(http, seen)

    assert time.monotonic() - start >= 0.15
    assert seen[-1] == "data: [DONE]"


@pytest.mark.parametrize("delay", [Fault(delay=0.15), Reply(text="x", delay=0.15), Reply(text="x", chunk_delay=0.05)])
def test_answers_are_delayed(http, sandbox, delay):
    sandbox.script(delay)
    start = time.monotonic()
    read(http, [])

    assert time.monotonic() - start >= 0.15


def test_a_stream_has_an_error_event(http, sandbox):
    sandbox.script(Fault(after=WORDS, error_chunk=True, at=3))
    seen = []
    read(http, seen)

    assert seen[-1] == "data: [DONE]"
    assert json.loads(seen[3].removeprefix("data: "))["error"]["type"] == "InternalServerError"
    assert len(seen) == 5


def test_a_dead_engine_answers_500(http, sandbox):
    sandbox.script(Fault(error_chunk="gone"))
    answer = http.post(CHAT, json=BODY)

    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "gone")


def test_garbage_is_sent_in_a_stream_or_as_the_body(http, sandbox):
    sandbox.script(Fault(after=WORDS, garbage="{not json", at=1), Fault(garbage=b"<html>"))
    seen = []
    read(http, seen)

    assert seen[1] == "data: {not json"
    assert seen[-1] == "data: [DONE]"
    assert http.post(CHAT, json=BODY).content == b"<html>"


@pytest.mark.parametrize("holds_text", [False, True])
def test_a_stream_lacks_its_finish_reason_and_done(http, sandbox, holds_text):
    sandbox.script(Fault(after=Reply(text="one two", final_delta_holds_text=holds_text), no_finish=True, no_done=True))
    seen = []
    read(http, seen)

    chunks = [json.loads(line.removeprefix("data: ")) for line in seen]
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "one two"
    assert {chunk["choices"][0]["finish_reason"] for chunk in chunks} == {None}


def test_a_stream_has_another_content_type(http, sandbox):
    sandbox.script(Fault(after=WORDS, content_type="text/plain"))

    assert http.post(CHAT, json=STREAM).headers["content-type"] == "text/plain"


def test_a_disconnect_in_a_stream_is_recorded(http, sandbox):
    sandbox.script(Reply(text="word " * 10_000, chunk_delay=0.01))
    with http.stream("POST", CHAT, json=STREAM) as answer:
        next(answer.iter_lines())

    assert until(lambda: sandbox.requests[0].disconnected)
    assert 0 < sandbox.requests[0].sent < 10_000


def test_connections_are_counted(http, sandbox):
    for _ in range(3):
        http.post(CHAT, json=BODY)

    assert (sandbox.connections, sandbox.open_connections) == (1, 1)
    http.close()
    assert until(lambda: sandbox.open_connections == 0)


def test_stopping_does_not_wait_for_a_stall(sandbox):
    sandbox.script(Fault(after=WORDS, stall_after=1))
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.stream("POST", f"{sandbox.host}{CHAT}", json=STREAM, headers=headers, timeout=60) as answer:
        next(answer.iter_lines())
        sandbox.stop()  # or the test runs into its timeout

    assert sandbox.requests[0].sent == 1
    assert not sandbox.requests[0].finished
