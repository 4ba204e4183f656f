"""Token counts come from the server, or are estimates; another model's tokenizer is never used."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from langchain_tir import ChatTIR, _token_methods
from langchain_tir._messages import to_wire
from langchain_tir._token_estimates import estimate, estimate_text
from tir_client import InvalidRequestError

MESSAGES = [HumanMessage("What is the weather in Pune?")]


class Server:
    """A server that counts seven tokens, or fails, for one model.

    Attributes:
        status: What it answers with; 0 if it cannot be reached.
        requests: The requests that it got.
    """

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[httpx.Request] = []
        transport = httpx.MockTransport(self._answer)
        clients = {
            "http_client": httpx.Client(transport=transport),
            "http_async_client": httpx.AsyncClient(transport=transport),
        }
        self.model = ChatTIR("m", api_key="k", base_url="http://127.0.0.1/v1", max_retries=5, **clients)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.status:
            raise httpx.ConnectError("No.")
        return httpx.Response(self.status, json={"count": 7})


@pytest.fixture
def server() -> Server:
    return Server()


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return city


async def test_the_server_counts_the_tokens_of_a_prompt_with_its_tools(server: Server):
    assert server.model.get_num_tokens_from_messages(MESSAGES, [get_weather]) == 7
    assert server.model.count_tokens(MESSAGES, tools=[get_weather]) == 7
    assert await server.model.acount_tokens(MESSAGES, tools=[get_weather]) == 7

    assert len(server.requests) == 3
    for request in server.requests:
        body = json.loads(request.content)
        assert request.url.path == "/tokenize"
        assert (body["model"], body["messages"]) == ("m", to_wire(MESSAGES))
        assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]


def test_without_a_tokenize_path_the_count_stays_an_estimate_of_the_messages_and_tools(server: Server):
    server.status = 404
    counts = [server.model.get_num_tokens_from_messages(MESSAGES, [get_weather]) for _ in range(3)]

    assert counts == [counts[0]] * 3
    assert counts[0] > estimate(to_wire(MESSAGES)) == 10
    assert len(server.requests) == 1


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (404, 1), (405, 1), (501, 1), (401, 2), (500, 2), (0, 2)])
def test_a_failed_count_is_an_estimate_for_a_minute_and_without_the_path_for_good(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, asked: int
):
    server.status = status
    monkeypatch.setattr(_token_methods, "time", lambda: 1_000.0)
    counts = [server.model.get_num_tokens_from_messages(MESSAGES) for _ in range(3)]
    assert len(server.requests) == 1
    monkeypatch.setattr(_token_methods, "time", lambda: 1_061.0)
    counts.append(server.model.get_num_tokens_from_messages(MESSAGES))

    assert counts == [estimate(to_wire(MESSAGES))] * 4 == [10] * 4
    assert len(server.requests) == asked


def test_a_failed_count_is_retried_after_a_minute(server: Server, monkeypatch: pytest.MonkeyPatch):
    def count(now: float) -> int:
        monkeypatch.setattr(_token_methods, "time", lambda: now)
        return server.model.get_num_tokens_from_messages(MESSAGES)

    server.status = 500
    assert count(1_000.0) == 10
    server.status = 200
    assert [count(now) for now in (1_059.9, 1_060.0)] == [10, 7]


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


def test_a_text_is_estimated(server: Server):
    assert server.model.get_num_tokens("four byte word") == 4
    assert not server.requests


def test_a_custom_tokenizer_is_used(server: Server):
    model = server.model
    model.custom_get_token_ids = lambda text: [ord(letter) for letter in text]

    assert model.get_token_ids("ab") == [97, 98]
    assert model.get_num_tokens("ab") == 2
    assert model.get_num_tokens_from_messages([HumanMessage("ab")]) == len("Human: ab")
    with pytest.warns(UserWarning, match="Ignoring tools"):
        assert model.get_num_tokens_from_messages([HumanMessage("ab")], [get_weather]) == len("Human: ab")
    assert not server.requests


def test_token_ids_need_a_custom_tokenizer(server: Server):
    with pytest.raises(NotImplementedError, match="custom_get_token_ids"):
        server.model.get_token_ids("ab")


def test_a_prompt_that_cannot_be_sent_is_not_counted(server: Server):
    with pytest.raises(InvalidRequestError):
        server.model.get_num_tokens_from_messages([HumanMessage([{"type": "file"}])])
