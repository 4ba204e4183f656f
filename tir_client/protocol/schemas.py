"""JSON schemas: resolves references, moves definitions, and checks whether a value may fit. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.errors import PydanticUserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tir_client.protocol.responses import Json

FAILURES = (PydanticUserError, ValueError, TypeError, KeyError, AttributeError, NameError, RecursionError)
"""Errors that pydantic and the frameworks raise for a type or tool without a JSON schema."""

_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose value is an object of named schemas."""
_NESTED = frozenset(
    {"items", "prefixItems", "additionalItems", "additionalProperties", "contains", "propertyNames"}
    | {"anyOf", "oneOf", "allOf", "not", "if", "then", "else", "unevaluatedItems", "unevaluatedProperties"}
)
"""Keywords whose value is a schema or a list of schemas."""
_DEFINITIONS = ("$defs", "definitions")
_NOT_OF_OBJECTS = frozenset({"anyOf", "oneOf", "allOf", "enum", "const", "items", "prefixItems", "$ref"})


def map_schema(schema: Any, change: Callable[[Json], Json]) -> Any:
    """A copy of a schema with `change` applied to each subschema, the innermost first."""
    if isinstance(schema, list):
        return [map_schema(part, change) for part in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            copy[key] = {name: map_schema(part, change) for name, part in value.items()}
        else:
            copy[key] = map_schema(value, change) if key in _NESTED else value
    return change(copy)


def forbid_additional_properties(schema: Json) -> Json:
    """Return a schema whose objects allow no additional properties; maps are unchanged."""
    return map_schema(schema, _closed)  # type: ignore[no-any-return]


def _closed(schema: Json) -> Json:
    is_open = "properties" in schema and schema.get("additionalProperties", True) is True
    return {**schema, "additionalProperties": False} if is_open else schema


def inline_references(schema: Json) -> Json:
    """A copy of a schema with references replaced by their definitions, except for recursive ones.

    Servers render the schemas of tools into the prompt; gpt-oss's template omits definitions.
    """
    definitions = _definitions(schema)
    recursive = {name for name in definitions if name in _reachable(definitions[name], definitions)}

    def resolve(part: Json) -> Json:
        name = part.get("$ref")
        if not isinstance(name, str) or name not in definitions or name in recursive:
            return part
        rest = {key: value for key, value in part.items() if key != "$ref"}
        return {**map_schema(definitions[name], resolve), **rest}

    inlined: Json = map_schema({key: value for key, value in schema.items() if key not in _DEFINITIONS}, resolve)
    for place in _DEFINITIONS:
        parts = schema.get(place) or {}
        if kept := [name for name in parts if f"#/{place}/{name}" in recursive]:
            inlined[place] = {name: map_schema(parts[name], resolve) for name in kept}
    return inlined


def resolve_root(schema: Json) -> Json:
    """A copy of a schema without a reference at the top level.

    The parameters of a tool must not be one, but pydantic's schema of a recursive class is.
    """
    target = _definitions(schema).get(str(schema.get("$ref")))
    return schema if target is None else {**target, **{key: schema[key] for key in schema if key != "$ref"}}


def move_definitions(schema: Json, name: str) -> tuple[Json, Json]:
    """A copy of a schema without its definitions, and the definitions, renamed with `name` as the prefix."""
    refers_to_itself = False

    def move(part: Json) -> Json:
        nonlocal refers_to_itself
        reference = part.get("$ref")
        if reference == "#":
            refers_to_itself = True
            return {**part, "$ref": f"#/$defs/{name}"}
        for start in ("#/$defs/", "#/definitions/"):
            if isinstance(reference, str) and reference.startswith(start):
                return {**part, "$ref": f"#/$defs/{name}__{reference.removeprefix(start)}"}
        return part

    moved: Json = map_schema(schema, move)
    parts = {**(moved.pop("definitions", None) or {}), **(moved.pop("$defs", None) or {})}
    definitions = {f"{name}__{key}": part for key, part in parts.items()}
    return moved, {**definitions, name: moved} if refers_to_itself else definitions


def is_of_object(schema: Json) -> bool:
    """Whether a schema is that of an object. One without a type counts as one, although any value fits it."""
    top = resolve_root(schema)
    if "type" in top or "properties" in top:
        return bool(top.get("type", "object") == "object")
    places = {place: schema[place] for place in _DEFINITIONS if place in schema}
    branches = [branch for key in ("anyOf", "oneOf") for branch in top.get(key, ())]
    if branches:
        return all(is_of_object({**branch, **places}) for branch in branches if isinstance(branch, dict))
    return not _NOT_OF_OBJECTS & top.keys()


def _definitions(schema: Json) -> dict[str, Json]:
    return {
        f"#/{place}/{name}": part
        for place in _DEFINITIONS
        for name, part in (schema.get(place) or {}).items()
        if isinstance(part, dict)
    }


def _reachable(schema: Json, definitions: dict[str, Json]) -> set[str]:
    """The definitions that a schema refers to, directly or indirectly."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        new = _references(waiting.pop()) & definitions.keys() - found
        found |= new
        waiting += [definitions[name] for name in new]
    return found


def _references(schema: Json) -> set[str]:
    found: set[str] = set()

    def note(part: Json) -> Json:
        if isinstance(part.get("$ref"), str):
            found.add(part["$ref"])
        return part

    map_schema(schema, note)
    return found


def may_fit(value: object, schema: object) -> bool:
    """Whether a framework might accept a value for a schema. It is lenient: "5" may be a number.

    A value does not fit if a required property is missing, an array, object or null is where another type is required,
    a string is not a number, or the value is not in an enumeration. Other keywords are not checked.
    """
    try:
        return _Fit(schema).check(value, schema)
    except RecursionError:
        return True


class _Fit:
    """Checks each pair of a value and a schema once; nested unions would repeat them exponentially often."""

    def __init__(self, root: object) -> None:
        self._targets: dict[str, object] = {"#": root, **(_definitions(root) if isinstance(root, dict) else {})}
        self._known: dict[tuple[int, int], bool] = {}

    def check(self, value: object, schema: object) -> bool:
        if not isinstance(schema, dict):
            return schema is not False
        pair = id(value), id(schema)
        if pair not in self._known:
            self._known[pair] = True  # ends circular references
            self._known[pair] = (
                _may_be_listed(value, schema)
                and _may_have_type(value, schema)
                and self._members(value, schema)
                and self._branches(value, schema)
            )
        return self._known[pair]

    def _members(self, value: object, schema: Json) -> bool:
        if isinstance(value, list):
            return all(self.check(item, schema.get("items")) for item in value)
        if not isinstance(value, dict):
            return True
        properties = schema.get("properties") or {}
        return all(name in value for name in schema.get("required") or ()) and all(
            self.check(part, properties.get(name)) for name, part in value.items()
        )

    def _branches(self, value: object, schema: Json) -> bool:
        target = self._targets.get(str(schema.get("$ref")))
        unions = [schema[key] for key in ("anyOf", "oneOf") if schema.get(key)]
        return (
            (target is None or self.check(value, target))
            and all(any(self.check(value, branch) for branch in union) for union in unions)
            and all(self.check(value, branch) for branch in schema.get("allOf") or ())
        )


def _may_be_listed(value: object, schema: Json) -> bool:
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    return not isinstance(allowed, list) or value in allowed


def _may_have_type(value: object, schema: Json) -> bool:
    kinds = schema.get("type", [])
    kinds = kinds if isinstance(kinds, list) else [kinds]
    match value:
        case dict():
            return not kinds or "object" in kinds
        case list():
            return not kinds or "array" in kinds
        case None:
            return not kinds or "null" in kinds
        case str() if kinds and set(kinds) <= {"integer", "number"}:
            return _is_number(value)
    return not kinds or not set(kinds) <= {"object", "array", "null"}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
