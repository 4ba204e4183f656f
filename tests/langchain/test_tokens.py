"""Token counts: those of the server where it counts, else estimates; never another model's tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from time import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_tir import ChatTIR, _counting
from langchain_tir._messages import to_wire
from langchain_tir._tokens import estimate, estimate_text
from tir_client import APIConnectionError, InvalidRequestError
from tir_sandbox import Sandbox

MESSAGES = [HumanMessage("What is the weather in Pune?")]


@pytest.fixture
def counting(make: Callable[..., ChatTIR], sandbox: Sandbox) -> ChatTIR:
    """A model on a server whose `/tokenize` can be reached."""
    return make(base_url=sandbox.base_url)


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return city


def test_the_server_counts_the_tokens_of_a_prompt_with_its_tools(counting: ChatTIR, sandbox: Sandbox):
    assert counting.get_num_tokens_from_messages(MESSAGES, [get_weather]) == 7

    (request,) = sandbox.requests
    assert request.path == "/tokenize"
    assert request.body["messages"] == to_wire(MESSAGES)
    assert request.body["tools"][0]["function"]["name"] == "get_weather"


def test_without_a_tokenize_path_the_count_stays_an_estimate(model: ChatTIR, sandbox: Sandbox):
    counts = [model.get_num_tokens_from_messages(MESSAGES, [get_weather]) for _ in range(3)]

    assert counts == [counts[0]] * 3
    assert counts[0] > estimate(to_wire(MESSAGES)) == 10
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (404, 1), (405, 1), (501, 1), (401, 2), (500, 2), (503, 2)])
def test_a_failed_count_is_an_estimate_for_a_minute_and_without_the_path_for_good(
    make: Callable[..., ChatTIR], monkeypatch: pytest.MonkeyPatch, status: int, asked: int
):
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(status, text="No.")

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        model = make(base_url="http://127.0.0.1/v1", max_retries=5, http_client=client)
        counts = [model.get_num_tokens_from_messages(MESSAGES) for _ in range(3)]
        assert len(requests) == 1
        monkeypatch.setattr(_counting, "time", lambda: time() + 61)
        counts.append(model.get_num_tokens_from_messages(MESSAGES))

    assert counts == [estimate(to_wire(MESSAGES))] * 4 == [10] * 4
    assert len(requests) == asked


def test_a_server_that_failed_once_is_asked_again_after_a_minute(counting: ChatTIR, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> int:
        raise APIConnectionError("No.")

    with monkeypatch.context() as context:
        context.setattr(counting.client, "count_tokens", fail)
        assert counting.get_num_tokens_from_messages(MESSAGES) == 10
    monkeypatch.setattr(_counting, "time", lambda: time() + 61)
    assert counting.get_num_tokens_from_messages(MESSAGES) == 7


def test_an_estimate_counts_all_that_is_sent():
    call = {"id": "1", "name": "get_weather", "args": {"city": "Pune"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    thought = AIMessage("Hm.", tool_calls=[call], additional_kwargs={"reasoning_content": "I have to ask." * 10})

    few = estimate(to_wire([HumanMessage("Hi")]))
    reasoned = estimate(to_wire([HumanMessage("Hi"), thought, ToolMessage("31", tool_call_id="1")]))
    seen = estimate(to_wire([HumanMessage(["Hi", image])]))

    named = estimate(to_wire([HumanMessage("Hi", name="Grace Hopper")]))

    assert few == 4
    assert named == few + estimate_text("Grace Hopper") == few + 3
    assert reasoned > few + 35
    assert 1_000 < seen < 1_010


@given(st.text())
def test_an_estimate_never_shrinks_as_a_text_grows(text: str):
    assert estimate_text(text) <= estimate_text(text + "a")
    assert estimate_text("नमस्ते" * 10) > estimate_text("hello!" * 10)


def test_a_text_is_estimated(model: ChatTIR, sandbox: Sandbox):
    assert model.get_num_tokens("four byte word") == 4
    assert not sandbox.requests


def test_a_custom_tokenizer_is_used(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(custom_get_token_ids=lambda text: [ord(letter) for letter in text])

    assert model.get_token_ids("ab") == [97, 98]
    assert model.get_num_tokens("ab") == 2
    assert model.get_num_tokens_from_messages([HumanMessage("ab")]) == len("Human: ab")
    assert not sandbox.requests


def test_token_ids_need_a_custom_tokenizer(model: ChatTIR):
    with pytest.raises(NotImplementedError, match="custom_get_token_ids"):
        model.get_token_ids("ab")


def test_a_prompt_that_cannot_be_sent_is_not_counted(model: ChatTIR):
    with pytest.raises(InvalidRequestError):
        model.get_num_tokens_from_messages([HumanMessage([{"type": "file"}])])
