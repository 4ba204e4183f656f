"""A call that was demanded and not made is requested once more, by the JSON schema of the tool."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest

from tests.client import paths
from tests.client.paths import PATHS, Ask
from tir_client import (
    ChatRequest,
    Choice,
    Completion,
    ForcedToolError,
    RefusedCallError,
    ToolCall,
)
from tir_client.protocol.forced_call import rescue_request, rescued_call
from tir_client.protocol.tool_choice import response_format as make_format
from tir_sandbox import Reply, Sandbox
from tir_sandbox import ToolCall as ScriptedCall

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
NESTED = {
    "type": "object",
    "properties": {"point": {"$ref": "#/$defs/Point"}},
    "required": ["point"],
    "$defs": {"Point": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Point"}, "x": {"type": "number"}}}},
}


def tool(name, parameters=None):
    return {"type": "function", "function": {"name": name, "parameters": parameters or SCHEMA}}


ADD, SUB, MOVE = tool("add"), tool("sub"), tool("move", NESTED)


def named(name):
    return {"type": "function", "function": {"name": name}}


def request(choice, *tools):
    return ChatRequest.of(
        model="m", messages=[], tools=list(tools), tool_choice=choice, parallel_tool_calls=True, seed=1
    )


def answer(text="No.", finish="stop", calls=(), usage=None, refusal=""):
    choice = Choice(text=text, finish_reason=finish, tool_calls=list(calls), refusal=refusal)
    return Completion(id="chat-1", choices=[choice], usage=usage)


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_nothing_is_rescued_that_was_not_demanded(choice):
    assert rescue_request(request(choice, ADD), answer()) is None


def test_nothing_is_rescued_that_is_there():
    assert rescue_request(request("required", ADD), answer(calls=[ToolCall("c", "add", "{}")])) is None


@pytest.mark.parametrize(
    ("call", "finish", "words"),
    [
        (ToolCall("c", "add", '{"a": '), "stop", "strict"),
        (ToolCall("c", "add", '{"a": ', cut=True), "length", "raise `max_tokens`"),
        (ToolCall("c", "add", "", cut=True), "length", "raise `max_tokens`"),
        (ToolCall("c", "add", "5"), "tool_calls", "strict"),
    ],
)
@pytest.mark.parametrize("choice", ["required", named("add")])
def test_a_demanded_call_that_is_broken_is_an_error(call, finish, words, choice):
    with pytest.raises(ForcedToolError, match=words) as caught:
        rescue_request(request(choice, ADD), answer(calls=[call], finish=finish))
    assert caught.value.partial.choice.tool_calls == [call]


def test_a_demanded_call_that_is_whole_passes_even_if_the_answer_was_cut_behind_it():
    whole = ToolCall("c", "add", '{"a": 1}', cut=True)

    assert rescue_request(request("required", ADD), answer(calls=[whole], finish="length")) is None


def test_a_named_call_is_asked_for_by_its_own_schema():
    asked = request(named("sub"), ADD, SUB)
    before = copy.deepcopy(asked)
    second = rescue_request(asked, answer())

    assert second.body() == {
        "model": "m",
        "messages": [],
        "seed": 1,
        "response_format": make_format("sub", SCHEMA),
    }
    assert asked == before
    call = rescued_call(asked, answer(), answer('{"a": 1}'))
    assert (call.name, call.parsed()) == ("sub", {"a": 1})


def test_one_of_several_calls_is_asked_for_by_a_schema_of_all_of_them():
    asked = request("required", ADD, MOVE)
    before = copy.deepcopy(asked)

    schema = rescue_request(asked, answer()).response_format["json_schema"]["schema"]

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"name": "add", "arguments": {"a": 1}}, schema)
    jsonschema.validate({"name": "move", "arguments": {"point": {"x": 1, "next": {"x": 2}}}}, schema)
    for wrong in (
        {"name": "add", "arguments": {}},
        {"name": "mul", "arguments": {}},
        {"name": "move", "arguments": {"point": {"x": "1"}}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert asked == before
    call = rescued_call(asked, answer(), answer(json.dumps({"name": "move", "arguments": {"point": {"x": 1}}})))
    assert (call.name, call.parsed()) == ("move", {"point": {"x": 1}})


def test_a_tool_without_parameters_is_called_with_none():
    plain = {"type": "function", "function": {"name": "ping"}}
    second = rescue_request(request("required", plain), answer())

    jsonschema.validate({}, second.response_format["json_schema"]["schema"])


@pytest.mark.parametrize(
    "text",
    ["No.", "5", "[]", '{"name": "mul", "arguments": {}}', '{"name": "add"}', '{"name": "add", "arguments": 5}', ""],
)
def test_a_rescue_that_fails_is_an_error_that_shows_what_came(text):
    with pytest.raises(ForcedToolError, match="ignored `tool_choice`") as caught:
        rescued_call(request("required", ADD, SUB), answer("First."), answer(text))

    assert caught.value.partial.choice.text == "First."
    assert repr(text) in str(caught.value)


def test_an_answer_that_was_cut_off_is_not_rescued():
    with pytest.raises(ForcedToolError, match="raise `max_tokens`"):
        rescue_request(request("required", ADD), answer(finish="length"))


@pytest.mark.parametrize(
    ("refused", "words"), [({"refusal": "I do not."}, "I do not"), ({"finish": "content_filter"}, "a content filter")]
)
def test_a_refusal_is_not_asked_again(refused, words):
    with pytest.raises(RefusedCallError, match=words) as caught:
        rescue_request(request("required", ADD), answer(**refused))
    assert isinstance(caught.value, ForcedToolError)
    assert caught.value.partial == answer(**refused)
    with pytest.raises(RefusedCallError, match=words) as caught:
        rescued_call(request("required", ADD), answer("First."), answer(**refused))
    assert caught.value.partial == answer("First.")


FREE, OTHER = (tool(name, {"type": "object", "properties": {}}) for name in ("add", "get_weather"))


@pytest.mark.parametrize("ask", PATHS)
async def test_a_call_of_another_tool_is_not_the_one_that_was_demanded(ask: Ask, sandbox: Sandbox):
    other = Reply(tool_calls=[ScriptedCall("get_weather", {"city": "Pune"})])
    sandbox.script(other, Reply(text="{}"))

    (call,) = (
        await ask(paths.client(sandbox), paths.request(tools=[FREE, OTHER], tool_choice=named("add")))
    ).choice.tool_calls
    assert (call.name, call.parsed()) == ("add", {})

    sandbox.script(other, Reply(text="No."))
    with pytest.raises(ForcedToolError):
        await ask(paths.client(sandbox), paths.request(tools=[FREE, OTHER], tool_choice=named("add")))

    both = [ScriptedCall("get_weather", {"city": "Pune"}), ScriptedCall("add", {"a": 1})]
    sandbox.script(Reply(tool_calls=both))
    (call,) = (
        await ask(paths.client(sandbox), paths.request(tools=[FREE, OTHER], tool_choice=named("add")))
    ).choice.tool_calls
    assert (call.name, call.parsed()) == ("add", {"a": 1})


@pytest.mark.parametrize("ask", PATHS)
async def test_tokens_of_both_requests_of_a_rescue_are_counted_everywhere(ask: Ask, sandbox: Sandbox):
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    sandbox.script(Reply(text="No.", usage=usage), Reply(text="{}", usage=usage))

    answer = await ask(paths.client(sandbox), paths.request(tools=[FREE], tool_choice="required"))

    assert (answer.usage.total_tokens, answer.raw_usage["total_tokens"]) == (14, 14)
