"""JSON schemas: how they are copied and simplified, and whether a value may fit one."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest

from tir_client.protocol.schemas import inline_references, is_of_object, map_schema, may_fit, resolve_root

TEXT = {"type": "string"}
POINT = {"type": "object", "properties": {"x": TEXT}}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


def titled(part):
    return {**part, "title": "T"}


@pytest.mark.parametrize("key", ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])
def test_schemas_under_names_are_changed_for_any_name(key):
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
def test_values_that_only_look_like_schemas_are_not_changed(key):
    assert map_schema({key: [TEXT]}, titled) == {key: [TEXT], "title": "T"}


def test_a_schema_is_copied_and_its_inner_schemas_are_changed_first():
    schema = {"type": "array", "items": {"anyOf": [TEXT]}}
    before, seen = copy.deepcopy(schema), []

    def note(part):
        seen.append(sorted(part))
        return part

    assert map_schema(schema, note) == schema == before
    assert seen == [["type"], ["anyOf"], ["items", "type"]]
    assert map_schema(True, titled) is True


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_references_are_replaced_by_their_targets(place):
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


@pytest.mark.parametrize("way", range(8))
def test_a_definition_is_recursive_if_any_way_leads_back_to_it(way):
    steps = {f"Step{place}": {"items": {"$ref": f"#/$defs/Leaf{place}"}} for place in range(8)}
    leaves = {f"Leaf{place}": TEXT for place in range(8)} | {f"Leaf{way}": {"items": {"$ref": "#/$defs/Tree"}}}
    tree = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in steps]}

    inlined = inline_references({"items": {"$ref": "#/$defs/Tree"}, "$defs": {"Tree": tree, **steps, **leaves}})
    assert set(inlined["$defs"]) == {"Tree", f"Step{way}", f"Leaf{way}"}


@pytest.mark.parametrize("part", [{"$ref": "#/$defs/Other"}, {"$ref": "https://host/x"}, {"$ref": 5}])
def test_references_outside_of_definitions_are_kept(part):
    assert inline_references({"items": part, "$defs": {"Point": POINT}}) == {"items": part}
    assert inline_references({"items": part, "$defs": None}) == {"items": part}


def test_a_reference_at_the_top_is_resolved():
    schema = {"$ref": "#/$defs/Node", "title": "Mine", "$defs": {"Node": {**NODE, "title": "Node"}}}

    assert resolve_root(schema) == {**NODE, "title": "Mine", "$defs": schema["$defs"]}
    assert resolve_root(POINT) is POINT


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, True),
        ({"type": "object"}, True),
        ({"properties": {}}, True),
        ({"properties": {}, "enum": [{}]}, True),
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
def test_object_schemas_are_recognized(schema, expected):
    assert is_of_object(schema) is expected


NAMED_NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "text": {"$ref": "#/$defs/Text"}}}
RECURSIVE = {"$ref": "#/$defs/Node", "$defs": {"Node": NAMED_NODE, "Text": TEXT}}


def test_references_are_resolved_unless_they_are_recursive():
    schema = {"type": "array", "items": {"$ref": "#/definitions/Text", "title": "T"}, "definitions": {"Text": TEXT}}
    before = copy.deepcopy(schema)

    assert inline_references(schema) == {"type": "array", "items": {"type": "string", "title": "T"}}
    assert schema == before
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "text": TEXT}}
    assert inline_references(RECURSIVE) == {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    assert resolve_root(inline_references(RECURSIVE)) == {**node, "$defs": {"Node": node}}


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/None"}, {"$ref": 7}, {"$ref": "https://a"}, {"$defs": None}])
def test_a_dangling_reference_is_kept(schema: dict[str, Any]):
    assert inline_references(schema).get("$ref") == schema.get("$ref")
    assert resolve_root(schema) == schema


def test_a_property_may_be_named_as_a_keyword_is():
    schema = {"properties": {"title": TEXT, "$ref": TEXT, "items": TEXT}, "enum": [{"title": "x"}]}

    changed = map_schema(schema, lambda part: {**part, "seen": True})

    seen = {**TEXT, "seen": True}
    assert changed == {**schema, "properties": {"title": seen, "$ref": seen, "items": seen}, "seen": True}


@pytest.mark.parametrize(
    ("schema", "is_one"),
    [
        ({}, True),
        ({"type": "object"}, True),
        ({"properties": {}}, True),
        (RECURSIVE, True),
        ({"anyOf": [{"type": "object"}, {"$ref": "#/$defs/Node"}], "$defs": {"Node": NAMED_NODE}}, True),
        ({"anyOf": [{"type": "object"}, TEXT]}, False),
        ({"type": ["object", "null"]}, False),
        ({"type": "array"}, False),
        ({"enum": [{}]}, False),
        ({"$ref": "https://a"}, False),
    ],
)
def test_schemas_of_objects_are_recognized(schema: dict[str, Any], is_one: bool):
    assert is_of_object(schema) is is_one


FITS: list[tuple[Any, Any]] = [
    ({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    ({"text": "x", "next": {"text": "y"}}, RECURSIVE),
    ([1, 2], {"type": "array", "items": {"type": "integer"}}),
    (None, {"anyOf": [TEXT, {"type": "null"}]}),
    ("a", {"enum": ["a", "b"]}),
    ("a", {"const": "a"}),
    (1, {"allOf": [{"type": "integer"}, {"enum": [1, 2]}]}),
    ({"child": {}}, {"type": "object", "properties": {"child": {"$ref": "#"}}}),
    ("anything", True),
]
LENIENT: list[tuple[Any, Any]] = [
    ("5", {"type": "integer"}),
    (5, TEXT),
    ("yes", {"type": "boolean"}),
    ({"more": 1}, {"type": "object", "properties": {}, "additionalProperties": False}),
    (1, {"$ref": "#", "type": "integer"}),
]
MISFITS: list[tuple[Any, Any]] = [
    ({}, {"type": "object", "required": ["a"]}),
    ({"next": {"text": None}}, RECURSIVE),
    ({"next": []}, RECURSIVE),
    ([1, "two"], {"type": "array", "items": {"type": "integer"}}),
    (None, TEXT),
    ([], {"type": ["object", "string"]}),
    ("a", {"type": "object"}),
    ("c", {"enum": ["a", "b"]}),
    ("b", {"const": "a"}),
    ({}, {"anyOf": [{"required": ["a"]}, {"type": "array"}]}),
    (3, {"allOf": [{"type": "integer"}, {"enum": [1, 2]}]}),
    ({"child": 1}, {"type": "object", "properties": {"child": {"$ref": "#"}}}),
    ("anything", False),
]


@pytest.mark.parametrize(("value", "schema"), FITS + LENIENT)
def test_values_that_are_valid_or_read_leniently_may_fit(value: Any, schema: Any):
    assert may_fit(value, schema)


@pytest.mark.parametrize(("value", "schema"), MISFITS)
def test_a_value_that_cannot_fit_is_invalid_for_jsonschema_too(value: Any, schema: Any):
    assert not may_fit(value, schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid(value)


def test_references_in_a_circle_fit_anything():
    assert may_fit(1, {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}})


def test_a_union_of_nested_objects_is_checked_in_linear_time():
    """Each node of the value fits only the second branch, although the first has the same properties."""

    def node(kind: str) -> Any:
        members = {"left": {"$ref": "#/$defs/Node"}, "kind": {"const": kind}}
        return {"type": "object", "properties": members, "required": ["kind"]}

    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": {"anyOf": [node("add"), node("multiply")]}}}
    value: Any = {"kind": "multiply"}
    for _ in range(60):
        value = {"left": value, "kind": "multiply"}

    assert may_fit(value, schema)
    value["left"]["left"]["kind"] = "divide"
    assert not may_fit(value, schema)
