"""A forced call that is missing is requested again with the JSON schema of the tool."""

from __future__ import annotations

import copy
import json
import re

import jsonschema
import pytest

from tir_client import ChatRequest, ForcedToolError, RefusedCallError
from tir_client.protocol.accumulator import Accumulator
from tir_client.protocol.forced_call import ForcedCall, rescue_request, rescued_call
from tir_client.protocol.responses import Choice, Completion, ToolCall, Usage
from tir_client.protocol.tool_choice import response_format as make_format

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
def test_a_call_that_was_not_forced_is_not_requested_again(choice):
    assert rescue_request(request(choice, ADD), answer()) is None


@pytest.mark.parametrize("arguments", ['{"a": 1}', '{"a": "1"}', '{"a": 1, "b": 2}'])
def test_a_call_that_is_present_is_not_requested_again(arguments):
    assert rescue_request(request("required", ADD), answer(calls=[ToolCall("c", "add", arguments)])) is None


@pytest.mark.parametrize("arguments", ["{}", '{"b": 1}', '{"a": "one"}', '{"a": null}', '{"a": [1]}'])
@pytest.mark.parametrize("choice", ["required", named("add")])
def test_a_call_whose_arguments_miss_the_schema_is_requested_again(choice, arguments):
    first = answer(calls=[ToolCall("c", "add", arguments)], finish="tool_calls")

    second = rescue_request(request(choice, ADD), first)

    assert second.response_format["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize(
    "first",
    [
        answer(calls=[ToolCall("c", "add", "{}"), ToolCall("d", "add", '{"a": 1}')]),
        answer(calls=[ToolCall("c", "add", "{}")], finish="length"),
        answer(calls=[ToolCall("c", "add", "{}")], finish="content_filter"),
        answer(calls=[ToolCall("c", "add", "{}")], refusal="No."),
        answer(calls=[ToolCall("c", "other", "{}")]),
        Completion(choices=[Choice(tool_calls=[ToolCall("c", "add", "{}")])] * 2),
    ],
)
def test_a_call_that_misses_the_schema_is_kept_next_to_a_valid_one_and_in_a_cut_answer(first):
    assert rescue_request(request("required", ADD), first) is None


def of_calls(*arguments, finish="tool_calls"):
    accumulator = Accumulator()
    calls = [{"function": {"name": "add", "arguments": text}} for text in arguments]
    accumulator.add(
        {"id": "c", "choices": [{"message": {"content": "", "tool_calls": calls}, "finish_reason": finish}]}
    )
    return accumulator


@pytest.mark.parametrize(
    ("text", "arguments", "left", "lenient"),
    [
        ('{"a": 1}', "{}", '{"a": 1}', True),
        ('{"a": 1}', "{}", '{"a": 1}', False),
        ("No.", "{}", "{}", True),
        ("No.", "{}", "{}", False),
        ('{"a": 1}', "{", '{"a": 1}', True),
        ('{"a": 1}', "{", '{"a": 1}', False),
        ("No.", "{", "{", True),
    ],
)
def test_a_valid_call_of_the_second_answer_replaces_an_invalid_one(text, arguments, left, lenient):
    first, second = of_calls(arguments), Accumulator()
    second.add({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    forced = ForcedCall(request("required", ADD), lenient=lenient)

    assert not forced.accepts(first)
    *added, last = forced.merge(first, second)

    assert [call.arguments for call in first.completion().choice.tool_calls] == [left]
    assert [piece.index for delta in added for piece in delta.tool_calls] == ([] if left == arguments else [1])
    assert last.final


def test_a_second_answer_without_a_call_after_a_broken_one_is_an_error():
    first, second = of_calls("{"), Accumulator()
    second.add({"choices": [{"message": {"content": "No."}, "finish_reason": "stop"}]})
    forced = ForcedCall(request("required", ADD), lenient=False)
    forced.accepts(first)

    with pytest.raises(ForcedToolError, match="not a JSON object"):
        forced.merge(first, second)


BROKEN = ['{"a": ', "5", "[1]", "{'a': 1}", '{"a": 1}}', "[" * 3000]


@pytest.mark.parametrize("arguments", BROKEN, ids=lambda arguments: arguments[:9])
@pytest.mark.parametrize("choice", ["required", named("add")])
def test_a_call_of_broken_json_is_requested_again(choice, arguments):
    calls = [ToolCall("c", "add", arguments), ToolCall("d", "add", "{}")]

    for first in (answer(calls=calls[:1]), answer(calls=calls, finish="tool_calls")):
        assert rescue_request(request(choice, ADD), first).response_format["json_schema"]["schema"] == SCHEMA


def test_a_broken_call_next_to_a_valid_one_is_not_requested_again():
    calls = [ToolCall("c", "add", '{"a": '), ToolCall("d", "add", '{"a": 1}')]

    for first in (answer(calls=calls), answer(calls=calls, finish="length"), answer(calls=calls[::-1])):
        assert rescue_request(request("required", ADD), first) is None


SEVERAL = {"n": 2}


@pytest.mark.parametrize(
    ("call", "finish", "fields", "words"),
    [
        (ToolCall("c", "add", '{"a": ', cut=True), "length", {}, "raise `max_tokens`"),
        (ToolCall("c", "add", "", cut=True), "length", {}, "raise `max_tokens`"),
        (ToolCall("c", "add", '{"a": '), "stop", SEVERAL, "its answer has several choices"),
        (ToolCall("c", "add", '{"a": ', cut=True), "length", SEVERAL, "raise `max_tokens`"),
    ],
)
@pytest.mark.parametrize("choice", ["required", named("add")])
def test_a_broken_call_that_cannot_be_requested_again_is_an_error(call, finish, fields, words, choice):
    asked = request(choice, ADD).model_copy(update=fields)
    start = f"The required call of 'add' has arguments that are not a JSON object: {call.arguments!r} ("
    with pytest.raises(ForcedToolError, match=words) as caught:
        rescue_request(asked, answer(calls=[call], finish=finish))
    assert caught.value.message.startswith(start)
    assert caught.value.partial.choice.tool_calls == [call]


def test_a_refusal_with_a_broken_call_is_a_refusal():
    with pytest.raises(RefusedCallError):
        rescue_request(request("required", ADD), answer(calls=[ToolCall("c", "add", "{")], finish="content_filter"))


def test_a_broken_call_that_fails_twice_is_an_error_that_shows_both_answers():
    words = re.escape("""not a JSON object: '{"a": '. A second request for the call as JSON returned 'No.' (finish_""")
    with pytest.raises(ForcedToolError, match=words):
        rescued_call(request("required", ADD), answer(calls=[ToolCall("c", "add", '{"a": ')]), answer("No."))


def test_a_complete_forced_call_is_accepted_if_the_answer_was_cut_after_it():
    whole = ToolCall("c", "add", '{"a": 1}', cut=True)

    assert rescue_request(request("required", ADD), answer(calls=[whole], finish="length")) is None


def test_a_call_among_several_answers_is_not_rescued():
    several = Completion(id="chat-1", choices=[Choice(text="No.", finish_reason="stop")] * 2)
    with pytest.raises(
        ForcedToolError, match=r"`tool_choice` is 'required': its answer has several choices.$"
    ) as caught:
        rescue_request(request("required", ADD), several)
    assert caught.value.partial is several


def test_a_missing_named_call_is_requested_with_its_own_schema():
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


def test_one_of_several_missing_calls_is_requested_with_a_schema_of_all_tools():
    asked = request("required", ADD, MOVE)
    before = copy.deepcopy(asked)

    second = rescue_request(asked, answer())
    assert (second.tools, second.tool_choice, second.parallel_tool_calls, second.seed) == (None, None, None, 1)
    assert second.response_format["json_schema"]["name"] == "tool_call"
    schema = second.response_format["json_schema"]["schema"]

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


def one_of(*tools):
    """The schema with which a call of one of several tools is requested."""
    second = rescue_request(request("required", *tools), answer())
    return second.response_format["json_schema"]["schema"]


def a_call(name, arguments):
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def test_a_schema_of_several_tools_keeps_their_definitions_under_different_names():
    def parameters(kind):
        return {"anyOf": [{"$ref": "#/$defs/P"}, {"const": "#/$defs/P"}], "$defs": {"P": {"type": kind}}}

    def moved(name):
        return {"anyOf": [{"$ref": f"#/$defs/{name}__P"}, {"const": "#/$defs/P"}]}

    assert one_of(tool("one", parameters("string")), tool("two", parameters("number"))) == {
        "anyOf": [a_call("one", moved("one")), a_call("two", moved("two"))],
        "$defs": {"one__P": {"type": "string"}, "two__P": {"type": "number"}},
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"n": {"type": "integer"}, "next": {"$ref": "#"}}},
        {
            "type": "object",
            "properties": {"n": {"type": "integer"}, "next": {"$ref": "#/definitions/Node"}},
            "definitions": {"Node": {"properties": {"n": {"type": "integer"}, "next": {"$ref": "#/definitions/Node"}}}},
        },
    ],
)
def test_a_schema_of_several_tools_constrains_recursive_arguments(schema):
    first = answer()
    second = rescue_request(request("required", tool("walk", schema), ADD), first)

    validator = jsonschema.Draft202012Validator(second.response_format["json_schema"]["schema"])
    assert validator.is_valid({"name": "walk", "arguments": {"n": 1, "next": {"next": {"n": 2}}}})
    assert not validator.is_valid({"name": "walk", "arguments": {"n": 1, "next": {"next": {"n": "two"}}}})


def test_a_schema_of_several_tools_leaves_other_references_and_properties_alone():
    odd = {"type": "object", "properties": {"$ref": {"type": "string"}, "x": {"$ref": "#/properties/y"}}}

    assert one_of(tool("one", odd), ADD) == {"anyOf": [a_call("one", odd), a_call("add", SCHEMA)]}


def test_a_tool_without_parameters_is_called_with_none():
    plain = {"type": "function", "function": {"name": "ping"}}
    second = rescue_request(request("required", plain), answer())

    assert second.response_format["json_schema"]["schema"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("ids", "call_id"), [(("a", "b"), "a-tool-0"), (("", "b"), "b-tool-0"), (("", ""), "call-tool-0")]
)
def test_a_rescued_call_has_an_id_of_its_answer(ids, call_id):
    first, second = (Completion(id=each, choices=[Choice(text='{"a": "é"}')]) for each in ids)

    assert rescued_call(request("required", ADD), first, second) == ToolCall(call_id, "add", '{"a": "é"}')


@pytest.mark.parametrize(
    "text",
    ["No.", "5", "[]", '{"name": "mul", "arguments": {}}', '{"name": "add"}', '{"name": "add", "arguments": 5}', ""],
)
def test_a_rescue_that_fails_is_an_error_that_shows_the_answer(text):
    with pytest.raises(ForcedToolError, match="ignored `tool_choice`") as caught:
        rescued_call(request("required", ADD, SUB), answer("First."), answer(text))

    assert caught.value.partial.choice.text == "First."
    assert repr(text) in str(caught.value)


def test_an_answer_that_was_cut_off_is_not_rescued():
    words = "^The model made no call although `tool_choice` is 'required': its answer was cut off; raise `max_tokens`.$"
    with pytest.raises(ForcedToolError, match=words) as caught:
        rescue_request(request("required", ADD), answer(finish="length"))
    assert caught.value.partial == answer(finish="length")


@pytest.mark.parametrize(
    ("refused", "words"), [({"refusal": "I do not."}, "I do not"), ({"finish": "content_filter"}, "a content filter")]
)
def test_a_refusal_is_not_requested_again(refused, words):
    with pytest.raises(RefusedCallError, match=words) as caught:
        rescue_request(request("required", ADD), answer(**refused))
    assert isinstance(caught.value, ForcedToolError)
    assert caught.value.partial == answer(**refused)
    with pytest.raises(RefusedCallError, match=words) as caught:
        rescued_call(request("required", ADD), answer("First."), answer(**refused))
    assert caught.value.partial == answer("First.")


# Streamed answers


def arriving(*events, **fields):
    """A forced call, the accumulator of its answer, and what passes of the answer, as text and finish reason."""
    choice, lenient = fields.get("choice", "required"), fields.get("lenient", False)
    forced, accumulator = ForcedCall(request(choice, ADD), lenient=lenient), Accumulator(("add",))
    passed = [delta for event in events for delta in accumulator.add(event) if forced.pass_through(delta)]
    return forced, accumulator, [(delta.text, delta.finish_reason) for delta in passed]


def event(delta, finish=None):
    return {"id": "chat-1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


CALL = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "add", "arguments": '{"a": 1}'}}]}


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_an_answer_to_an_optional_choice_passes_without_a_call(choice):
    forced, accumulator, passed = arriving(event({"content": "No."}), event({}, "stop"), choice=choice)

    assert passed == [("No.", None), ("", "stop")]
    assert forced.pass_through(accumulator.finish())
    assert forced.second is None


def test_an_answer_with_the_call_passes():
    forced, accumulator, passed = arriving(event({"content": "So."}), event(CALL), event({}, "tool_calls"))

    assert passed == [("So.", None), ("", None), ("", "tool_calls")]
    assert forced.pass_through(accumulator.finish())
    assert forced.second is None


@pytest.mark.parametrize(
    ("arguments", "finish", "passed"),
    [
        ('{"a": 1}', "tool_calls", "tool_calls"),
        ("{}", "tool_calls", None),
        ("{", "stop", None),
        ("{", "length", None),
        ("{}", "length", "length"),
    ],
)
def test_the_finish_of_a_call_that_is_requested_again_is_held_back_but_not_the_call(arguments, finish, passed):
    call = {"index": 0, "id": "c", "function": {"name": "add", "arguments": arguments}}

    assert arriving(event({"tool_calls": [call]}, finish))[2] == [("", passed)]


@pytest.mark.parametrize(
    ("last", "passed"),
    [
        ({}, []),
        ({"content": "No."}, [("No.", None)]),
        ({"reasoning": "Hm."}, [("", None)]),
        ({"refusal": "No."}, [("", None)]),
    ],
)
def test_the_finish_of_an_answer_without_the_call_is_held_back_but_not_its_text(last, passed):
    assert arriving(event(last, "stop"))[2] == passed


def test_log_probabilities_pass_with_the_end_held_back():
    piece = event({}, "stop")
    piece["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1}]}

    assert arriving(piece)[2] == [("", None)]


def test_the_rescued_call_follows_the_answer_without_it():
    forced, accumulator, _ = arriving(event({"content": "No."}), event({}, "stop"))
    assert not forced.pass_through(accumulator.finish())
    assert forced.second.response_format == make_format("add", SCHEMA)

    second = Accumulator()
    second.add({**event({"content": '{"a": 1}'}, "stop"), "usage": {"prompt_tokens": 3}})
    call, last = forced.merge(accumulator, second)

    assert [(piece.name, piece.arguments) for piece in call.tool_calls] == [("add", '{"a": 1}')]
    assert (call.finish_reason, last.final) == ("tool_calls", True)
    assert accumulator.completion().choice.tool_calls == [ToolCall("chat-1-tool-0", "add", '{"a": 1}')]
    assert forced.second is None
    assert forced.pass_through(call)
    assert forced.pass_through(last)


def test_a_rescue_counts_its_tokens():
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    forced, accumulator, _ = arriving({**event({}, "stop"), "usage": usage})
    forced.accepts(accumulator)
    second = Accumulator()
    second.add({**event({"content": "{}"}, "stop"), "usage": usage})

    assert forced.merge(accumulator, second)[1].usage == Usage(10, 4, 14)


def test_an_answer_that_cannot_be_rescued_is_an_error_unless_lenient():
    cut = event({"content": "N"}, "length")
    forced, accumulator, _ = arriving(cut)
    with pytest.raises(ForcedToolError, match="max_tokens"):
        forced.accepts(accumulator)

    forced, accumulator, _ = arriving(cut, lenient=True)
    assert forced.accepts(accumulator)
    assert forced.second is None


def test_a_rescue_that_fails_is_an_error_unless_lenient():
    second = Accumulator()
    second.add(event({"content": "No again."}, "stop"))
    forced, accumulator, _ = arriving(event({"content": "No."}, "stop"))
    forced.accepts(accumulator)
    with pytest.raises(ForcedToolError, match="No again"):
        forced.merge(accumulator, second)

    forced, accumulator, _ = arriving(event({"content": "No."}, "stop"), lenient=True)
    assert not forced.accepts(accumulator)
    (last,) = forced.merge(accumulator, second)
    assert (last.final, forced.second, accumulator.completion().choice.text) == (True, None, "No.")
    assert forced.pass_through(last)
