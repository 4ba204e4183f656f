"""The sandbox's generated values fit their JSON schema; invalid schemas are reported."""

import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.rules.text_hints import TextHints
from tir_sandbox.errors import ApiError
from tir_sandbox.patterns import example_of
from tir_sandbox.schema import fill, problem_of

TEXT = "Ada Lovelace met Charles Babbage in London in 1833. She was 17. Write to ada@example.org by 2026-02-03."
NAMES = st.sampled_from(["name", "city", "age", "when", "tags", "score", "query", "note"])


def bounded(kind):
    def build(low, span, exclusive):
        names = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
        return {"type": kind, names[0]: low, names[1]: low + span}

    return st.builds(build, st.integers(-50, 50), st.integers(2, 90), st.booleans())


SCALARS = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["string", "null"]}),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, *[st.integers(0, 9)] * 2
    ),
    st.builds(lambda kind: {"type": "string", "format": kind}, st.sampled_from(["date", "email", "uuid", "uri"])),
    bounded("integer"),
    bounded("number"),
    st.builds(lambda step: {"type": "integer", "multipleOf": step}, st.integers(1, 9)),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text(max_size=5), min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, st.integers() | st.text(max_size=5) | st.booleans()),
)


def nested(inner):
    def array(items, least, more):
        return {"type": "array", "items": items, "minItems": least, "maxItems": least + more}

    def record(fields, required):
        wanted = [name for name, flag in zip(fields, required, strict=False) if flag]
        return {"type": "object", "properties": fields, "required": wanted, "additionalProperties": False}

    return st.one_of(
        st.builds(array, inner, st.integers(0, 3), st.integers(0, 3)),
        st.builds(record, st.dictionaries(NAMES, inner, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4)),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"$defs": {"one": one}, "$ref": "#/$defs/one"}, SCALARS),
    )


SCHEMAS = st.recursive(SCALARS, nested, max_leaves=8)


def hoisted(schema, found):
    """Move definitions to the root, where references look for them."""
    if isinstance(schema, list):
        return [hoisted(one, found) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$defs" in schema:
        name = f"d{len(found)}"
        found[name] = schema["$defs"]["one"]
        return {"$ref": f"#/$defs/{name}"}
    return {key: hoisted(value, found) for key, value in schema.items()}


@given(SCHEMAS, st.sampled_from([None, TEXT, "no 7 no -3.5"]))
def test_values_fit_their_schema(schema, text):
    definitions = {}
    root = {**hoisted(schema, definitions), "$defs": definitions}
    assert problem_of(root) is None
    jsonschema.validate(fill(root) if text is None else fill(root, TextHints(text).suggest), root)


TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "label": {"type": "string"},
                "left": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["label", "left", "children"],
        }
    },
    "$ref": "#/$defs/Node",
}


def test_recursion_ends():
    jsonschema.validate(fill(TREE), TREE)


def test_all_of_is_merged():
    schema = {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"const": "x"}}, "required": ["b"]},
        ]
    }
    assert fill(schema) == {"a": 1, "b": "x"}


def test_without_suggestions_a_field_has_its_name_or_an_example():
    fields = {"city": {"type": "string"}, "day": {"type": "string", "format": "date"}, "ok": {"type": "boolean"}}
    schema = {"type": "object", "properties": fields, "required": list(fields)}

    assert fill(schema) == {"city": "city", "day": "2026-01-31", "ok": True}


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\d{4}-\d{2}$",
        r"[A-Z]{2}\d+",
        r"(red|green)?x*y+",
        r"[^a-z]{3}",
        r"a\.b|c",
        r"(?:ab){2}\w",
        r"^[\]]$",
        r"[\w.]+@[\w.]+\.[a-z]{2,}",
        r"(['\"])[a-z]+\1",
        r"a{2,3}?(b*)*",
    ],
)
def test_an_example_matches_its_pattern(pattern):
    text = example_of(pattern)

    assert re.fullmatch(pattern, text)
    assert fill({"type": "string", "pattern": pattern}) == text


ITEMS = {"type": "array", "minItems": 10**6, "items": {"type": "string"}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 10**9},
        ITEMS,
        {**ITEMS, "minItems": 2, "uniqueItems": True},
        {"type": "array", "minItems": 1000, "items": {"type": "string", "minLength": 1000}},
        {"type": "array", "minItems": 100, "items": {**ITEMS, "minItems": 100}},
        {"allOf": [{"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}]},
        {"type": "string", "pattern": "(a{1000}){1000}"},
        {"type": "string", "pattern": "a(?=b)"},
        {"enum": []},
        {"type": "integer", "minimum": 3, "maximum": 2},
    ],
)
def test_a_schema_without_a_small_value_is_refused(schema):
    with pytest.raises(ApiError) as refused:
        fill(schema)
    assert refused.value.status == 400
    assert "Script a reply" in refused.value.body["error"]["message"]


@pytest.mark.parametrize(
    "schema",
    [
        5,
        {"properties": 5},
        {"items": {"$ref": "#/$defs/Nothing"}},
        {"minItems": "many"},
        {"pattern": "["},
        {"type": "thing"},
        {"anyOf": [None]},
    ],
)
def test_an_invalid_schema_is_reported(schema):
    assert problem_of(schema)
