"""Asks the server over plain HTTP, whole and streamed; both answers have the same form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.real.plugin import RealServer

from .scenarios import SYSTEM, asking

CHAT = "/chat/completions"


@dataclass
class Wire:
    """An answer on the wire, with the pieces of a stream joined."""

    text: str = ""
    reasoning: str = ""
    calls: list[list[str]] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: Any = None
    tokens: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)

    def take(self, answer: dict[str, Any], message: str) -> None:
        """Add a whole answer or a chunk of a stream."""
        self.usage = answer.get("usage") or self.usage
        for choice in answer["choices"]:
            self._take_message(choice[message])
            self.finish_reason = choice["finish_reason"] or self.finish_reason
            self.stop_reason = choice.get("stop_reason") or self.stop_reason
            self.tokens += [token["token"] for token in (choice.get("logprobs") or {}).get("content") or ()]

    def _take_message(self, message: dict[str, Any]) -> None:
        self.text += message.get("content") or ""
        self.reasoning += message.get("reasoning") or ""
        for place, call in enumerate(message.get("tool_calls") or ()):
            index = call.get("index", place)
            self.calls += [["", ""]] * (index + 1 - len(self.calls))
            name, arguments = self.calls[index]
            function = call["function"]
            self.calls[index] = [name + (function.get("name") or ""), arguments + function["arguments"]]


Ask = Callable[..., Wire]


@pytest.fixture
def http(gpt_oss_server: RealServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {gpt_oss_server.api_key}"}
    with httpx.Client(base_url=gpt_oss_server.base_url, headers=headers, timeout=90, trust_env=False) as client:
        yield client


@pytest.fixture
def body(gpt_oss_server: RealServer) -> Callable[..., dict[str, Any]]:
    """Build the body of a request for a scenario, with what follows its question."""

    def build(scenario: str, *more: dict[str, Any], **fields: Any) -> dict[str, Any]:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asking(scenario)}, *more]
        basis = {"model": gpt_oss_server.model, "messages": messages, "temperature": 0, "max_tokens": 120}
        return basis | fields

    return build


@pytest.fixture
def whole(http: httpx.Client, body: Callable[..., dict[str, Any]]) -> Ask:
    def ask(scenario: str, *more: dict[str, Any], **fields: Any) -> Wire:
        response = http.post(CHAT, json=body(scenario, *more, **fields))
        assert response.status_code == 200, response.text
        answer = Wire()
        answer.take(response.json(), "message")
        return answer

    return ask


@pytest.fixture
def streamed(http: httpx.Client, body: Callable[..., dict[str, Any]]) -> Ask:
    def ask(scenario: str, *more: dict[str, Any], **fields: Any) -> Wire:
        streaming = {"stream": True, "stream_options": {"include_usage": True}}
        with http.stream("POST", CHAT, json=body(scenario, *more, **fields, **streaming)) as response:
            assert response.status_code == 200
            return _added_up(response.iter_lines())

    return ask


@pytest.fixture(params=["whole", "streamed"])
def ask(request: pytest.FixtureRequest, gpt_oss_server: RealServer) -> Ask:
    """Ask both ways, for what is the same in both. The server is named here so that these tests are sorted with it."""
    return request.getfixturevalue(request.param)


def _added_up(lines: Iterable[str]) -> Wire:
    answer = Wire()
    *chunks, done = [line.removeprefix("data: ") for line in lines if line]
    assert done == "[DONE]"
    for chunk in chunks:
        answer.take(json.loads(chunk), "delta")
    return answer
