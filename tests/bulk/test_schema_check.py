"""Which JSON schemas are refused. No I/O."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tir_client import ConfigurationError
from tir_client.bulk import Prompts

NESTED = {"type": "object", "properties": {"type": {"type": "array", "items": {"type": "strin"}}}}
NAMED_TYPE = {"type": ["object", "null"], "properties": {"type": {"type": "string", "pattern": r"^\p{L}+$"}}}


@pytest.fixture(params=["jsonschema", "without it"], autouse=True)
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "jsonschema":
        monkeypatch.setitem(sys.modules, "jsonschema", None)


@pytest.mark.parametrize(
    ("schema", "name"), [({"type": "objekt"}, "objekt"), (NESTED, "strin"), ({"anyOf": [{"type": 3}]}, "3")]
)
def test_a_schema_with_a_type_that_does_not_exist_is_refused(schema: dict[str, Any], name: str):
    with pytest.raises(ConfigurationError, match=f"not a valid JSON schema: .*{name}"):
        Prompts(schema=schema)


@pytest.mark.parametrize("schema", [{}, NAMED_TYPE, {"type": "object", "additionalProperties": False}])
def test_valid_schemas_are_accepted(schema: dict[str, Any]):
    assert Prompts(schema=schema).schema == schema
