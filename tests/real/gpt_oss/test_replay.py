"""How a server of gpt-oss reads a conversation that is sent back, observed with plain httpx."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from .conftest import Ask
from .scenarios import tools

pytestmark = pytest.mark.real


def called(*calls: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return an assistant's message with these calls, whose ids are c0, c1 and so on."""
    wire = [
        {"id": f"c{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": None, "tool_calls": wire, **more}


def result(text: str, index: int = 0) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{index}", "content": text}


PARIS = ("get_weather", '{"city": "Paris"}')
THOUGHT = "First weather, then time."


def test_a_replayed_conversation_with_calls_continues_at_its_next_step(ask: Ask):
    first = [called(PARIS, reasoning=THOUGHT), result("rain")]
    second = [called(("get_time", '{"tz": "UTC"}'), reasoning="Weather known; now the time."), result("noon")]

    assert ask("multistep", *first, tools=tools()).calls == [["get_time", '{"tz": "UTC"}']]
    last = ask("multistep", *first, *second, tools=tools())
    assert (last.text, last.reasoning) == ("Paris: rain, noon UTC.", "Both known.")


def prompt_tokens(whole: Ask, *more: dict[str, Any]) -> int:
    return whole("multistep", *more, tools=tools()).usage["prompt_tokens"]


def test_reasoning_is_read_under_two_names_and_not_twice(whole: Ask):
    without = prompt_tokens(whole, called(PARIS), result("rain"))

    read = {
        names: prompt_tokens(whole, called(PARIS, **dict.fromkeys(names, THOUGHT)), result("rain")) - without
        for names in [("reasoning",), ("reasoning_content",), ("reasoning", "reasoning_content"), ("thinking",)]
    }

    assert read == {
        ("reasoning",): 12,
        ("reasoning_content",): 12,
        ("reasoning", "reasoning_content"): 12,
        ("thinking",): 0,
    }


def test_reasoning_before_an_answer_is_dropped_by_the_server(whole: Ask):
    def tokens(**reasoning: str) -> int:
        answer = {"role": "assistant", "content": "Paris: rain, noon UTC.", **reasoning}
        return prompt_tokens(whole, answer, {"role": "user", "content": "Please run scenario hello now."})

    assert tokens(reasoning="Both known.") == tokens()


@pytest.mark.parametrize(
    ("scenario", "call", "answer"),
    [
        ("badargs", ("get_weather", '{"city": "Delhi", "unit":'), "Recovered after bad arguments."),
        ("unknowntool", ("delete_everything", "{}"), "Sorry, that tool is not there."),
    ],
)
def test_a_broken_or_unknown_call_can_be_sent_back(ask: Ask, scenario: str, call: tuple[str, str], answer: str):
    assert ask(scenario, called(call), result("This call failed."), tools=tools()).text == answer


def test_two_calls_are_answered_by_two_results(ask: Ask):
    calls = called(("get_weather", '{"city": "Delhi"}'), ("get_time", '{"tz": "IST"}'))

    assert ask("twocalls", calls, result("hot"), result("now", 1), tools=tools()).text == "Both calls are done."


def test_a_result_without_its_call_is_accepted(ask: Ask):
    assert ask("multistep", called(PARIS), result("rain", 7), tools=tools()).finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reasoning_effort": "minimal"}, "Supported values are: high, medium, low"),
        ({"messages": [{"role": "critic", "content": "No."}]}, "1 validation error for Author"),
        ({"messages": [{"role": "user", "content": "word " * 140_000}]}, "maximum context length (131072)"),
    ],
)
def test_invalid_conversations_are_refused(
    http: httpx.Client, body: Callable[..., dict[str, Any]], fields: dict[str, Any], words: str
):
    response = http.post("/chat/completions", json=body("hello", **fields))

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]
