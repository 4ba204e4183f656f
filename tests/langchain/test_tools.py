"""Tools of every form, tool choices, and forced calls."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core import exceptions
from langchain_core.exceptions import ModelError, ModelInvalidRequestError
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1

from demo.rules import answer as rules
from langchain_tir import ChatTIR
from tests.old_vllm import ignoring_tool_choice
from tir_client import ForcedToolError, InvalidRequestError, RefusedCallError
from tir_sandbox import Reply, Sandbox, ToolCall

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class GetWeather(BaseModel):
    """Get the weather of a city."""

    city: str


class GetWeatherV1(BaseModelV1):
    """Get the weather of a city."""

    city: str


class GetWeatherDict(TypedDict):
    """Get the weather of a city."""

    city: Annotated[str, ..., "The city."]


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is 31 degrees in {city}."


def get_time(city: str) -> str:
    """Get the time of day in a city."""
    return f"It is noon in {city}."


FORMS = {
    "a function": get_weather,
    "a tool": tool(get_weather),
    "a class": GetWeather,
    "a class of pydantic 1": GetWeatherV1,
    "a TypedDict": GetWeatherDict,
    "a JSON schema": {"title": "get_weather", "description": "Get the weather.", **PARAMETERS},
    "a JSON schema without a name": PARAMETERS,
    "OpenAI's form": {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}},
    "OpenAI's function": {"name": "get_weather", "parameters": PARAMETERS},
    "Anthropic's form": {"name": "get_weather", "input_schema": PARAMETERS},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("strict", [None, True, False])
def test_a_tool_of_any_form_is_offered(model: ChatTIR, sandbox: Sandbox, form: Any, strict: bool | None):
    answer = model.bind_tools([form], tool_choice="any", strict=strict).invoke("The weather in Pune?")

    (sent,) = sandbox.requests[-1].body["tools"]
    assert sent["type"] == "function"
    assert "city" in sent["function"]["parameters"]["properties"]
    assert sent["function"].get("strict") == strict
    assert answer.tool_calls[0]["name"] == sent["function"]["name"]
    assert "city" in answer.tool_calls[0]["args"]


def test_tools_may_be_given_to_a_call(model: ChatTIR, sandbox: Sandbox):
    model.invoke("Weather?", tools=[get_weather], tool_choice="get_weather")

    assert sandbox.requests[-1].body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}


NAMED = {"type": "function", "function": {"name": "get_time"}}
CHOICES = [
    (None, None),
    ("auto", "auto"),
    ("none", "none"),
    (False, "none"),
    ("any", "required"),
    ("required", "required"),
    (True, "required"),
    ("get_time", NAMED),
    (NAMED, NAMED),
    ({"type": "any"}, "required"),
    ({"type": "auto"}, "auto"),
    ({"type": "tool", "name": "get_time"}, NAMED),
]


@pytest.mark.parametrize(("choice", "sent"), CHOICES)
def test_a_tool_choice_is_sent_in_its_wire_form(model: ChatTIR, sandbox: Sandbox, choice: Any, sent: Any):
    model.bind_tools([get_weather, get_time], tool_choice=choice).invoke("The time in Pune?")

    assert sandbox.requests[-1].body.get("tool_choice") == sent


def test_the_choice_true_names_the_only_tool(model: ChatTIR, sandbox: Sandbox):
    model.bind_tools([get_time], tool_choice=True).invoke("The time in Pune?")

    assert sandbox.requests[-1].body["tool_choice"] == NAMED


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_calls_are_sent_if_set(model: ChatTIR, sandbox: Sandbox, parallel: bool):
    model.bind_tools([get_time], parallel_tool_calls=parallel).invoke("Hi")

    assert sandbox.requests[-1].body["parallel_tool_calls"] is parallel


def test_parallel_calls_of_the_constructor_go_with_tools(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(parallel_tool_calls=False)

    model.invoke("Hi")
    model.bind_tools([get_time]).invoke("Hi")

    assert [request.body.get("parallel_tool_calls") for request in sandbox.requests] == [None, False]


def test_no_tools_are_not_sent_as_an_empty_list(model: ChatTIR, sandbox: Sandbox):
    model.bind_tools([], response_format={"type": "json_object"}).invoke("Hi")

    assert not {"tools", "tool_choice", "parallel_tool_calls"} & sandbox.requests[-1].body.keys()


UNFIT = {
    "another provider's tool": ([{"type": "web_search"}], None),
    "another provider's tool with a name": ([{"type": "web_search_20250305", "name": "web_search"}], None),
    "another provider's grammar": ([{"type": "custom", "name": "sql", "format": {"type": "grammar"}}], None),
    "an object that can be called": ([partial(get_time, city="Pune")], None),
    "an array": ([{"title": "Numbers", "type": "array", "items": {"type": "integer"}}], None),
    "arguments of several types": ([{"name": "f", "parameters": {"type": ["array", "null"]}}], None),
    "a nameless function": ([{"type": "function", "function": {}}], None),
    "a number": ([7], None),
    "an unknown choice": ([get_time], "get_weather"),
    "a choice without tools": ([], "any"),
}


@pytest.mark.parametrize(("tools", "choice"), UNFIT.values(), ids=UNFIT)
def test_a_tool_that_cannot_be_offered_is_refused_by_bind_tools(tools: list[Any], choice: str | None):
    model = ChatTIR("m", api_key="k", base_url="http://127.0.0.1:1/v1")

    with pytest.raises(InvalidRequestError) as raised:
        model.bind_tools(tools, tool_choice=choice)
    assert isinstance(raised.value, ModelInvalidRequestError)


# Forced calls


@pytest.fixture
def old() -> Any:
    """A server that ignores `tool_choice`, as vLLM before 0.26 did for gpt-oss."""
    with Sandbox(rules=ignoring_tool_choice(rules)) as running:
        yield running


@pytest.fixture
def forced(old: Sandbox) -> Any:
    model = ChatTIR(api_key=old.token, project_id=old.project_id, host=old.host)
    return lambda choice: model.bind_tools([get_weather, get_time], tool_choice=choice)


@pytest.mark.parametrize("choice", ["any", "get_time"])
async def test_a_forced_call_that_the_server_did_not_make_is_requested_as_json(
    forced: Callable[..., Any], old: Sandbox, choice: str
):
    chain = forced(choice)
    rescue = {"any": '{"name": "get_time", "arguments": {"city": "Pune"}}', "get_time": '{"city": "Pune"}'}[choice]
    old.script(*[Reply(reasoning="Hm.", text="I would rather talk."), Reply(text=rescue)] * 4)

    answers = [
        chain.invoke("Hi"),
        await chain.ainvoke("Hi"),
        sum(chain.stream("Hi"), AIMessageChunk("")),
        sum([chunk async for chunk in chain.astream("Hi")], AIMessageChunk("")),
    ]

    for answer in answers:
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("get_time", {"city": "Pune"})]
        assert answer.response_metadata["finish_reason"] == "tool_calls"
        assert answer.text == "I would rather talk."
    assert "json_schema" in old.requests[-1].body["response_format"]


@pytest.mark.parametrize("arguments", ['{"city": "Pun', "{'city': 'Pune'}", "7"])
async def test_a_forced_call_of_broken_json_is_requested_again(
    forced: Callable[..., Any], old: Sandbox, arguments: str
):
    """A stream has already yielded the broken call: it stays as an invalid call, and the valid one follows."""
    chain = forced("get_time")
    broken = Reply(tool_calls=[ToolCall("get_time", arguments, id="1")])
    old.script(*[broken, Reply(text='{"city": "Pune"}')] * 4)

    whole = [chain.invoke("Hi"), await chain.ainvoke("Hi")]
    streamed = [sum(chain.stream("Hi"), AIMessageChunk("")), AIMessageChunk("")]
    async for chunk in chain.astream("Hi"):
        streamed[1] += chunk

    for message in whole + streamed:
        assert [call["args"] for call in message.tool_calls] == [{"city": "Pune"}]
        assert message.response_metadata["finish_reason"] == "tool_calls"
    assert [message.invalid_tool_calls for message in whole] == [[], []]
    assert [[call["id"] for call in message.invalid_tool_calls] for message in streamed] == [["1"], ["1"]]


@pytest.mark.parametrize("choice", ["any", "get_time"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_valid_forced_call_next_to_a_broken_one_needs_no_second_request(
    forced: Callable[..., Any], old: Sandbox, choice: str, order: tuple[int, int]
):
    calls = [ToolCall("get_time", '{"city": "Pun', id="1"), ToolCall("get_time", '{"city": "Pune"}', id="2")]
    old.script(*[Reply(tool_calls=[calls[place] for place in order])] * 4)
    chain = forced(choice)

    messages = [chain.invoke("Hi"), await chain.ainvoke("Hi"), sum(chain.stream("Hi"), AIMessageChunk(""))]
    messages.append(sum([chunk async for chunk in chain.astream("Hi")], AIMessageChunk("")))

    for message in messages:
        assert [(call["id"], call["args"]) for call in message.tool_calls] == [("2", {"city": "Pune"})]
        assert [call["id"] for call in message.invalid_tool_calls] == ["1"]
    assert len(old.requests) == 4


@pytest.mark.parametrize("streamed", [False, True])
def test_a_forced_call_that_fails_twice_is_an_error(forced: Callable[..., Any], old: Sandbox, streamed: bool):
    chain = forced("any")
    old.script(Reply(text="No."), Reply(text="Still no."))

    with pytest.raises(ForcedToolError, match="Still no") as raised:
        list(chain.stream("Hi")) if streamed else chain.invoke("Hi")
    assert isinstance(raised.value, ModelError)
    assert raised.value.partial.choice.text == "No."


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_forced_call_is_a_refusal_error_after_one_request(
    forced: Callable[..., Any], old: Sandbox, streamed: bool
):
    chain = forced("any")
    old.script(Reply(reasoning="Hm.", refusal="I do not."))

    with pytest.raises(RefusedCallError, match="I do not") as raised:
        list(chain.stream("Hi")) if streamed else chain.invoke("Hi")
    assert isinstance(raised.value, getattr(exceptions, "ModelRefusalError", ModelError))
    assert not raised.value.is_retryable
    assert raised.value.raw_message.additional_kwargs == {"reasoning_content": "Hm.", "refusal": "I do not."}
    assert pickle.loads(pickle.dumps(raised.value)).raw_message.text == ""
    assert len(old.requests) == 1


def test_a_forced_call_that_was_cut_off_is_an_error(forced: Callable[..., Any], old: Sandbox):
    old.script(Reply(text="Well, I", finish_reason="length"))

    with pytest.raises(ForcedToolError, match="raise `max_tokens`"):
        forced("any").invoke("Hi")


def test_tool_calls_can_be_executed(model: ChatTIR, sandbox: Sandbox):
    @tool
    def add(a: int, b: Annotated[int, Field(description="The other one.")]) -> int:
        """Add two numbers."""
        return a + b

    sandbox.script(Reply(tool_calls=[ToolCall("add", {"a": 2, "b": 3}, id="1")]))
    chain = model.bind_tools([add]) | (lambda message: [add.invoke(call) for call in message.tool_calls])

    (result,) = chain.invoke("2 + 3?")

    assert isinstance(add, BaseTool)
    assert (result.content, result.tool_call_id) == ("5", "1")
