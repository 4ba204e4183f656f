"""Values that fit a JSON schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tir_sandbox import errors
from tir_sandbox.patterns import example_of

Schema = Mapping[str, Any]
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_DEEPEST = 8
_DEEPEST_AT_ALL = 60
_TRIES = 24
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


def _check_type(value: Any) -> Any:
    for kind in value if isinstance(value, list) else [value]:
        if kind not in _TYPES:
            raise ValueError(f"Invalid type: {kind}")
    return value


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"Regex parsing error: {problem}") from problem
    return pattern


Pattern = Annotated[str, AfterValidator(_check_pattern)]


class _SchemaModel(BaseModel):
    """What has to be true of a schema before a grammar can be made of it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    type: Annotated[Any, BeforeValidator(_check_type)] = "object"
    ref: str | None = Field(None, alias="$ref")
    defs: "dict[str, bool | _SchemaModel]" = Field({}, alias="$defs")
    definitions: "dict[str, bool | _SchemaModel]" = {}
    properties: "dict[str, bool | _SchemaModel]" = {}
    required: list[str] = []
    enum: list[Any] | None = Field(None, min_length=1)
    any_of: "list[bool | _SchemaModel]" = Field([], alias="anyOf")
    one_of: "list[bool | _SchemaModel]" = Field([], alias="oneOf")
    all_of: "list[bool | _SchemaModel]" = Field([], alias="allOf")
    prefix_items: "list[bool | _SchemaModel]" = Field([], alias="prefixItems")
    items: "bool | _SchemaModel" = True
    pattern: Pattern = ""
    description: str = ""
    format: str = ""
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: float | None = Field(None, alias="multipleOf", gt=0)
    min_length: int = Field(0, alias="minLength")
    max_length: int | None = Field(None, alias="maxLength")
    min_items: int = Field(0, alias="minItems")
    max_items: int | None = Field(None, alias="maxItems")


def problem_of(schema: Any) -> str | None:
    """Tell why no answer can be bound to a schema, or None if it is sound."""
    if isinstance(schema, bool):
        return None
    try:
        _SchemaModel.model_validate(schema)
        for reference in _references(schema):
            _lookup(reference, schema)
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        return message if message != first["msg"] else f"{'.'.join(map(str, first['loc']))}: {message}"
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
    """Follow a reference within a schema; one that leads elsewhere allows anything, as on vLLM."""
    if not reference.startswith("#"):
        return {}
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        root = root[int(name)] if isinstance(root, list) else root[name]
    return root


class Hints:
    """What is known about the values of a schema's fields: nothing, unless a subclass knows more."""

    def mentioned(self, options: Sequence[Any]) -> list[Any]:  # noqa: ARG002
        """Return the options that are meant."""
        return []

    def number(self, name: str, *, whole: bool) -> float | None:  # noqa: ARG002
        """Return the number for a field."""
        return None

    def denies(self, name: str) -> bool:  # noqa: ARG002
        """Tell whether a boolean field is false."""
        return False

    def labelled(self, name: str) -> str | None:  # noqa: ARG002
        """Return the value of an optional field, which is filled only if there is one."""
        return None

    def formatted(self, kind: str) -> str | None:  # noqa: ARG002
        """Return a date, an address ... in one of JSON schema's formats."""
        return None

    def string(self, name: str, description: str) -> str:  # noqa: ARG002
        """Return the text of a field."""
        return name or "text"


NO_HINTS = Hints()


def fill(schema: Schema | bool, hints: Hints, name: str = "") -> Any:
    """Return a value that fits a schema.

    Args:
        schema: A JSON schema as pydantic, LangChain and LlamaIndex write them.
        hints: What is known about the values.
        name: What the value is called.

    Raises:
        ApiError: 400, if the value would be too large, or has a pattern for which no text is found.
    """
    return _Filler(schema, hints).value(schema, name, 0)


class _Filler:
    def __init__(self, root: Schema | bool, hints: Hints) -> None:
        self._root = root
        self._hints = hints
        self._left = _BUDGET

    def value(self, schema: Schema | bool, name: str, depth: int) -> Any:
        self._spend(_VALUE_COST, depth)
        if not isinstance(schema, Mapping):
            return {}
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return [*self._hints.mentioned(schema["enum"]), schema["enum"][0]][0]
        if schema.get("allOf"):
            parts = [self._resolved(one) for one in schema["allOf"] if isinstance(one, Mapping)]
            return self.value(_merged(schema, parts), name, depth + 1)
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.value(_branch(schema[key], depth), name, depth + 1)
        return self._typed(_type(schema), schema, name, depth)

    def _spend(self, cost: int, depth: int = 0) -> None:
        self._left -= cost
        if self._left < 0 or depth > _DEEPEST_AT_ALL:
            raise errors.cannot_fill("does not make values as large or as deep as this schema demands")

    def _resolved(self, schema: Schema) -> Schema:
        for _ in range(_DEEPEST):
            if "$ref" not in schema:
                break
            found = _lookup(schema["$ref"], self._root)
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**(found if isinstance(found, Mapping) else {}), **rest}
        return schema

    def _typed(self, kind: str, schema: Schema, name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return _number(schema, self._hints.number(name, whole=kind == "integer"), whole=kind == "integer")
            case "boolean":
                return not self._hints.denies(name)
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        fields, required = schema.get("properties", {}), schema.get("required", [])
        wanted = [name for name in fields if name in required or self._is_known(fields[name], name, depth)]
        wanted += [name for name in required if name not in fields]
        return {name: self.value(fields.get(name, {"type": "string"}), name, depth + 1) for name in wanted}

    def _is_known(self, schema: Schema | bool, name: str, depth: int) -> bool:
        """Tell whether there is a value for an optional field."""
        if not isinstance(schema, Mapping) or depth >= _DEEPEST:
            return False
        schema = self._resolved(schema)
        if schema.get("enum"):
            return bool(self._hints.mentioned(schema["enum"]))
        return self._hints.labelled(name) is not None and _type(schema) in ("string", "integer", "number")

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if "prefixItems" in schema:
            return [self.value(one, name, depth + 1) for one in schema["prefixItems"]]
        items = schema.get("items", {"type": "string"})
        wanted = least if depth >= _DEEPEST or most == 0 else max(least, 1)
        if isinstance(items, Mapping) and (options := self._resolved(items).get("enum")):
            mentioned = self._hints.mentioned(options)
            if least <= len(mentioned) and mentioned:
                return mentioned[:most]
        return self._several(items, name, depth, wanted, distinct=bool(schema.get("uniqueItems")))

    def _several(self, items: Schema | bool, name: str, depth: int, wanted: int, *, distinct: bool) -> list[Any]:
        values: list[Any] = []
        for turn in range(wanted + _TRIES):
            if len(values) == wanted:
                break
            value = self.value(items, name, depth + 1)
            if distinct and value in values:
                value = _varied(items, value, turn)
            if not (distinct and value in values):
                values.append(value)
        return values

    def _string(self, schema: Schema, name: str) -> str:
        if schema.get("pattern"):
            return example_of(schema["pattern"])
        if schema.get("format") in _EXAMPLES:
            return self._hints.formatted(schema["format"]) or _EXAMPLES[schema["format"]]
        text = self._hints.string(name, schema.get("description", ""))
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(text))
        self._spend(least)
        return text[:most].ljust(least, "x")


def _branch(options: Sequence[Schema | bool], depth: int) -> Schema | bool:
    """Choose what has a value; deep in a recursive schema, what ends soonest."""
    schemas: list[Schema] = [one for one in options if isinstance(one, Mapping)]
    simple = ("null", "boolean", "integer", "number", "string")
    if depth < _DEEPEST:
        schemas.sort(key=lambda one: one.get("type") == "null")
    else:
        schemas.sort(key=lambda one: one.get("type") not in simple)
    return schemas[0] if schemas else {}


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _merged(schema: Schema, parts: Sequence[Schema]) -> Schema:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", []), *part.get("required", [])]
        merged = {**merged, **part}
        merged |= ({"properties": properties} if properties else {}) | ({"required": required} if required else {})
    return merged


def _number(schema: Schema, found: float | None, *, whole: bool) -> float:
    """Bring a number within its bounds; without one, take the nearest to 1."""
    step = schema.get("multipleOf") or (1 if whole else 0)
    tiny = step or 0.5
    low, high = schema.get("minimum"), schema.get("maximum")
    if (above := schema.get("exclusiveMinimum")) is not None:
        low = above + tiny if low is None else max(low, above + tiny)
    if (below := schema.get("exclusiveMaximum")) is not None:
        high = below - tiny if high is None else min(high, below - tiny)
    if low is not None and high is not None and low > high:
        low = high = (schema.get("exclusiveMinimum", low) + schema.get("exclusiveMaximum", high)) / 2
    value = 1 if found is None else found
    value = value if low is None else max(value, low)
    value = value if high is None else min(value, high)
    if step:
        value = _stepped(value, step, low)
    return int(value) if whole else value


def _stepped(value: float, step: float, low: float | None) -> float:
    steps = value // step
    return steps * step if low is None or steps * step >= low else (steps + 1) * step


def _varied(items: Schema | bool, value: Any, turn: int) -> Any:
    """Change a value that is already there."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + turn
    if isinstance(value, str) and isinstance(items, Mapping) and not items.get("enum"):
        longest = items.get("maxLength", len(value) + 4)
        return (re.sub(r"\W+$", "", value)[: max(0, longest - 2)] + f"{turn:x}")[:longest]
    options = items.get("enum", []) if isinstance(items, Mapping) else []
    return options[turn % len(options)] if options else value
