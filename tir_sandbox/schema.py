"""Validates JSON schemas, and builds values that fit them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]

from tir_sandbox import errors
from tir_sandbox.patterns import example_of

Schema = Mapping[str, Any]
Suggest = Callable[[str, Schema, bool], Any]
"""Suggests a value, or None, from a field's name, its schema and whether it is required."""

_DEEPEST_OPTIONAL = 8
_DEEPEST = 60
_BUDGET = 50_000
_VALUE_COST = 25
_EXAMPLES = {
    "date": "2026-01-31",
    "time": "09:30:00Z",
    "date-time": "2026-01-31T09:30:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
}


def problem_of(schema: Any) -> str | None:
    """Return what is wrong with a schema, or None if it is valid."""
    reference = ""
    try:
        Draft202012Validator.check_schema(schema)
        for reference in _references(schema):
            _lookup(reference, schema)
    except SchemaError as problem:
        is_type = list(problem.path)[-1:] == ["type"]
        return f"Invalid type: {problem.instance}" if is_type else problem.message
    except (OverflowError, RecursionError) as problem:
        return str(problem)
    except (KeyError, IndexError, TypeError, ValueError):
        return f"Cannot find the field of the reference {reference}"
    return None


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and isinstance(value.get("$ref"), str):
        yield value["$ref"]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    for part in parts:
        yield from _references(part)


def _lookup(reference: str, root: Any) -> Any:
    """Resolve a reference within a schema. As in vLLM, a reference to another document allows any value."""
    if not reference.startswith("#"):
        return {}
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        root = root[int(name)] if isinstance(root, list) else root[name]
    return root


def fill(schema: Schema | bool, suggest: Suggest = lambda *_: None, name: str = "") -> Any:
    """Return a value that fits a schema.

    Args:
        schema: A JSON schema, such as pydantic, LangChain and LlamaIndex generate.
        suggest: Returns values for fields. Optional fields are filled only with a suggestion.
        name: The value's name.

    Raises:
        ApiError: 400, if the value is too large or none is found.
    """
    return _Filler(schema, suggest).value(schema, name)


def type_of(schema: Schema) -> str:
    """Return the type of a schema; if there are several, the first that is not null."""
    kind = schema.get("type")
    if isinstance(kind, list):
        return str(next((one for one in kind if one != "null"), "null"))
    implied = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind or implied)


class _Filler:
    def __init__(self, root: Schema | bool, suggest: Suggest) -> None:
        self._root = root
        self._suggest = suggest
        self._left = _BUDGET

    def value(self, schema: Schema | bool, name: str, depth: int = 0) -> Any:
        self._spend(_VALUE_COST, depth)
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("allOf"):
            return self.value(_merged(schema, [self._resolved(one) for one in schema["allOf"]]), name, depth + 1)
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.value(_branch(options, depth), name, depth + 1)
        suggested = self._suggest(name, schema, True)
        if suggested is not None and _fits(suggested, schema):
            return suggested
        if "enum" in schema:
            return _first(schema["enum"], schema)
        return self._typed(schema, name, depth)

    def _spend(self, cost: int, depth: int = 0) -> None:
        self._left -= cost
        if self._left < 0 or depth > _DEEPEST:
            raise errors.cannot_fill("cannot build values as large or as deep as this schema requires")

    def _resolved(self, schema: Schema | bool) -> Schema:
        """Replace `$ref` by the schemas it refers to."""
        if not isinstance(schema, Mapping):
            return {}
        for _ in range(_DEEPEST_OPTIONAL):
            if "$ref" not in schema:
                break
            found = _lookup(schema["$ref"], self._root)
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**(found if isinstance(found, Mapping) else {}), **rest}
        items = schema.get("items")
        return {**schema, "items": self._resolved(items)} if isinstance(items, Mapping) and "$ref" in items else schema

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        match kind := type_of(schema):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean" | "null":
                return True if kind == "boolean" else None
            case _:
                return self._string(schema, name)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        fields, required = schema.get("properties", {}), schema.get("required", [])
        wanted = [name for name in fields if name in required or self._is_suggested(fields[name], name, depth)]
        wanted += [name for name in required if name not in fields]
        return {name: self.value(fields.get(name, {}), name, depth + 1) for name in wanted}

    def _is_suggested(self, schema: Schema | bool, name: str, depth: int) -> bool:
        return depth < _DEEPEST_OPTIONAL and self._suggest(name, self._resolved(schema), False) is not None

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least, items = schema.get("minItems", 0), schema.get("items", {})
        if "prefixItems" in schema:
            return [self.value(one, name, depth + 1) for one in schema["prefixItems"]]
        wanted = least if depth >= _DEEPEST_OPTIONAL or schema.get("maxItems") == 0 else max(least, 1)
        self._spend(wanted)
        values = [self.value(items, name, depth + 1) for _ in range(wanted)]
        if schema.get("uniqueItems") and not _fits(values, {"uniqueItems": True}):
            raise errors.cannot_fill("cannot build several distinct items")
        return values

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("pattern"):
            return example_of(schema["pattern"])
        if schema.get("format") in _EXAMPLES:
            return _EXAMPLES[schema["format"]]
        text, least = name or "text", schema.get("minLength", 0)
        self._spend(least)
        return text[: schema.get("maxLength")].ljust(least, "x")


def _fits(value: Any, schema: Schema) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


def _first(candidates: Sequence[Any], schema: Schema) -> Any:
    """Return the first value that fits a schema."""
    for value in candidates:
        if _fits(value, schema):
            return value
    raise errors.cannot_fill(f"finds no value for the schema {errors.brief(schema)}")


def _branch(options: Sequence[Schema | bool], depth: int) -> Schema:
    """Choose a schema that has a value; deep inside a recursive schema, one that ends the recursion."""
    schemas: list[Schema] = [one for one in options if isinstance(one, Mapping)]
    if depth < _DEEPEST_OPTIONAL:
        schemas.sort(key=lambda one: one.get("type") == "null")
    else:
        schemas.sort(key=lambda one: one.get("type") in (None, "object", "array"))
    return schemas[0] if schemas else {}


def _merged(schema: Schema, parts: Sequence[Schema]) -> Schema:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", []), *part.get("required", [])]
        merged = {**merged, **part}
        merged |= ({"properties": properties} if properties else {}) | ({"required": required} if required else {})
    return merged


def _number(schema: Schema, *, whole: bool) -> float:
    """Return 1 if it fits, else a number at or between the bounds."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1)
    bounds = [bound for bound in (low, high) if bound is not None]
    near = [step * (bound // step + more) for bound in bounds for more in (0, 1, -1)]
    value = _first([1, *bounds, *near, step, sum(bounds) / 2], schema)
    return int(value) if whole else value
