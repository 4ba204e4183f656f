"""Schemas of every kind are sent whole, on every path; types without a JSON schema are refused before any request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from jsonschema import Draft202012Validator
from langchain_core.tools import StructuredTool, Tool, tool
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1

from langchain_tir import ChatTIR
from langchain_tir._tools import to_response_format, to_tool, tool_fields
from tir_client import InvalidRequestError
from tir_sandbox import Reply, Sandbox, ToolCall


class Node(BaseModel):
    """A node."""

    value: int
    children: list[Node] = []


class NodeV1(BaseModelV1):
    """A node."""

    value: int
    children: list[NodeV1] = []


NodeV1.update_forward_refs()


class NodeDict(TypedDict):
    """A node."""

    value: int
    children: list[NodeDict]


class NodeMap(TypedDict):
    """A node."""

    value: int
    children: NotRequired[list[NodeMap] | None]


def add_node(node: Node) -> str:
    """Add a node."""
    return str(node)


RECURSIVE: dict[str, Any] = {
    "a pydantic class": Node,
    "a pydantic 1 class": NodeV1,
    "a TypedDict": NodeDict,
    "a TypedDict with optional fields": NodeMap,
    "its JSON schema": Node.model_json_schema(),
    "a schema that refers to its top": {
        "title": "Node",
        "type": "object",
        "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["value"],
    },
    "a function": add_node,
    "a tool": tool(add_node),
    "a tool of a JSON schema": StructuredTool(
        name="add_node", description="d", args_schema=Node.model_json_schema(), func=print
    ),
}
TREE = {"value": 1, "children": [{"value": 2, "children": []}]}
NOT_TREE = {"value": 1, "children": [{"value": "two", "children": []}]}


def of_node(schema: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether a value fits a schema; for the schema of a function's arguments, as its argument `node`."""
    value = {"node": value} if "node" in schema.get("properties", {}) else value
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize("schema", RECURSIVE.values(), ids=RECURSIVE)
@pytest.mark.parametrize("strict", [None, True, False])
def test_a_recursive_schema_binds_at_every_depth(schema: Any, strict: bool | None):
    of_tool = to_tool(schema, strict=strict)["function"]["parameters"]
    of_format = to_response_format(schema, strict=strict)["json_schema"]["schema"]

    for sent in (of_tool, of_format):
        Draft202012Validator.check_schema(sent)
        assert of_node(sent, TREE)
        assert not of_node(sent, NOT_TREE)
    assert of_tool["type"] == "object"


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("schema", [Node, NodeDict, RECURSIVE["its JSON schema"]])
def test_a_recursive_object_is_returned(model: ChatTIR, sandbox: Sandbox, schema: Any, method: Any):
    name = to_tool(schema)["function"]["name"]
    reply = Reply(text=json.dumps(TREE)) if method == "json_schema" else Reply(tool_calls=[ToolCall(name, TREE)])
    sandbox.script(reply)

    tree = model.with_structured_output(schema, method=method).invoke("A tree")

    assert (tree.model_dump() if isinstance(tree, BaseModel) else tree) == TREE


class Address(BaseModel):
    """An address."""

    street: str


class Person(BaseModel):
    """A person."""

    title: str
    home: Address
    work: Address = Field(description="Where to write to.")


def test_references_in_the_schema_of_a_tool_are_resolved():
    """Servers render tools into the prompt without `$defs`."""
    sent = to_tool(Person)["function"]["parameters"]

    address = {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}
    assert sent["properties"]["title"] == {"type": "string"}
    assert sent["properties"]["home"] == {**address, "description": "An address."}
    assert sent["properties"]["work"] == {**address, "description": "Where to write to."}
    assert "$defs" not in sent


def test_the_schema_of_a_format_keeps_its_references():
    assert to_response_format(Person)["json_schema"]["schema"] == Person.model_json_schema()


PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TITLELESS: dict[str, tuple[dict[str, Any], Any]] = {
    "an object": ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}),
    "an object without properties": ({"type": "object"}, {"a": 1}),
    "a reference": (Node.model_json_schema(), TREE),
    "an array": ({"type": "array", "items": {"type": "integer"}}, [1]),
    "a union of objects": (
        {"anyOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}, Address.model_json_schema()]},
        {"a": 1},
    ),
    "a union": ({"anyOf": [{"type": "array"}, {"type": "object"}]}, [1]),
    "several types": ({"type": ["array", "null"]}, [1]),
    "an enumeration": ({"enum": ["a", "b"]}, "a"),
    "a text": ({"type": "string"}, "a"),
}


@pytest.mark.parametrize(("schema", "value"), TITLELESS.values(), ids=TITLELESS)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_json_schema_needs_no_title(model: ChatTIR, sandbox: Sandbox, schema: Any, value: Any, streamed: bool):
    sandbox.script(Reply(text=json.dumps(value)))
    chain = model.with_structured_output(schema)

    assert (list(chain.stream("Q"))[-1] if streamed else chain.invoke("Q")) == value
    assert sandbox.requests[-1].body["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize(("schema", "value"), TITLELESS.values(), ids=TITLELESS)
def test_a_json_schema_of_a_call_needs_no_title(model: ChatTIR, sandbox: Sandbox, schema: Any, value: Any):
    chain = model.with_structured_output(schema, method="function_calling")
    arguments = value if chain.last.of_object else {"value": value}
    sandbox.script(Reply(tool_calls=[ToolCall(chain.last.tool, arguments)]))

    assert chain.invoke("Q") == value
    assert chain.last.of_object == isinstance(value, dict)


def test_the_arguments_of_a_call_may_be_a_union_of_objects(model: ChatTIR, sandbox: Sandbox):
    schema = TITLELESS["a union of objects"][0]
    sandbox.script(Reply(tool_calls=[ToolCall("answer", {"city": "Pune"})]))

    assert model.with_structured_output(schema, method="function_calling").invoke("Q") == {"city": "Pune"}
    assert sandbox.requests[-1].body["tools"][0]["function"]["parameters"]["anyOf"][0]["properties"]


class Weather(TypedDict, total=False):
    """The weather.

    It may change.

    Args:
        unit: Of the temperature,
            such as C.
    """

    city: Annotated[str, ..., "The city."]
    unit: Literal["C", "F"]
    days: Annotated[int, 1, "How many."]
    schema: str
    parts: dict[str, list[NodeDict]]


def test_a_typed_dict_says_what_is_required_and_describes_its_fields():
    sent = to_tool(Weather)["function"]

    assert (sent["name"], sent["description"]) == ("Weather", "The weather.\n\nIt may change.")
    fields = sent["parameters"]["properties"]
    assert fields["city"] == {"type": "string", "description": "The city."}
    assert fields["unit"] == {"type": "string", "enum": ["C", "F"], "description": "Of the temperature, such as C."}
    assert fields["days"] == {"type": "integer", "default": 1, "description": "How many."}
    assert fields["schema"] == {"type": "string"}
    assert sent["parameters"]["required"] == ["city"]


@pytest.mark.parametrize(
    ("docstring", "text", "city"),
    [
        (None, "", None),
        ("A place.", "A place.", None),
        ("A place.\n\nArgs:\n    city: Its name.\n\nNotes.", "A place.", "Its name."),
        ("A place.\n\nArgs:\n    city(str): Its name.", "A place.", "Its name."),
        (
            "A place.\n\nArgs:\n    city (str): Its name,\n        such as: Pune.",
            "A place.",
            "Its name, such as: Pune.",
        ),
        ("A place.\n\nArgs:\n    Of the map.\n    city: Its name.", "A place.", "Its name."),
    ],
)
def test_a_docstring_describes_a_typed_dict_and_its_fields(docstring: str | None, text: str, city: str | None):
    class Place(TypedDict):
        city: str

    Place.__doc__ = docstring
    sent = to_tool(Place)["function"]

    assert sent.get("description", "") == text
    assert sent["parameters"]["properties"]["city"].get("description") == city


def test_a_typed_dict_inside_a_function_may_refer_to_itself():
    class Branch(TypedDict):
        """A branch."""

        value: int
        children: list[Branch]

    sent = to_tool(Branch)["function"]["parameters"]

    assert (of_node(sent, TREE), of_node(sent, NOT_TREE)) == (True, False)


@pytest.mark.parametrize("arguments", [Person, Person.model_json_schema()])
def test_a_tool_is_described_by_itself_and_not_by_its_arguments(arguments: Any):
    move = StructuredTool(name="move", description="Move house.", args_schema=arguments, func=print)

    assert to_tool(move)["function"]["description"] == "Move house."


class Counts(BaseModel):
    """Counts."""

    by_name: dict[str, int]
    home: Address


def test_a_strict_schema_closes_objects_and_leaves_maps():
    for sent in (
        to_tool(Counts, strict=True)["function"]["parameters"],
        to_response_format(Counts, strict=True)["json_schema"]["schema"],
    ):
        assert sent["additionalProperties"] is False
        assert sent["properties"]["by_name"]["additionalProperties"] == {"type": "integer"}
        assert not Draft202012Validator(sent).is_valid({"by_name": {}, "home": {"street": "x", "more": 1}})


class WithCallback(BaseModel):
    """A callback."""

    call: Callable[[int], int]


class NoJson:
    """A class without a JSON schema."""


class WithNoJson(TypedDict):
    """It has such a class."""

    thing: NoJson


class BadDescription(TypedDict):
    """Its description is a number."""

    thing: Annotated[str, ..., 7]


class Missing(TypedDict):
    """It refers to something that is not there."""

    thing: NotThere  # type: ignore[name-defined]  # noqa: F821 - that is the point


def takes_anything(thing: NoJson) -> None:
    """Take it."""


@pytest.mark.parametrize("schema", [WithCallback, WithNoJson, BadDescription, Missing, takes_anything])
def test_a_type_without_a_json_schema_is_refused_at_once(model: ChatTIR, schema: Any):
    with pytest.raises(InvalidRequestError):
        model.bind_tools([schema])
    for method in ("json_schema", "function_calling"):
        with pytest.raises(InvalidRequestError):
            model.with_structured_output(schema, method=method)


# Further forms of tools

TEXT_INPUT = {"type": "object", "properties": {"__arg1": {"type": "string"}}, "required": ["__arg1"]}
FUNCTION = {"name": "get_weather", "description": "d", "parameters": PARAMETERS, "strict": True}
RESPONSES_TOOL = {"type": "function", **FUNCTION}


def run_sql(query: str) -> str:
    """Run a query."""
    return query


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (RESPONSES_TOOL, FUNCTION),
        ({"type": "custom", "name": "sql"}, {"name": "sql", "parameters": TEXT_INPUT}),
        ({"type": "custom", "custom": {"name": "sql"}}, {"name": "sql", "parameters": TEXT_INPUT}),
        ({"type": "custom", "name": "t", "input_schema": PARAMETERS}, {"name": "t", "parameters": PARAMETERS}),
        ({"toolSpec": {"name": "t", "inputSchema": {"json": PARAMETERS}}}, {"name": "t", "parameters": PARAMETERS}),
        ({"name": "now"}, {"name": "now"}),
        *(
            ({"name": "f", "parameters": parameters}, {"name": "f", "parameters": parameters})
            for parameters in ({"type": ["object", "null"]}, {"properties": {"city": {"type": "string"}}})
        ),
        (
            Tool(name="sql", description="d", func=run_sql, metadata={"type": "custom_tool"}),
            {"name": "sql", "description": "d", "parameters": TEXT_INPUT},
        ),
        (
            Tool(name="sql", description="d", func=run_sql),
            {"name": "sql", "description": "d", "parameters": TEXT_INPUT},
        ),
    ],
)
def test_a_tool_of_another_form_is_offered(form: Any, sent: dict[str, Any]):
    assert tool_fields([form], None) == {"tools": [{"type": "function", "function": sent}]}


@pytest.mark.parametrize(
    "choice",
    [
        {"type": "function", "name": "run_sql"},
        {"type": "custom", "name": "run_sql"},
        {"type": "custom", "custom": {"name": "run_sql"}},
    ],
)
def test_a_choice_of_another_form_names_its_tool(model: ChatTIR, sandbox: Sandbox, choice: Any):
    model.bind_tools([run_sql], tool_choice=choice).invoke("Q")

    assert sandbox.requests[-1].body["tool_choice"] == {"type": "function", "function": {"name": "run_sql"}}


@pytest.mark.parametrize("form", [run_sql, tool(run_sql), Person, RESPONSES_TOOL])
def test_bind_tools_accepts_a_single_tool(model: ChatTIR, sandbox: Sandbox, form: Any):
    model.bind_tools(form).invoke("Q")

    assert len(sandbox.requests[-1].body["tools"]) == 1


def test_the_error_for_a_bad_tool_is_short(model: ChatTIR):
    with pytest.raises(InvalidRequestError) as raised:
        model.bind_tools([{"type": "hologram", "data": "x" * 10_000}])
    assert len(str(raised.value)) < 300


def test_function_calling_is_strict_unless_the_caller_sets_strict(model: ChatTIR, sandbox: Sandbox):
    lax = {"name": "p", "parameters": PARAMETERS, "strict": False}
    sent = []
    for schema, strict in ((Address, None), (Address, True), (Address, False), (lax, None)):
        model.with_structured_output(schema, method="function_calling", strict=strict).invoke("Q")
        sent.append(sandbox.requests[-1].body["tools"][0]["function"])

    assert [function["strict"] for function in sent] == [True, True, False, False]
    assert sent[0]["parameters"] == sent[2]["parameters"]
