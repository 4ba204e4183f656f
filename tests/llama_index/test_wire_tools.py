"""LlamaIndex's tools, choices and calls in their wire form, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.tools import FunctionTool

from llama_index_tir._aliases import without_ignored
from llama_index_tir._errors import NoToolCallError, ToolArgumentsError
from llama_index_tir._settings import TOOL_NAMES
from llama_index_tir._tool_calls import one_call_only, to_selections
from llama_index_tir._tools import to_messages, to_tools, tool_fields
from tir_client import InvalidRequestError


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return city


def get_time(city: str) -> str:
    """Get the time in a city."""
    return city


WEATHER, TIME = FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(get_time)
NAMED = {"type": "function", "function": {"name": "get_time"}}


def test_a_question_follows_its_history():
    history = [ChatMessage(content="Hi")]
    question = ChatMessage(content="So?")

    assert to_messages("So?", history) == [*history, ChatMessage(role=MessageRole.USER, content="So?")]
    assert to_messages(question, None) == [question]
    assert to_messages(None, history) == history
    assert to_messages(None, history) is not history
    assert to_messages("", None) == [ChatMessage(content="")]


def test_tools_are_sent_in_openais_form():
    plain = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in (WEATHER, TIME)]

    assert to_tools([WEATHER, TIME], strict=None) == plain
    function = plain[0]["function"]
    assert to_tools([WEATHER], strict=False) == [{"type": "function", "function": {**function, "strict": False}}]
    closed = {**function["parameters"], "additionalProperties": False}
    assert to_tools([WEATHER], strict=True) == [
        {"type": "function", "function": {**function, "parameters": closed, "strict": True}}
    ]


def test_a_long_description_is_sent():
    long = FunctionTool.from_defaults(get_time, description="x" * 2_000)

    assert to_tools([long], strict=None)[0]["function"]["description"] == "x" * 2_000


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(InvalidRequestError) as raised:
        to_tools([WEATHER, TIME, WEATHER], strict=None)
    assert str(raised.value).endswith(": get_weather, get_time, get_weather.")


@pytest.mark.parametrize(
    ("choice", "required", "sent"),
    [
        (None, False, None),
        (None, True, "required"),
        ("auto", True, "auto"),
        ("none", False, "none"),
        ("any", False, "required"),
        ("get_time", False, NAMED),
        (NAMED, True, NAMED),
    ],
)
def test_the_callers_tool_choice_replaces_required(choice: Any, required: bool, sent: Any):
    arguments = tool_fields([WEATHER, TIME], strict=True, choice=choice, required=required, parallel=False)

    assert arguments.pop("tool_choice", None) == sent
    assert arguments == {"tools": to_tools([WEATHER, TIME], strict=True), "parallel_tool_calls": False}


def test_without_tools_no_tool_arguments_are_passed():
    assert tool_fields([], strict=None, choice=None, required=False, parallel=True) == {}
    with pytest.raises(InvalidRequestError, match="no tools are offered"):
        tool_fields([], strict=None, choice=None, required=True, parallel=True)


def test_the_original_name_of_a_renamed_tool_is_kept(monkeypatch: pytest.MonkeyPatch):
    def renamed(metadata: Any, **_: Any) -> dict[str, Any]:
        return {"type": "function", "function": {"name": metadata.get_name().replace("time", "hour")}}

    monkeypatch.setattr(type(TIME.metadata), "to_openai_tool", renamed)

    arguments = tool_fields([WEATHER, TIME], strict=None, choice="get_time", required=False, parallel=True)

    assert [tool["function"]["name"] for tool in arguments.pop("tools")] == ["get_weather", "get_hour"]
    assert arguments == {
        "tool_choice": {"type": "function", "function": {"name": "get_hour"}},
        "parallel_tool_calls": True,
        TOOL_NAMES: {"get_hour": "get_time"},
    }


def block(name: str, arguments: Any, call_id: str | None = "1") -> ToolCallBlock:
    return ToolCallBlock(tool_call_id=call_id, tool_name=name, tool_kwargs=arguments)


def response(*blocks: Any, finish: str = "stop", **kwargs: Any) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="Hm."), *blocks], additional_kwargs=kwargs)
    return ChatResponse(message=message, raw={"a": 1}, additional_kwargs={"finish_reason": finish})


def test_calls_become_tool_selections():
    made = response(block("f", {"a": 1}), block("g", '{"b": 2}', None), block("h", ""))

    selections = to_selections(made, required=True)

    assert [(each.tool_id, each.tool_name, each.tool_kwargs) for each in selections] == [
        ("1", "f", {"a": 1}),
        ("", "g", {"b": 2}),
        ("1", "h", {}),
    ]
    assert to_selections(response(), required=False) == []


def test_a_required_call_that_is_missing_is_an_error():
    with pytest.raises(NoToolCallError) as raised:
        to_selections(response(), required=True)
    assert str(raised.value) == (
        "Expected at least one tool call, but the model made none (finish_reason 'stop'). Its answer is 'Hm.'."
    )


@pytest.mark.parametrize(
    ("finish", "arguments", "advice"),
    [
        ("stop", "[1]", ""),
        ("length", '{"a', " The answer was cut off: raise `max_tokens`."),
        ("length", "", " The answer was cut off: raise `max_tokens`."),
    ],
)
def test_arguments_that_are_not_a_json_object_are_an_error(finish: str, arguments: str, advice: str):
    with pytest.raises(ToolArgumentsError) as raised:
        to_selections(response(block("f", arguments), finish=finish), required=finish == "stop")
    assert str(raised.value) == (
        f"The model called 'f' with arguments that are not a JSON object: {arguments!r}.{advice}"
    )


def test_a_selection_with_invalid_arguments_names_the_problem_in_place_of_the_tool():
    (selection,) = to_selections(response(block("f", "[1]")), required=False)

    assert selection.tool_name == (
        "f (its arguments are not a JSON object: the arguments must be a JSON object, not '[1]')"
    )
    assert selection.tool_kwargs == {"invalid_arguments": "[1]"}


def test_long_arguments_are_not_repeated_in_the_name_of_the_tool():
    (selection,) = to_selections(response(block("f", f"[{'1' * 5_000}]")), required=False)

    assert len(selection.tool_name) < 300
    assert len(selection.tool_kwargs["invalid_arguments"]) == 5_002


def test_a_broken_call_next_to_a_good_one_has_the_problem_as_its_tool_name():
    made = response(block("f", "[1]"), block("g", {"b": 2}))

    broken, good = to_selections(made, required=True)

    assert broken.tool_name.startswith("f (its arguments are not a JSON object")
    assert (good.tool_name, good.tool_kwargs) == ("g", {"b": 2})


def test_a_cut_off_call_next_to_a_good_one_has_the_problem_as_its_tool_name():
    made = response(block("g", {"b": 2}), block("f", ""), finish="length")

    good, cut = to_selections(made, required=False)

    assert good.tool_name == "g"
    assert cut.tool_name.startswith("f (its arguments are not a JSON object")


def test_only_the_first_call_is_kept():
    calls = [{"id": "1"}, {"id": "2"}]
    made = response(block("f", {}), block("g", {}, "2"), tool_calls=calls, more=1)

    first = one_call_only(made)

    assert first.message.blocks == [TextBlock(text="Hm."), block("f", {})]
    assert first.message.additional_kwargs == {"tool_calls": [{"id": "1"}], "more": 1}
    assert len(made.message.blocks) == 3
    assert made.message.additional_kwargs["tool_calls"] == calls
    assert one_call_only(response(block("f", {}), block("g", {}))).message.additional_kwargs == {"tool_calls": []}
    for few in (response(), response(block("f", {}))):
        assert one_call_only(few) is few


@pytest.mark.parametrize(
    ("first", "second", "kept"), [("[", {}, 1), ("[", "{}", 1), ("[", "[", 0), ("{}", "{}", 0), ({}, {}, 0)]
)
def test_a_call_that_can_be_read_is_kept_before_one_that_cannot(first: Any, second: Any, kept: int):
    broken = [{"id": "1", "error": "e"}]
    blocks, calls = [block("f", first), block("g", second, "2")], [{"id": "1"}, {"id": "2"}]

    one = one_call_only(response(*blocks, tool_calls=calls, invalid_tool_calls=broken)).message

    assert one.blocks[1:] == [blocks[kept]]
    assert one.additional_kwargs == {"tool_calls": [calls[kept]], "invalid_tool_calls": broken}


def test_a_call_that_was_cut_off_is_not_kept_before_a_good_one():
    one = one_call_only(response(block("f", ""), block("g", {}, "2"), finish="length")).message

    assert one.blocks[1:] == [block("g", {}, "2")]


def test_arguments_without_effect_are_left_out_with_a_warning_if_they_have_an_unusual_value():
    assert without_ignored({"model": "m", "reuse_client": True, "tokenizer": None}) == ({"model": "m"}, [])
    assert without_ignored({"model": "m", "api_version": "v2", "modalities": ["text"]}) == (
        {"model": "m"},
        ["`api_version` has no effect on TIR's models: TIR has only one."],
    )
