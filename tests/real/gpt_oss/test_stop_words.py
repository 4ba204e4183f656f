"""Where a stop word ends an answer of gpt-oss (in the raw text), observed with plain httpx."""

from __future__ import annotations

import pytest

from .conftest import Ask
from .scenarios import tools

pytestmark = pytest.mark.real


def test_a_stop_word_in_the_reasoning_leaves_no_answer(ask: Ask):
    answer = ask("hello", stop=["reply"])

    assert (answer.text, answer.reasoning) == ("", "The user greets me. I should reply")
    assert (answer.finish_reason, answer.stop_reason) == ("stop", "reply")


def test_the_first_of_several_stop_words_ends_the_answer(ask: Ask):
    answer = ask("hello", stop=["How", "greets"])

    assert (answer.text, answer.reasoning, answer.stop_reason) == ("", "The user greets", "greets")


def test_a_stop_word_in_the_text_stays_in_it(ask: Ask):
    """A model with a chat template leaves the word out; the harmony parser has passed it on already."""
    answer = ask("hello", stop=["How"])

    assert answer.text == "Hello! How"
    assert (answer.finish_reason, answer.stop_reason) == ("stop", "How")


def test_a_stop_word_that_does_not_occur_changes_nothing(ask: Ask):
    answer = ask("hello", stop=["\nObservation"])

    assert answer.text == "Hello! How can I help you today?"
    assert (answer.finish_reason, answer.stop_reason) == ("stop", None)


def test_a_stop_word_cuts_the_arguments_of_a_call(ask: Ask):
    answer = ask("weather", tools=tools(), stop=["unit"])

    assert answer.calls == [["get_weather", '{"city": "Delhi", "unit']]
    assert (answer.finish_reason, answer.stop_reason) == ("tool_calls", "unit")


@pytest.mark.parametrize(
    ("word", "text"),
    [("analysis", "<|channel|>analysis"), ("final", "<|start|>assistant<|channel|>final")],
)
def test_a_stop_word_that_names_a_channel_leaves_markers_as_text(ask: Ask, word: str, text: str):
    answer = ask("hello", stop=[word])

    assert (answer.text, answer.stop_reason) == (text, word)
