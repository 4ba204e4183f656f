"""Tools beyond the conformance suite: refused tools, `strict`, and responses without calls."""

from __future__ import annotations

import pytest
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llama_index_tir import NoToolCallError, ToolArgumentsError, UnknownToolError
from llama_index_tir._messages import to_wire
from tir_client import InvalidRequestError, ResponseError
from tir_sandbox import Reply, ToolCall

from .conformance.base import calls, question
from .conformance.tools import ADD, NOW, add


class Sum(BaseModel):
    """A sum."""

    value: int


@pytest.mark.parametrize("streamed", [True, False])
def test_a_broken_call_is_listed_with_the_reason(llm, sandbox, streamed):
    broken, whole = ToolCall("note[1]", '{"a": "b', id="c1"), ToolCall("note[1]", {"a": "b"}, id="c2")
    sandbox.script(Reply(tool_calls=[broken, whole]))
    response = [*llm.stream_chat(question())][-1] if streamed else llm.chat(question())
    (invalid,) = response.message.additional_kwargs["invalid_tool_calls"]
    assert invalid.pop("error").startswith("Unterminated string")
    assert invalid == {"id": "c1", "name": "note[1]", "arguments": '{"a": "b'}
    assert [call["id"] for call in response.message.additional_kwargs["tool_calls"]] == ["c1", "c2"]
    sent = to_wire([response.message])[0]
    assert "error" not in str(sent)
    assert [call["id"] for call in sent["tool_calls"]] == ["c1", "c2"]


def test_two_tools_of_one_name_are_refused(llm, sandbox):
    """A call would be ambiguous; names are compared in their wire form."""
    twin = FunctionTool.from_defaults(add, name="add_int_")
    odd = FunctionTool.from_defaults(add, name="add[int]")
    with pytest.raises(InvalidRequestError, match="add_int_"):
        llm.chat_with_tools([twin, odd], "?")
    assert not sandbox.requests


def test_strict_is_sent_with_each_tool(make_llm, sandbox):
    make_llm(strict=True).chat_with_tools([ADD, NOW], "?")
    assert [tool["function"]["strict"] for tool in sandbox.requests[-1].body["tools"]] == [True, True]


@pytest.mark.parametrize("choice", ["subtract", {"type": "function", "function": {"name": "subtract"}}])
def test_a_choice_of_an_unknown_tool_is_refused(llm, choice):
    with pytest.raises(InvalidRequestError, match="subtract"):
        llm.chat_with_tools([ADD], "?", tool_choice=choice)


@pytest.mark.parametrize(
    ("argument", "instead"),
    [({"parallel_tool_calls": True}, "allow_parallel_tool_calls"), ({"messages": question()}, "chat_history")],
)
def test_an_argument_of_chat_that_would_be_replaced_is_refused(llm, sandbox, argument, instead):
    with pytest.raises(InvalidRequestError, match=f"`{next(iter(argument))}` .* pass `{instead}`"):
        llm.chat_with_tools([ADD], **argument)
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("argument", "method"),
    [({"tools": [ADD]}, "chat_with_tools"), ({"tools": ADD}, "chat_with_tools"), ({"response_format": Sum}, "as_str")],
)
def test_objects_that_another_method_takes_are_refused_with_its_name(llm, sandbox, argument, method):
    with pytest.raises(InvalidRequestError, match=f"^`{next(iter(argument))}` must be JSON .*`{method}"):
        llm.chat(question(), **argument)
    assert not sandbox.requests


def test_a_required_call_without_tools_is_refused(llm):
    with pytest.raises(InvalidRequestError, match="no tools"):
        llm.chat_with_tools([], "?", tool_required=True)


def test_a_tool_with_an_unusual_name_can_be_chosen(llm, sandbox):
    odd = FunctionTool.from_defaults(add, name="add[int]")
    llm.chat_with_tools([odd], "?", tool_choice="add[int]")
    assert sandbox.requests[-1].body["tool_choice"]["function"]["name"] == "add_int_"


def test_a_long_description_is_sent_whole(llm, sandbox):
    """LlamaIndex's limit of 1,024 characters is OpenAI's."""
    llm.chat_with_tools([FunctionTool.from_defaults(add, description="long " * 1_000)], "?")
    assert len(sandbox.requests[-1].body["tools"][0]["function"]["description"]) == 5_000


def test_tool_errors_are_value_errors_and_tir_errors(llm, sandbox):
    """Callers of LlamaIndex expect a `ValueError`; users of this library catch a `TIRError`."""
    broken, other = ToolCall("add", "{"), ToolCall("erase", {})
    sandbox.script(Reply(text="No."), Reply(tool_calls=[broken], finish_reason="length"), Reply(tool_calls=[other]))
    with pytest.raises(NoToolCallError, match="'stop'") as none:
        llm.get_tool_calls_from_response(llm.chat_with_tools([ADD], "?"))
    with pytest.raises(ToolArgumentsError, match="max_tokens") as cut:
        llm.get_tool_calls_from_response(llm.chat_with_tools([ADD], "?"))
    with pytest.raises(UnknownToolError, match=r"'erase'.* add, now") as unknown:
        llm.predict_and_call([ADD, NOW], "?", error_on_no_tool_call=False)
    for error in (none.value, cut.value, unknown.value):
        assert isinstance(error, ResponseError)
        assert isinstance(error, ValueError)


@pytest.mark.parametrize("way", ["chat_with_tools", "achat_with_tools"])
async def test_only_the_first_call_is_kept_without_parallel_calls(llm, sandbox, way):
    """In the blocks and in `additional_kwargs`; LlamaIndex's agents read both."""
    made = [
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for place, name in enumerate(("add", "now"))
    ]  # a raw body, because the sandbox honours `parallel_tool_calls`
    choice = {"index": 0, "message": {"content": None, "tool_calls": made}, "finish_reason": "tool_calls"}
    sandbox.script(Reply(body={"choices": [choice]}))
    answer = getattr(llm, way)([ADD, NOW], "?")
    answer = await answer if way.startswith("a") else answer
    assert [call.tool_name for call in calls(answer)] == ["add"]
    assert [call["function"]["name"] for call in answer.message.additional_kwargs["tool_calls"]] == ["add"]


def test_all_calls_are_kept_with_parallel_calls(llm, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("add", {"a": 1, "b": 2}), ToolCall("now", {})]))
    answer = llm.chat_with_tools([ADD, NOW], "?", allow_parallel_tool_calls=True)
    assert [call.tool_name for call in calls(answer)] == ["add", "now"]
    assert [call["function"]["name"] for call in answer.message.additional_kwargs["tool_calls"]] == ["add", "now"]


async def test_predict_and_call_requires_a_call(llm, sandbox):
    """Also from a model that answers in prose."""
    prose = Reply(text="It is 3, I think.")
    sandbox.script(*[prose, Reply(text='{"a": 1, "b": 2}')] * 2)
    assert llm.predict_and_call([ADD], "1 and 2?").response == "3"
    assert (await llm.apredict_and_call([ADD], "1 and 2?")).response == "3"
    assert sandbox.requests[0].body["tool_choice"] == "required"


def test_an_optional_call_is_not_required(llm, sandbox):
    sandbox.script(Reply(text="It is 3, I think."))
    answer = llm.predict_and_call([ADD], "1 and 2?", error_on_no_tool_call=False)
    assert answer.response == "It is 3, I think."
    assert sandbox.requests[0].body.get("tool_choice", "auto") == "auto"


def test_tool_required_false_does_not_require_a_call(llm, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("add", {"a": 1, "b": 2})]), Reply(text="It is 3, I think."))
    assert llm.predict_and_call([ADD], "1 and 2?", tool_required=False).response == "3"
    assert sandbox.requests[0].body.get("tool_choice", "auto") == "auto"
    with pytest.raises(NoToolCallError, match="I think"):
        llm.predict_and_call([ADD], "1 and 2?", tool_required=False)


async def test_an_agent_may_see_a_call_of_a_tool_that_was_not_offered(llm, sandbox):
    """The agent reports the error to the model."""
    sandbox.script(Reply(tool_calls=[ToolCall("erase", {})]))
    assert llm.get_tool_calls_from_response(await llm.achat_with_tools([ADD], "?"))[0].tool_name == "erase"


def test_the_system_prompt_comes_once(make_llm, sandbox):
    llm = make_llm(system_prompt="Be brief.")
    history = llm._extend_messages([])
    llm.predict_and_call([ADD], "Add 1 and 2.", chat_history=history)
    assert [message["role"] for message in sandbox.requests[-1].body["messages"]] == ["system", "user"]
    assert len(history) == 1


async def test_a_call_that_was_cut_off_before_its_arguments_is_not_run(llm, sandbox):
    """It looks like a call without arguments, and is not one."""
    sandbox.script(*[Reply(tool_calls=[ToolCall("wipe", "")], finish_reason="length")] * 4)
    runs = []
    wipe = FunctionTool.from_defaults(lambda: runs.append(1), name="wipe", description="Wipe all.")
    whole, streamed = llm.chat_with_tools([wipe], "?"), list(llm.stream_chat_with_tools([wipe], "?"))[-1]
    for response in (whole, streamed):
        with pytest.raises(ToolArgumentsError, match="max_tokens"):
            llm.get_tool_calls_from_response(response)
    with pytest.raises(ResponseError, match="max_tokens"):
        llm.predict_and_call([wipe], "?")
    with pytest.raises(ResponseError, match="max_tokens"):
        await llm.apredict_and_call([wipe], "?")
    assert not runs


def test_a_call_without_arguments_has_empty_arguments(llm, sandbox):
    sandbox.script(Reply(tool_calls=[ToolCall("now", "")]))
    assert llm.get_tool_calls_from_response(llm.chat_with_tools([NOW], "?"))[0].tool_kwargs == {}
