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
_OBJECTS = ("properties", "$defs", "definitions")
_ARRAYS = ("required", "enum", "anyOf", "oneOf", "allOf", "prefixItems")
_STRINGS = ("$ref", "pattern", "description", "format")
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "multipleOf")
_ARTICLES = {_OBJECTS: "an object", _ARRAYS: "an array", _STRINGS: "a string", _BOUNDS: "a number"}
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
        for fault in _faults(outputs["regex"], _BEYOND_EXPRESSIONS):
            raise errors.bad_request(f"Grammar error: {fault}")
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


def is_sound(schema: Any) -> bool:
    """Tell whether a value can be made for a schema; vLLM looks at the schemas of tools only when it has to."""
    return next(_problems(schema, schema), None) is None


def _faults(pattern: str, beyond: re.Pattern[str] = _BEYOND_SCHEMAS) -> Iterator[str]:
    """Tell why a pattern is no expression in any dialect, or why no grammar can be made of it."""
    if found := beyond.search(pattern):
        yield f"Regex parsing error: `{found[0]}` is not supported."
    bare = _ATOM.sub("a", pattern)
    depths = list(accumulate({"(": 1, ")": -1}.get(char, 0) for char in bare)) or [0]
    faults = {
        "Unclosed '['": "[" in bare,
        "Escape sequence is not finished.": "\\" in bare,
        "Unmatched ')'": min(depths) < 0,
        "The parenthesis is not closed.": depths[-1] > 0,
        "Expect element, but got a quantifier": _NOTHING_TO_REPEAT.search(bare) is not None,
    }
    yield from (f"Regex parsing error: {fault}" for fault, is_there in faults.items() if is_there)


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
    reference = schema.get("$ref")
    if isinstance(reference, str) and not _is_found(reference, root):
        yield f"Cannot find the field of the reference {reference}"
    for one in _within(schema):
        yield from _problems(one, root)


def _wrong_values(schema: Body) -> Iterator[str]:
    for kind, names in ((Mapping, _OBJECTS), (list, _ARRAYS), (str, _STRINGS), (int | float, _BOUNDS)):
        for name in names:
            if name in schema and (not isinstance(schema[name], kind) or schema[name] != schema[name]):
                yield f"{name} must be {_ARTICLES[names]}"
                return
    if not all(isinstance(name, str) for name in schema.get("required", [])):
        yield "required must be an array of strings"
    if schema.get("enum") == []:
        yield "enum array must not be empty"
    if schema.get("minimum", -math.inf) > schema.get("maximum", math.inf):
        yield "Invalid range: minimum greater than maximum"
    yield from _faults(schema.get("pattern", ""))


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
