"""Which field of an answer each channel of gpt-oss becomes, observed with plain httpx."""

from __future__ import annotations

import pytest

from .conftest import Ask
from .scenarios import ENDLESS, SCENARIOS, tools

pytestmark = pytest.mark.real


def without_end(text: str) -> str:
    """Return a text without the token that ends the answer, which the log probabilities leave out."""
    return text.removesuffix("<|return|>").removesuffix("<|call|>")


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name not in ENDLESS])
def test_the_model_recites_its_scenario(whole: Ask, scenario: str):
    """The log probabilities list every token that the model wrote, the markers of harmony included."""
    answer = whole(scenario, tools=tools(), logprobs=True)

    assert without_end("".join(answer.tokens)) == without_end(SCENARIOS[scenario][0])


@pytest.mark.parametrize(
    ("scenario", "text", "reasoning"),
    [
        ("hello", "Hello! How can I help you today?", "The user greets me. I should reply briefly."),
        ("direct", "Direct answer without any reasoning.", ""),
        ("unicode", "नमस्ते दुनिया 👋🏽 日本語 ✓ café 🤖", "Use several scripts."),
        ("commentary", "Only a commentary message.", ""),
        ("thinkonly", "", "I think but never answer."),
    ],
)
def test_analysis_is_reasoning_and_the_rest_is_content(ask: Ask, scenario: str, text: str, reasoning: str):
    answer = ask(scenario)

    assert (answer.text, answer.reasoning, answer.calls) == (text, reasoning, [])
    assert (answer.finish_reason, answer.stop_reason) == ("stop", None)


def test_text_outside_of_messages_is_dropped_by_the_server(ask: Ask):
    """The parser skips it, so an answer that has it may be empty."""
    answer = ask("leak")

    assert (answer.text, answer.reasoning) == ("", "Lose the markers.")
    assert answer.usage["completion_tokens"] > 10


def test_the_call_of_a_built_in_tool_is_reasoning(whole: Ask, streamed: Ask):
    """The parts of the reasoning are joined by a line feed in a whole answer, and by nothing in a stream."""
    assert whole("pytool", tools=tools()).reasoning == "Use the builtin.\nprint(1+1)"
    assert streamed("pytool", tools=tools()).reasoning == "Use the builtin.print(1+1)"


def test_usage_counts_reasoning_separately(ask: Ask):
    usage = ask("hello").usage

    assert usage["completion_tokens"] == 30
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 11}
    assert ask("direct").usage["completion_tokens_details"] == {"reasoning_tokens": 0}


@pytest.mark.parametrize("scenario", ENDLESS)
def test_an_answer_without_end_is_cut_by_max_tokens(ask: Ask, scenario: str):
    answer = ask(scenario, max_tokens=20)

    assert answer.finish_reason == "length"
    assert answer.usage["completion_tokens"] == 20
    assert (not answer.text) == (scenario == "thinkloop")


def test_a_cut_header_of_a_call_is_content_with_its_markers(ask: Ask):
    answer = ask("weather", tools=tools(), max_tokens=24)

    assert answer.text == "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>"
    assert (answer.finish_reason, answer.calls) == ("length", [])


def test_a_call_with_cut_arguments_looks_finished_in_a_whole_answer(whole: Ask, streamed: Ask):
    """Only the missing stop token distinguishes a cut call from a broken one."""
    answers = [ask("weather", tools=tools(), max_tokens=32) for ask in (whole, streamed)]

    assert [answer.calls for answer in answers] == [[["get_weather", '{"city": "Delhi",']]] * 2
    assert [answer.finish_reason for answer in answers] == ["tool_calls", "length"]
    assert [answer.stop_reason for answer in answers] == [None, None]
