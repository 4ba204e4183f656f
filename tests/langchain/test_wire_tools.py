"""Tools, tool choices and schemas in their wire form, without a server."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import pytest
from langchain_core.tools import InjectedToolArg, StructuredTool, Tool, tool
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_tir._schemas import schema_of_class
from langchain_tir._tool_forms import function_of_dict, is_json_schema, label
from langchain_tir._tools import to_response_format, to_tool, tool_fields, whole_schema
from tir_client import InvalidRequestError
from tir_client.protocol.schemas import forbid_additional_properties

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = {**CITY, "additionalProperties": False}
NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
TEXT_INPUT = {"type": "object", "properties": {"__arg1": {"type": "string"}}, "required": ["__arg1"]}


class GetWeather(BaseModel):
    """Get the weather of a city."""

    city: str


class GetWeatherV1(BaseModelV1):
    """Get the weather of a city."""

    city: str


class GetWeatherDict(TypedDict):
    """Get the weather of a city."""

    city: str


class Undescribed(BaseModel):
    city: str


Undescribed.__doc__ = None


def get_weather(city: str, token: Annotated[str, InjectedToolArg] = "") -> str:
    """Get the weather of a city.

    Args:
        city: Its name.
        token: Not for the model.
    """
    return city + token


def undescribed(city: str) -> str:
    return city


def function(name: str = "get_weather", description: str = "Get the weather of a city.", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": description, "parameters": CITY, **more}


NAMED_CITY = {**CITY, "properties": {"city": {"type": "string", "description": "Its name."}}}
FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a class": (GetWeather, function("GetWeather")),
    "a class of pydantic 1": (GetWeatherV1, function("GetWeatherV1")),
    "a TypedDict": (GetWeatherDict, function("GetWeatherDict")),
    "a class without a docstring": (Undescribed, function("Undescribed", "")),
    "a function": (get_weather, function(parameters=NAMED_CITY)),
    "a function without a docstring": (undescribed, function("undescribed", "")),
    "a tool": (tool(undescribed, description="Get it."), function("undescribed", "Get it.")),
    "a tool of a class": (
        StructuredTool(name="t", description="d", args_schema=GetWeather, func=print),
        function("t", "d"),
    ),
    "a tool of a JSON schema": (
        StructuredTool(name="t", description="d", args_schema={"title": "x", **CITY}, func=print),
        function("t", "d"),
    ),
    "a tool of one text": (Tool(name="t", description="d", func=print), function("t", "d", parameters=TEXT_INPUT)),
    "a tool of one text with a schema": (
        Tool(name="t", description="d", func=print, args_schema=GetWeather),
        function("t", "d"),
    ),
    "a custom tool": (
        StructuredTool.from_function(get_weather, name="t", description="d", metadata={"type": "custom_tool"}),
        function("t", "d", parameters=TEXT_INPUT),
    ),
    "a JSON schema": ({"title": "t", "description": "d", **CITY}, function("t", "d")),
    "a JSON schema with a name": ({"name": "t", **CITY}, function("t", "")),
    "a JSON schema without a name": (CITY, function("answer", "")),
    "a JSON schema whose title is no text": ({"title": 7, **CITY}, function("answer", "")),
    "a JSON schema with an empty title": ({"title": "", **CITY}, function("answer", "")),
    "a JSON schema without a type": ({"properties": CITY["properties"]}, {
        "name": "answer",
        "description": "",
        "parameters": {"type": "object", "properties": CITY["properties"]},
    }),
    "a response format": (
        {"type": "json_schema", "json_schema": {"name": "t", "schema": CITY, "strict": True}},
        {"name": "t", "parameters": CITY, "strict": True},
    ),
    "OpenAI's tool": (
        {"type": "function", "function": {"name": "t", "parameters": CITY, "more": 1}},
        {"name": "t", "parameters": CITY, "more": 1},
    ),
    "OpenAI's function": (
        {"name": "t", "description": "d", "parameters": CITY, "strict": False, "more": 1},
        function("t", "d", strict=False),
    ),
    "Anthropic's tool": ({"name": "t", "description": "d", "input_schema": CITY}, function("t", "d")),
    "OpenAI's format": ({"name": "t", "schema": CITY}, {"name": "t", "parameters": CITY}),
    "OpenAI's format without a name": ({"schema": CITY}, {"name": "answer", "parameters": CITY}),
    "Bedrock's tool": (
        {"toolSpec": {"name": "t", "description": "d", "inputSchema": {"json": CITY}}},
        function("t", "d"),
    ),
    "a tool of MCP": (
        {"name": "t", "description": "d", "inputSchema": CITY, "annotations": {"readOnlyHint": True}},
        function("t", "d"),
    ),
    "a tool of MCP with an argument named json": (
        {"name": "t", "description": "d", "inputSchema": {"type": "object", "json": "x"}},
        function("t", "d", parameters={"type": "object", "json": "x"}),
    ),
    "OpenAI's custom tool": (
        {"type": "custom", "custom": {"name": "t", "description": "d", "format": {"type": "text"}}},
        function("t", "d", parameters=TEXT_INPUT),
    ),
    "a custom tool with an empty format": (
        {"type": "custom", "name": "t", "format": {}},
        {"name": "t", "parameters": TEXT_INPUT},
    ),
    "a name": (
        {"type": "function", "name": "t", "description": "d", "strict": True, "more": 1},
        {"name": "t", "description": "d", "strict": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("form", "sent"), FORMS.values(), ids=FORMS)
def test_a_tool_of_any_form_has_its_function(form: Any, sent: dict[str, Any]):
    assert to_tool(form) == {"type": "function", "function": sent}


def test_titles_of_fields_are_left_out():
    schema = {"type": "object", "properties": {"title": {"title": "Title", "type": "string"}}}

    assert to_tool(schema)["function"]["parameters"]["properties"] == {"title": {"type": "string"}}


def test_strict_closes_the_schema_and_is_sent():
    assert to_tool(CITY, strict=True)["function"] == function("answer", "", parameters=CLOSED, strict=True)
    assert to_tool(CITY, strict=False)["function"] == function("answer", "", strict=False)
    assert to_tool({"name": "t", "parameters": CITY, "strict": True})["function"]["parameters"] == CITY
    assert to_tool({"name": "t"}, strict=True)["function"] == {"name": "t", "strict": True}


def test_the_callers_tool_is_not_changed():
    given = {"type": "function", "function": {"name": "t", "parameters": CITY}}

    to_tool(given, strict=True)

    assert given == {"type": "function", "function": {"name": "t", "parameters": CITY}}
    assert function_of_dict(given) is not given["function"]


class Mood(Enum):
    """Moods."""

    GOOD = "good"


class Unknown:
    """A class without a JSON schema."""


class Bad(BaseModel):
    """It has a field of one."""

    model_config = {"arbitrary_types_allowed": True}
    thing: Unknown


UNNAMED_TOOL = "cannot be offered as a tool: it has no name"
REFUSED: dict[str, tuple[Any, str]] = {
    "a number": (7, "7 is neither a tool nor the schema of an object: its type is int"),
    "a list": (list[int], "'list' is neither a tool nor the schema of an object: "),
    "an enumeration": (Mood, "'Mood' is neither a tool nor the schema of an object: it is an enumeration."),
    "a class with a type of Python": (Bad, "Bad has no JSON schema: "),
    "a nameless function": ({"type": "function", "function": {"parameters": {}}}, UNNAMED_TOOL),
    "an empty name": ({"type": "function", "function": {"name": ""}}, UNNAMED_TOOL),
    "a number as a name": ({"name": 7, "parameters": CITY}, UNNAMED_TOOL),
    "an own tool of a provider": (
        {"type": "web_search", "name": "search"},
        "'search' cannot be offered as a tool: it has no name, or only another provider's servers run it.",
    ),
    "Cohere's tool": (
        {"name": "t", "description": "d", "parameter_definitions": {"city": {"type": "str"}}},
        "'t' cannot be offered as a tool: its 'parameter_definitions' is not read; the JSON schema of its arguments",
    ),
    "a schema that is no object": ({"name": "t", "parameters": True}, "its 'parameters' is not read"),
    "a grammar": (
        {"type": "custom", "name": "sql", "format": {"type": "grammar"}},
        "'sql' is a custom tool with a grammar",
    ),
}


@pytest.mark.parametrize(("form", "words"), REFUSED.values(), ids=REFUSED)
def test_an_object_that_is_not_a_tool_is_refused_by_name(form: Any, words: str):
    with pytest.raises(InvalidRequestError) as raised:
        to_tool(form)
    assert words in str(raised.value)


def test_a_callable_without_a_name_is_refused():
    with pytest.raises(InvalidRequestError, match="its type is partial"):
        to_tool(partial(get_weather, city="Pune"))


def test_a_tool_without_a_schema_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(StructuredTool, "tool_call_schema", property(lambda _: 7))

    with pytest.raises(InvalidRequestError, match=r"'t' is neither .*: its arguments have no JSON schema"):
        to_tool(StructuredTool(name="t", description="d", args_schema=CITY, func=print))


def test_an_error_names_a_tool_or_shows_its_beginning():
    assert label({"name": "t", "type": "x"}) == "'t'"
    assert label(get_weather) == "'get_weather'"
    assert label(Tool(name="sql", description="d", func=print)) == "'sql'"
    assert label({"name": 7}) == "{'name': 7}"
    assert label(7) == "7"
    assert label({"data": "x" * 200}) == ("{'data': '" + "x" * 200)[:100]


# Tools and their choice


def test_tools_are_a_list_or_a_single_one():
    offered = [to_tool(GetWeather)]

    for tools in ([GetWeather], (GetWeather,), GetWeather, iter([GetWeather])):
        assert tool_fields(tools, None) == {"tools": offered}
    assert tool_fields({"title": "t", **CITY}, None)["tools"][0]["function"]["name"] == "t"
    assert tool_fields(tool(get_weather), None)["tools"][0]["function"]["name"] == "get_weather"
    assert tool_fields([GetWeather], None, strict=True)["tools"] == [to_tool(GetWeather, strict=True)]


NAMED = {"type": "function", "function": {"name": "GetWeather"}}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        (False, "none"),
        ("any", "required"),
        (True, NAMED),
        ("GetWeather", NAMED),
        (NAMED, NAMED),
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "required"}, "required"),
        ({"type": "tool", "name": "GetWeather"}, NAMED),
        ({"type": "function", "name": "GetWeather"}, NAMED),
        ({"type": "custom", "name": "GetWeather"}, NAMED),
        ({"type": "custom", "custom": {"name": "GetWeather"}}, NAMED),
    ],
)
def test_a_choice_of_any_form_is_sent_in_its_wire_form(choice: Any, sent: Any):
    assert tool_fields([GetWeather], choice)["tool_choice"] == sent


@pytest.mark.parametrize("choice", [{"type": "any", "more": 1}, {"type": "tool", "name": "GetWeather", "more": 1}])
def test_a_choice_with_further_fields_is_refused(choice: Any):
    with pytest.raises(InvalidRequestError, match="the tools offered are GetWeather"):
        tool_fields([GetWeather], choice)


# Schemas of answers


def wire_format(name: str, schema: dict[str, Any], **strict: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **strict}}


def test_a_response_format_is_unchanged_except_for_strict():
    for kind in ("json_object", "text", "structural_tag"):
        assert to_response_format({"type": kind}) == {"type": kind}
        with pytest.raises(InvalidRequestError, match=f"`strict` has no effect with a format of type '{kind}'"):
            to_response_format({"type": kind}, strict=True)
    wire = wire_format("t", CITY)
    assert to_response_format(wire) is wire
    assert to_response_format(wire, strict=False) == wire_format("t", CITY, strict=False)
    assert wire == wire_format("t", CITY)


def test_a_schema_becomes_a_response_format():
    whole = GetWeather.model_json_schema()

    assert to_response_format(GetWeather) == wire_format("GetWeather", whole)
    assert to_response_format(GetWeather, strict=False) == wire_format("GetWeather", whole, strict=False)
    assert to_response_format(GetWeather, strict=True) == wire_format(
        "GetWeather", forbid_additional_properties(whole), strict=True
    )
    assert to_response_format({"name": "t", "schema": CITY}) == wire_format("t", CITY)
    assert to_response_format({"name": "t", "schema": CITY}, strict=True) == wire_format("t", CITY, strict=True)
    assert to_response_format({"name": "t", "schema": CITY, "strict": False}) == wire_format("t", CITY, strict=False)
    assert to_response_format({"schema": CITY}) == wire_format("answer", CITY)
    assert to_response_format(CITY) == wire_format("answer", CITY)
    assert to_response_format({"name": "t", "parameters": CITY, "strict": True}) == wire_format("t", CITY, strict=True)


@pytest.mark.parametrize(
    "schema",
    [
        {"name": "t", "schema": CITY, "strict": False},
        {"name": "t", "parameters": CITY, "strict": False},
        {"type": "json_schema", "json_schema": {"name": "t", "schema": CITY, "strict": False}},
    ],
)
def test_two_values_for_strict_are_refused(schema: Any):
    assert to_response_format(schema, strict=False)["json_schema"]["strict"] is False
    for convert in (to_response_format, to_tool):
        with pytest.raises(InvalidRequestError, match="`strict` is True, but False in the schema"):
            convert(schema, strict=True)


def test_the_schema_of_a_tool_is_that_of_its_arguments():
    assert whole_schema(CITY, {}) is CITY
    assert whole_schema(GetWeather, {}) == GetWeather.model_json_schema()
    assert whole_schema({"name": "t", "parameters": CITY}, {"parameters": CITY}) == CITY
    assert whole_schema({"name": "t"}, {"parameters": None}) == NO_ARGUMENTS
    assert whole_schema({"name": "t"}, {}) == NO_ARGUMENTS


def test_a_schema_is_closed_where_it_lists_properties():
    inner = {"type": "object", "properties": {"a": {"type": "string"}}}
    schema = {"type": "object", "properties": {"b": inner, "c": {"type": "object", "additionalProperties": inner}}}

    assert forbid_additional_properties(schema) == {
        "type": "object",
        "properties": {
            "b": {**inner, "additionalProperties": False},
            "c": {"type": "object", "additionalProperties": {**inner, "additionalProperties": False}},
        },
        "additionalProperties": False,
    }
    assert forbid_additional_properties({**inner, "additionalProperties": True})["additionalProperties"] is False
    assert forbid_additional_properties({**inner, "additionalProperties": {"type": "string"}})[
        "additionalProperties"
    ] == {"type": "string"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "object"}, True),
        ({"type": ["string", "null"]}, True),
        ({"type": "function"}, False),
        ({"type": "json_object"}, False),
        ({"properties": {}}, True),
        ({"$ref": "#/$defs/a"}, True),
        ({"properties": {}, "parameters": {}}, False),
        ({"name": "t"}, False),
    ],
)
def test_a_json_schema_is_distinguished_from_a_tool_or_format_with_one(value: dict[str, Any], expected: bool):
    assert is_json_schema(value) is expected


# Classes


class Part(TypedDict, total=False):
    """A part."""

    name: Required[str]
    parent: Part


class Whole(TypedDict):
    """A whole.

    It has parts.

    Args:
        parts (list): The parts,
            by name.
        kind: What: it is.

    Example:
        size: None.
    """

    parts: Annotated[dict[str, Part], "x"]
    kind: Literal["a", "b"]
    size: Annotated[int, ..., "How big."]
    weight: Annotated[float, 1.5]
    label: NotRequired[str | None]
    best: NotRequired[Part | None]
    limit: Annotated[int, Field(ge=1)]
    pairs: list[tuple[int, Part]]
    kind2: NotRequired[Annotated[Part, Field(description="A part.")]]


def test_a_typed_dict_has_the_schema_of_its_hints():
    schema = schema_of_class(Whole)

    assert schema is not None
    assert (schema["title"], schema["description"]) == ("Whole", "A whole.\n\nIt has parts.")
    fields = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in schema["properties"].items()
    }
    (part,) = schema["$defs"]
    reference = {"$ref": f"#/$defs/{part}"}
    assert fields["parts"] == {
        "type": "object",
        "additionalProperties": reference,
        "default": "x",
        "description": "The parts, by name.",
    }
    assert fields["kind"] == {"type": "string", "enum": ["a", "b"], "description": "What: it is."}
    assert fields["size"] == {"type": "integer", "description": "How big."}
    assert fields["weight"] == {"type": "number", "default": 1.5}
    assert fields["label"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert fields["best"] == {"anyOf": [reference, {"type": "null"}]}
    assert fields["limit"] == {"type": "integer", "minimum": 1}
    assert fields["pairs"]["items"]["prefixItems"] == [{"type": "integer"}, reference]
    assert fields["kind2"]["$ref"] == reference["$ref"]
    assert schema["required"] == ["kind", "size", "limit", "pairs"]
    assert schema["$defs"][part]["required"] == ["name"]
    assert schema["$defs"][part]["properties"]["parent"] == reference


class Numbered(TypedDict):
    """Its description is a number."""

    thing: Annotated[str, ..., 7]


def test_a_description_that_is_not_text_is_refused():
    with pytest.raises(
        InvalidRequestError, match="Numbered has no JSON schema: the description of 'thing' is not a string but 7"
    ):
        schema_of_class(Numbered)


@pytest.mark.parametrize("value", [7, "a", int, Unknown, get_weather, GetWeather(city="Pune"), None])
def test_a_value_that_is_not_a_class_with_fields_has_no_schema(value: Any):
    assert schema_of_class(value) is None
