"""Tool choices and response formats on the wire."""

from __future__ import annotations

import pytest

from tir_client import InvalidRequestError
from tir_client.protocol.tool_choice import response_format as make_format
from tir_client.protocol.tool_choice import tool_choice as wire_choice

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def tool(name):
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA}}


ADD, SUB = tool("add"), tool("sub")


def named(name):
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize(
    ("choice", "tools", "wire"),
    [
        (None, [], None),
        (None, [ADD], None),
        ("auto", [], "auto"),
        ("none", [], "none"),
        (False, [ADD], "none"),
        (True, [ADD], named("add")),
        (True, [ADD, SUB], "required"),
        ("any", [ADD], "required"),
        ("required", [ADD, SUB], "required"),
        ("sub", [ADD, SUB], named("sub")),
        (named("sub"), [ADD, SUB], named("sub")),
    ],
)
def test_the_frameworks_tool_choices_are_converted_to_wire_form(choice, tools, wire):
    assert wire == wire_choice(choice, tools)


@pytest.mark.parametrize(
    ("choice", "tools"), [("mul", [ADD]), (named("mul"), [ADD]), ("any", []), (True, []), (5, [ADD]), ({}, [ADD])]
)
def test_a_choice_that_cannot_be_met_is_refused(choice, tools):
    with pytest.raises(InvalidRequestError, match="`tool_choice`"):
        wire_choice(choice, tools)


def test_a_choice_that_cannot_be_met_is_refused_with_what_is_offered():
    with pytest.raises(InvalidRequestError, match=r"^`tool_choice` is 'mul'; the tools offered are add, sub.$"):
        wire_choice("mul", [ADD, SUB])
    with pytest.raises(InvalidRequestError, match=r"^`tool_choice` is 'any', but no tools are offered.$"):
        wire_choice("any", [])


def test_a_choice_in_wire_form_is_sent_unchanged():
    choice = {"type": "function", "function": {"name": "sub", "more": 1}}

    assert wire_choice(choice, [ADD, SUB]) is choice


def test_a_response_format_has_strict_only_if_it_was_given():
    assert make_format("A", SCHEMA) == {"type": "json_schema", "json_schema": {"name": "A", "schema": SCHEMA}}
    assert make_format("A", SCHEMA, strict=True)["json_schema"]["strict"] is True
