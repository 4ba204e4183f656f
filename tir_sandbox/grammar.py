"""The schemas and expressions that an answer is bound to, as far as a grammar can be made of them."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from tir_sandbox import errors

Body = Mapping[str, Any]
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_KINDS = ("json", "regex", "choice", "grammar", "json_object", "structural_tag")
_ATOM = re.compile(r"\\.|\[\^?(?:\\.|[^\]\\])+\]", re.DOTALL)
_NOTHING_TO_REPEAT = re.compile(r"(?:^|\|)[*+?]|\([*+]")
_BEYOND_SCHEMAS = re.compile(r"(?<!\\)(?:\(\?<[=!]|\\[1-9])")
_BEYOND_EXPRESSIONS = re.compile(r"(?<!\\)(?:\(\?<?[=!]|\\[1-9])")


def check_constraints(body: Body) -> None:
    """Refuse more than one constraint, or a `structured_outputs` or `json_schema` without any."""
    given, wanted = body.get("structured_outputs"), body.get("response_format") or {}
    if given is None and wanted.get("type") in (None, "text"):
        return
    found = {kind: (given or {}).get(kind) for kind in _KINDS}
    if wanted.get("type") == "json_schema":
        found["json"] = wanted["json_schema"].get("schema")
    elif wanted.get("type") in ("json_object", "structural_tag"):
        found[wanted["type"]] = True
    found = {kind: value for kind, value in found.items() if value is not None}
    shown = {kind: found.get(kind) for kind in _KINDS}
    if not found:
        message = "You must use one kind of structured outputs constraint but none are specified"
        raise errors.bad_request(f"{message}: {shown}")
    if len(found) > 1:
        message = "You can only use one kind of structured outputs constraint but multiple are specified"
        raise errors.bad_request(f"{message}: {shown}")


def check(body: Body) -> None:
    """Refuse a schema or an expression that is none."""
    outputs = body.get("structured_outputs") or {}
    wanted = (body.get("response_format") or {}).get("json_schema") or {}
    if outputs.get("choice") == []:
        raise errors.bad_request("Choice '[]' cannot be an empty list")
    if ":" not in outputs.get("grammar", ":"):
        raise errors.bad_request("Invalid grammar specification.")
    if outputs.get("regex"):
        _expression(outputs["regex"], _BEYOND_EXPRESSIONS)
    schema = wanted.get("schema", outputs.get("json"))
    if isinstance(schema, str):
        schema = _loaded(schema)
    if schema is not None:
        for problem in _problems(schema, schema):
            raise errors.bad_request(f"Grammar error: {problem}")


def _loaded(schema: str) -> Any:
    try:
        loaded = json.loads(schema)
    except ValueError as problem:
        raise errors.bad_request("Invalid JSON grammar specification.") from problem
    if not isinstance(loaded, Mapping | bool):
        raise errors.bad_request("Grammar error: The schema has to be an object.")
    return loaded


def _expression(pattern: str, beyond: re.Pattern[str] = _BEYOND_SCHEMAS) -> None:
    """Refuse what is no expression in any dialect, and what no grammar can be made of."""
    if found := beyond.search(pattern):
        raise errors.bad_request(f"Grammar error: Regex parsing error: `{found[0]}` is not supported.")
    bare = _ATOM.sub("a", pattern)
    depths = list(accumulate({"(": 1, ")": -1}.get(char, 0) for char in bare)) or [0]
    faults = {
        "Unclosed '['": "[" in bare,
        "Escape sequence is not finished.": "\\" in bare,
        "Unmatched ')'": min(depths) < 0,
        "The parenthesis is not closed.": depths[-1] > 0,
        "Expect element, but got a quantifier": _NOTHING_TO_REPEAT.search(bare) is not None,
    }
    for fault in (message for message, is_there in faults.items() if is_there):
        raise errors.bad_request(f"Grammar error: Regex parsing error: {fault}")


def _problems(schema: Any, root: Any) -> Iterator[str]:
    """Walk through a schema and tell what is wrong with it."""
    if not isinstance(schema, Mapping):
        if not isinstance(schema, bool):
            yield "A schema has to be a boolean or an object"
        return
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _TYPES:
            yield f"Invalid type: {kind}"
    yield from _wrong_values(schema)
    if isinstance(schema.get("$ref"), str) and not _is_found(schema["$ref"], root):
        yield f"Cannot find the field of the reference {schema['$ref']}"
    for one in _within(schema):
        yield from _problems(one, root)


def _wrong_values(schema: Body) -> Iterator[str]:
    if not isinstance(schema.get("properties", {}), Mapping):
        yield "properties must be an object"
    for name in ("required", "anyOf", "oneOf", "allOf"):
        if not isinstance(schema.get(name, []), list):
            yield f"{name} must be an array"
    if schema.get("enum") == []:
        yield "enum array must not be empty"
    for name in _BOUNDS:
        if not isinstance(schema.get(name, 0), int | float):
            yield f"{name} must be a number"
            return
    if schema.get("minimum", -math.inf) > schema.get("maximum", math.inf):
        yield "Invalid range: minimum greater than maximum"
    if isinstance(schema.get("pattern"), str):
        _expression(schema["pattern"])


def _within(schema: Body) -> Iterator[Any]:
    for name in ("properties", "$defs", "definitions"):
        fields = schema.get(name)
        yield from fields.values() if isinstance(fields, Mapping) else ()
    for name in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts = schema.get(name)
        yield from parts if isinstance(parts, list) else ()
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield schema[name]


def _is_found(reference: str, root: Any) -> bool:
    if not reference.startswith("#"):
        return True
    found = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        fields = dict(zip(map(str, range(len(found))), found, strict=True)) if isinstance(found, list) else found
        if not isinstance(fields, Mapping) or name not in fields:
            return False
        found = fields[name]
    return True
