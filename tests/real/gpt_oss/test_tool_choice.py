"""How a server of gpt-oss treats tools, `tool_choice` and `strict`, observed with plain httpx."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Ask
from .scenarios import named, tools

pytestmark = pytest.mark.real

CALL_TOKEN = 200_012
DELHI = ["get_weather", '{"city": "Delhi"}']


@pytest.mark.parametrize(
    ("scenario", "calls"),
    [
        ("weather", [["get_weather", '{"city": "Delhi", "unit": "c"}']]),
        ("twocalls", [DELHI, ["get_time", '{"tz": "IST"}']]),
        ("baretool", [DELHI]),
        ("unknowntool", [["delete_everything", "{}"]]),
        ("badargs", [["get_weather", '{"city": "Delhi", "unit":']]),
    ],
)
def test_auto_passes_on_what_the_model_wrote(ask: Ask, scenario: str, calls: list[list[str]]):
    """Unknown names and arguments that are not JSON arrive like every other call."""
    answer = ask(scenario, tools=tools())

    assert answer.calls == calls
    assert (answer.finish_reason, answer.stop_reason) == ("tool_calls", CALL_TOKEN)


@pytest.mark.parametrize("scenario", ["badargs", "unknowntool"])
def test_auto_with_strict_constrains_names_and_arguments(ask: Ask, scenario: str):
    (call,) = ask(scenario, tools=tools(strict=True)).calls

    assert call[0] == "get_weather"
    assert call[1].startswith('{"city": "Delhi"')
    assert call[1].endswith("}")


def test_one_call_at_a_time_ends_the_answer_after_the_first(ask: Ask):
    assert ask("twocalls", tools=tools(), parallel_tool_calls=False).calls == [DELHI]


@pytest.mark.parametrize("scenario", ["badargs", "unknowntool"])
def test_without_parallel_calls_the_call_is_constrained_as_with_strict(ask: Ask, scenario: str):
    (call,) = ask(scenario, tools=tools(), parallel_tool_calls=False).calls

    assert call[0] == "get_weather"
    assert call[1].endswith("}")


@pytest.mark.parametrize("strict", [None, True])
def test_required_makes_a_model_call_that_would_answer_in_prose(ask: Ask, strict: bool | None):
    answer = ask("hello", tools=tools(strict), tool_choice="required")

    assert answer.calls == [DELHI]
    assert answer.finish_reason == "tool_calls"
    assert answer.reasoning == "The user greets me. I should reply briefly."


@pytest.mark.parametrize("scenario", ["badargs", "unknowntool"])
def test_required_replaces_broken_and_unknown_calls(ask: Ask, scenario: str):
    assert ask(scenario, tools=tools(), tool_choice="required").calls[0][0] == "get_weather"


@pytest.mark.parametrize("scenario", ["hello", "weather"])
def test_a_named_tool_is_called_and_the_finish_reason_is_stop(ask: Ask, scenario: str):
    answer = ask(scenario, tools=tools(strict=True), tool_choice=named("get_time"))

    assert answer.calls == [["get_time", '{"tz": "UTC"}']]
    assert (answer.finish_reason, answer.stop_reason) == ("stop", CALL_TOKEN)


def test_without_strict_the_arguments_of_a_named_tool_miss_its_schema(ask: Ask):
    """The server constrains only the name of the call; here, the model writes a key of another tool."""
    answer = ask("hello", tools=tools(), tool_choice=named("get_time"))

    assert answer.calls == [["get_time", '{"city": "UTC"}']]


def test_tool_choice_none_hides_the_call_only_in_a_whole_answer(whole: Ask, streamed: Ask):
    fields: dict[str, Any] = {"tools": tools(), "tool_choice": "none"}

    hidden, shown = whole("weather", **fields), streamed("weather", **fields)

    assert (hidden.calls, hidden.text, hidden.finish_reason) == ([], "", "stop")
    assert (shown.calls, shown.finish_reason) == ([["get_weather", '{"city": "Delhi", "unit": "c"}']], "tool_calls")
