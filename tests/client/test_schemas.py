"""Walks through JSON schemas: references, kinds, and what may fit one."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest

from tir_client.protocol.schemas import inline_references, is_of_object, map_schema, may_fit, resolve_root

TEXT = {"type": "string"}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "text": {"$ref": "#/$defs/Text"}}}
RECURSIVE = {"$ref": "#/$defs/Node", "$defs": {"Node": NODE, "Text": TEXT}}


def test_references_are_resolved_unless_they_are_recursive():
    schema = {"type": "array", "items": {"$ref": "#/definitions/Text", "title": "T"}, "definitions": {"Text": TEXT}}
    before = copy.deepcopy(schema)

    assert inline_references(schema) == {"type": "array", "items": {"type": "string", "title": "T"}}
    assert schema == before
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "text": TEXT}}
    assert inline_references(RECURSIVE) == {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    assert resolve_root(inline_references(RECURSIVE)) == {**node, "$defs": {"Node": node}}


@pytest.mark.parametrize("schema", [{"$ref": "#/$defs/None"}, {"$ref": 7}, {"$ref": "https://a"}, {"$defs": None}])
def test_a_reference_to_nothing_stays(schema: dict[str, Any]):
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
        ({"anyOf": [{"type": "object"}, {"$ref": "#/$defs/Node"}], "$defs": {"Node": NODE}}, True),
        ({"anyOf": [{"type": "object"}, TEXT]}, False),
        ({"type": ["object", "null"]}, False),
        ({"type": "array"}, False),
        ({"enum": [{}]}, False),
        ({"$ref": "https://a"}, False),
    ],
)
def test_whether_a_schema_is_that_of_an_object(schema: dict[str, Any], is_one: bool):
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
def test_what_fits_may_fit_and_so_may_what_frameworks_read_leniently(value: Any, schema: Any):
    assert may_fit(value, schema)


@pytest.mark.parametrize(("value", "schema"), MISFITS)
def test_a_misfit_is_one_for_every_reader(value: Any, schema: Any):
    assert not may_fit(value, schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid(value)


def test_references_in_a_circle_fit_anything():
    assert may_fit(1, {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}})
