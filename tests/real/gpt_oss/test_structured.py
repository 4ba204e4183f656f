"""How a server of gpt-oss constrains an answer to a schema, observed with plain httpx."""

from __future__ import annotations

import json

import pytest

from .conftest import Ask
from .scenarios import Verdict, named, tool

pytestmark = pytest.mark.real

FORMAT = {"type": "json_schema", "json_schema": {"name": "Verdict", "schema": Verdict.model_json_schema()}}
VERDICT = {"verdict": ["yes", "no"], "score": [7, 8]}


@pytest.mark.parametrize("scenario", ["json", "hello", "weather", "badargs"])
def test_a_schema_constrains_the_content_but_not_the_reasoning(ask: Ask, scenario: str):
    answer = ask(scenario, response_format=FORMAT)

    assert Verdict.model_validate_json(answer.text).score in {7, 8}
    assert answer.reasoning
    assert (answer.finish_reason, answer.calls) == ("stop", [])


@pytest.mark.parametrize("scenario", ["json", "hello"])
def test_json_object_constrains_the_content_to_an_object(ask: Ask, scenario: str):
    answer = ask(scenario, response_format={"type": "json_object"})

    assert json.loads(answer.text)["verdict"] == "yes"
    assert answer.reasoning


def test_an_object_is_cut_by_max_tokens(ask: Ask):
    answer = ask("json", response_format=FORMAT, max_tokens=24)

    assert answer.finish_reason == "length"
    assert answer.text.startswith('{"verdict"')
    assert not answer.text.endswith("}")


def test_a_strict_tool_is_called_with_an_object_of_its_schema(ask: Ask):
    (call,) = ask("hello", tools=[tool("Verdict", VERDICT, strict=True)], tool_choice=named("Verdict")).calls

    assert json.loads(call[1])["verdict"] in {"yes", "no"}


def test_a_tool_that_is_not_strict_is_called_with_an_empty_object(ask: Ask):
    (call,) = ask("hello", tools=[tool("Verdict", VERDICT)], tool_choice=named("Verdict")).calls

    assert call == ["Verdict", "{}"]
