"""Values that fit a JSON schema, taken from a text where it is easy."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tir_sandbox.rules import find
from tir_sandbox.rules.regex import example_of

Schema = Mapping[str, Any]
_DEEPEST = 8
_TRIES = 24
_LONGEST = 4096
_FORMATS = {
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


def fill(schema: Schema | bool, text: str, name: str = "") -> Any:
    """Return a value that fits `schema`.

    Args:
        schema: A JSON schema as pydantic, LangChain and LlamaIndex write them.
        text: Where words and numbers are taken from.
        name: What the value is called, which tells what to look for.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return _Filler(root, find.Source(text)).value(schema, name, 0)


@dataclass
class _Filler:
    root: Schema
    source: find.Source
    open: list[str] = field(default_factory=list)

    def value(self, schema: Schema | bool, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return {}
        schema = self.resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.source.mentioned(schema["enum"]) or schema["enum"][0]
        if "allOf" in schema:
            return self.value(_merged(schema, [self.resolved(one, depth) for one in schema["allOf"]]), name, depth)
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.value(self.branch(schema[key], depth), name, depth + 1)
        return self.typed(_type(schema), schema, name, depth)

    def resolved(self, schema: Schema, depth: int) -> Schema:
        for _ in range(_DEEPEST):
            if "$ref" not in schema or depth > 4 * _DEEPEST:
                break
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.lookup(schema["$ref"]), **rest}
        return schema

    def lookup(self, reference: str) -> Schema:
        found: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                name = part.replace("~1", "/").replace("~0", "~")
                found = found[int(name)] if isinstance(found, list) else found.get(name, {})
        return found if isinstance(found, Mapping) else {}

    def branch(self, options: Sequence[Schema | bool], depth: int) -> Schema:
        """Choose what says something; deep in a recursive schema, what ends soonest."""
        schemas: list[Schema] = [one for one in options if isinstance(one, Mapping)] or [{}]
        if depth < _DEEPEST:
            ranked = sorted(schemas, key=lambda one: one.get("type") == "null")
        else:
            simple = ("null", "boolean", "integer", "number", "string")
            ranked = sorted(schemas, key=lambda one: one.get("type") not in simple)
        return ranked[0]

    def typed(self, kind: str, schema: Schema, name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self.object(schema, depth)
            case "array":
                return self.array(schema, name, depth)
            case "integer" | "number":
                return _number(schema, self.source.number(name, whole=kind == "integer"), whole=kind == "integer")
            case "boolean":
                return not self.source.denies(name)
            case "null":
                return None
            case _:
                return self.string(schema, name)

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        fields: Mapping[str, Any] = schema.get("properties") or {}
        required = schema.get("required", [])
        wanted = [name for name in fields if name in required or self.is_told(fields[name], name, depth)]
        wanted += [name for name in required if name not in fields]
        return {name: self.value(fields.get(name, {"type": "string"}), name, depth + 1) for name in wanted}

    def is_told(self, schema: Schema | bool, name: str, depth: int) -> bool:
        """Tell whether the text gives an optional field."""
        if not isinstance(schema, Mapping) or depth >= _DEEPEST:
            return False
        schema = self.resolved(schema, depth)
        if schema.get("enum"):
            return self.source.mentioned(schema["enum"]) is not None
        return self.source.labelled(name) is not None and _type(schema) in ("string", "integer", "number")

    def array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        least, most = min(int(schema.get("minItems", 0)), _LONGEST), schema.get("maxItems")
        if "prefixItems" in schema:
            return [self.value(one, name, depth + 1) for one in schema["prefixItems"]]
        items = schema.get("items", {"type": "string"})
        wanted = least if depth >= _DEEPEST or most == 0 else max(least, 1)
        if isinstance(items, Mapping) and self.resolved(items, depth).get("enum"):
            mentioned = self.source.all_mentioned(self.resolved(items, depth)["enum"])
            if least <= len(mentioned) and mentioned:
                return mentioned[:most]
        return self.several(items, name, depth, wanted, distinct=bool(schema.get("uniqueItems")))

    def several(self, items: Schema | bool, name: str, depth: int, wanted: int, *, distinct: bool) -> list[Any]:
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

    def string(self, schema: Schema, name: str) -> str:
        if schema.get("pattern"):
            return example_of(schema["pattern"])
        if schema.get("format") in _FORMATS:
            return self.source.formatted(schema["format"]) or _FORMATS[schema["format"]]
        text = self.source.string(name, str(schema.get("description", "")))
        least, most = min(int(schema.get("minLength", 0)), _LONGEST), int(schema.get("maxLength", len(text)))
        return text[:most].ljust(least, "x")


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
