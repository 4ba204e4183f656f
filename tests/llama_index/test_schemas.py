"""Schemas of tools and of classes for structured output, as they are sent or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool, ToolMetadata
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ConfigDict, RootModel

from tests.llama_index.conformance.tools import ADD
from tir_client import InvalidRequestError
from tir_sandbox import Reply, ToolCall

PROMPT = PromptTemplate("Tell me.")


class Place(BaseModel):
    """A place."""

    latitude: float


class Trip(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start: Place
    kind: Literal["bus", "train"]


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Names(RootModel[list[str]]):
    """Some names."""


class Callback(BaseModel):
    call: Callable[[int], int]


class Unfinished(BaseModel):
    part: NotDefined  # type: ignore[name-defined]  # noqa: F821 - that is the point


def tool_of(schema: type[BaseModel]) -> FunctionTool:
    return FunctionTool.from_defaults(lambda **_: "done", name="go", description="Go.", fn_schema=schema)


def sent_parameters(llm: Any, sandbox: Any, schema: type[BaseModel]) -> Any:
    llm.chat_with_tools([tool_of(schema)], "Go.")
    return sandbox.requests[-1].body["tools"][0]["function"]["parameters"]


def test_the_schema_of_a_tool_is_sent_closed_and_without_references(llm, sandbox):
    parameters = sent_parameters(llm, sandbox, Trip)
    assert parameters.keys() == {"type", "properties", "required", "additionalProperties"}
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["start"]["properties"]["latitude"]["type"] == "number"


def test_the_top_of_a_recursive_class_is_not_a_reference(llm, sandbox):
    parameters = sent_parameters(llm, sandbox, Tree)
    assert parameters["type"] == "object"
    assert parameters["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert parameters["$defs"]["Tree"]["properties"].keys() == {"name", "children"}


def test_a_recursive_object_is_streamed_by_a_tool_call(make_llm, sandbox):
    """Not without streaming: LlamaIndex's own `call_tool` needs `properties` at the top of the schema."""
    tree = Tree(name="root", children=[Tree(name="leaf")])
    sandbox.script(Reply(tool_calls=[ToolCall("Tree", tree.model_dump_json())]))
    llm = make_llm(pydantic_program_mode=PydanticProgramMode.FUNCTION)
    assert list(llm.stream_structured_predict(Tree, PROMPT))[-1] == tree


def test_a_tool_that_makes_its_own_schema_is_sent_with_it(llm, sandbox):
    class Own(ToolMetadata):
        def get_parameters_dict(self) -> dict[str, Any]:
            return {"type": "object", "properties": {"q": {"$ref": "#/$defs/Q"}}, "$defs": {"Q": {"type": "string"}}}

    tool = FunctionTool(lambda q: q, metadata=Own(name="find", description="Find."))
    llm.chat_with_tools([tool], "Find.")
    parameters = sandbox.requests[-1].body["tools"][0]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {"q": {"type": "string"}}}


@pytest.mark.parametrize("schema", [Callback, Unfinished])
def test_a_class_without_a_json_schema_is_refused_by_name(llm, sandbox, schema):
    for call in (
        lambda: llm.chat_with_tools([tool_of(schema)], "Go."),
        lambda: llm.structured_predict(schema, PROMPT),
        lambda: list(llm.stream_structured_predict(schema, PROMPT)),
        lambda: llm.as_structured_llm(schema),
    ):
        with pytest.raises(InvalidRequestError, match=f"'go' cannot be offered|{schema.__name__} has no JSON schema"):
            call()
    assert not sandbox.requests


@pytest.mark.parametrize("cls", [str, dict, {"type": "object"}, list[int]])
def test_a_class_that_is_not_a_pydantic_model_is_refused(make_llm, cls):
    for mode in (PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION):
        with pytest.raises(InvalidRequestError, match="not a pydantic class"):
            make_llm(pydantic_program_mode=mode).as_structured_llm(cls)


def test_arguments_that_are_not_an_object_are_refused(llm, sandbox):
    with pytest.raises(InvalidRequestError, match=r"'go' cannot be offered: .* type 'array'"):
        llm.chat_with_tools([tool_of(Names)], "Go.")
    assert not sandbox.requests


@pytest.mark.parametrize("tool", [len, "add", {"name": "add"}, None])
def test_an_object_that_is_not_a_tool_is_refused(llm, sandbox, tool):
    with pytest.raises(InvalidRequestError, match=r"wrap it in `FunctionTool.from_defaults`"):
        llm.chat_with_tools([tool], "Go.")
    with pytest.raises(InvalidRequestError, match="pass a list of tools"):
        llm.chat_with_tools(ADD, "Go.")
    assert not sandbox.requests
