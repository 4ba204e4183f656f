"""JSON schemas: copies, and references that are resolved."""

from __future__ import annotations

import copy

import pytest

from tir_client.protocol.schemas import inline_references, is_of_object, map_schema, resolve_root

TEXT = {"type": "string"}
POINT = {"type": "object", "properties": {"x": TEXT}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


def titled(part):
    return {**part, "title": "T"}


@pytest.mark.parametrize("key", ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])
def test_schemas_under_names_are_changed_whatever_their_names(key):
    assert map_schema({key: {"items": TEXT, "const": TEXT}}, titled) == {
        key: {"items": titled(TEXT), "const": titled(TEXT)},
        "title": "T",
    }
    assert map_schema({key: [TEXT]}, titled) == {key: [TEXT], "title": "T"}


@pytest.mark.parametrize(
    "key",
    [
        *("items", "prefixItems", "additionalItems", "additionalProperties", "contains", "propertyNames"),
        *("anyOf", "oneOf", "allOf", "not", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties"),
    ],
)
def test_schemas_in_keywords_are_changed_alone_and_in_lists(key):
    assert map_schema({key: TEXT}, titled) == {key: titled(TEXT), "title": "T"}
    assert map_schema({key: [TEXT, True]}, titled) == {key: [titled(TEXT), True], "title": "T"}


@pytest.mark.parametrize("key", ["const", "default", "enum", "examples", "x-own"])
def test_values_that_only_look_like_schemas_stay(key):
    assert map_schema({key: [TEXT]}, titled) == {key: [TEXT], "title": "T"}


def test_a_schema_is_changed_from_the_inside_out_and_copied():
    schema = {"type": "array", "items": {"anyOf": [TEXT]}}
    before, seen = copy.deepcopy(schema), []

    def note(part):
        seen.append(sorted(part))
        return part

    assert map_schema(schema, note) == schema == before
    assert seen == [["type"], ["anyOf"], ["items", "type"]]
    assert map_schema(True, titled) is True


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_references_are_replaced_by_what_they_refer_to(place):
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": f"#/{place}/Line", "description": "Mine."}},
        place: {
            "Line": {"type": "array", "description": "A line.", "items": {"$ref": f"#/{place}/Point"}},
            "Point": POINT,
        },
    }
    before = copy.deepcopy(schema)

    line = {"type": "array", "description": "Mine.", "items": POINT}
    assert inline_references(schema) == {"type": "object", "properties": {"a": line}}
    assert schema == before


def test_references_of_recursive_definitions_stay_with_their_definitions():
    schema = {
        "properties": {"node": {"$ref": "#/$defs/Node"}, "point": {"$ref": "#/$defs/Point"}},
        "$defs": {
            "Node": {"properties": {"twin": {"$ref": "#/$defs/Twin"}, "point": {"$ref": "#/$defs/Point"}}},
            "Twin": {"properties": {"node": {"$ref": "#/$defs/Node"}}},
            "Point": POINT,
            "Never": True,
        },
    }

    assert inline_references(schema) == {
        "properties": {"node": {"$ref": "#/$defs/Node"}, "point": POINT},
        "$defs": {
            "Node": {"properties": {"twin": {"$ref": "#/$defs/Twin"}, "point": POINT}},
            "Twin": {"properties": {"node": {"$ref": "#/$defs/Node"}}},
        },
    }


@pytest.mark.parametrize("part", [{"$ref": "#/$defs/Other"}, {"$ref": "https://host/x"}, {"$ref": 5}])
def test_references_to_elsewhere_stay(part):
    assert inline_references({"items": part, "$defs": {"Point": POINT}}) == {"items": part}
    assert inline_references({"items": part, "$defs": None}) == {"items": part}


def test_a_top_that_is_a_reference_is_resolved():
    schema = {"$ref": "#/$defs/Node", "title": "Mine", "$defs": {"Node": {**NODE, "title": "Node"}}}

    assert resolve_root(schema) == {**NODE, "title": "Mine", "$defs": schema["$defs"]}
    assert resolve_root(POINT) is POINT


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, True),
        ({"type": "object"}, True),
        ({"properties": {}}, True),
        ({"type": "array"}, False),
        ({"type": "array", "properties": {}}, False),
        ({"type": ["object", "null"]}, False),
        ({"anyOf": [POINT, NODE]}, True),
        ({"oneOf": [POINT, TEXT]}, False),
        ({"anyOf": [POINT], "oneOf": [TEXT]}, False),
        ({"anyOf": [{"$ref": "#/$defs/P"}], "$defs": {"P": POINT}}, True),
        ({"anyOf": [{"$ref": "#/definitions/P"}], "definitions": {"P": TEXT}}, False),
        ({"$ref": "#/$defs/P", "$defs": {"P": POINT}}, True),
        ({"$ref": "#/$defs/P", "$defs": {"P": TEXT}}, False),
        ({"$ref": "https://host/x"}, False),
        ({"allOf": [POINT]}, False),
        ({"enum": [1]}, False),
        ({"const": 1}, False),
        ({"items": TEXT}, False),
        ({"prefixItems": [TEXT]}, False),
        ({"description": "Anything."}, True),
    ],
)
def test_a_schema_tells_whether_it_is_of_an_object(schema, expected):
    assert is_of_object(schema) is expected
