"""The demo fills schemas with the words and numbers of the prompt."""

import pytest

from demo.rules.text_hints import TextHints
from tir_sandbox.schema import fill

TEXT = "Ada Lovelace met Charles Babbage in London in 1833. She was 17. Write to ada@example.org by 2026-02-03."


@pytest.mark.parametrize(
    ("name", "schema", "value"),
    [
        ("name", {"type": "string"}, "Ada Lovelace"),
        ("year", {"type": "integer"}, 1833),
        ("email", {"type": "string", "format": "email"}, "ada@example.org"),
        ("when", {"type": "string", "format": "date"}, "2026-02-03"),
        ("town", {"enum": ["Paris", "London"]}, "London"),
        ("query", {"type": "string"}, TEXT),
        ("towns", {"type": "array", "items": {"enum": ["Paris", "London", "Write"]}}, ["London", "Write"]),
        ("ok", {"type": "boolean"}, True),
        ("pair", {"type": "array", "prefixItems": [{"type": "integer"}, {"const": "x"}]}, [1833, "x"]),
    ],
)
def test_values_come_from_the_text(name, schema, value):
    assert fill(schema, TextHints(TEXT).suggest, name) == value


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("My name is bob, my age is 42, not 7.", {"name": "string", "age": "integer"}, {"name": "bob", "age": 42}),
        ("What is (2 + 3) * 4?", {"expression": "string"}, {"expression": "(2 + 3) * 4"}),
        ("This is not urgent.", {"urgent": "boolean"}, {"urgent": False}),
        ("What's the weather in New Delhi and Pune?", {"city": "string"}, {"city": "New Delhi"}),
    ],
)
def test_fields_are_found_by_their_names(text, schema, value):
    properties = {name: {"type": kind} for name, kind in schema.items()}
    assert (
        fill({"type": "object", "properties": properties, "required": list(schema)}, TextHints(text).suggest) == value
    )
