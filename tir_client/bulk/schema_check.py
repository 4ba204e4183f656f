"""Refuses an invalid JSON schema before the first request of a run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.errors import ConfigurationError

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")
_SCHEMAS = ("items", "additionalProperties", "anyOf", "allOf", "oneOf", "prefixItems", "not")


def check_schema(schema: Json) -> None:
    """Check a JSON schema with the package `jsonschema`; if it is not installed, check only the names of types.

    Raises:
        ConfigurationError: It is not valid.
    """
    problem = _first_problem(schema)
    if problem:
        raise ConfigurationError(f"`schema` is not a valid JSON schema: {problem}")


def _first_problem(schema: Json) -> str:
    try:
        from jsonschema import (  # type: ignore[import-untyped]  # noqa: PLC0415 - an optional package
            Draft202012Validator,
            FormatChecker,
            SchemaError,
            validators,
        )
    except ImportError:
        return wrong_type(schema)
    try:
        # No formats: a pattern is for the server's expressions, which are not those of Python.
        validators.validator_for(schema, Draft202012Validator).check_schema(schema, FormatChecker(formats=()))
    except SchemaError as error:
        return f"{error.message} (at {error.json_path})"
    return ""


def wrong_type(schema: object) -> str:
    """The problem with the first invalid `type` in a schema; empty if all are valid."""
    if isinstance(schema, list):
        return next(filter(None, map(wrong_type, schema)), "")
    if not isinstance(schema, dict):
        return ""
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if not isinstance(kind, str) or kind not in _TYPES:
            return f"{kind!r} is not a type; types are {', '.join(sorted(_TYPES))}."
    by_name = [schema[name] for name in _SCHEMAS_BY_NAME if isinstance(schema.get(name), dict)]
    return wrong_type([*(part for parts in by_name for part in parts.values()), *map(schema.get, _SCHEMAS)])
