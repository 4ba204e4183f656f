"""Promises about tools: what is sent, how calls are assembled, and missing required calls."""

from __future__ import annotations

import copy

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ThinkingBlock, ToolCallBlock
from llama_index.core.tools import FunctionTool

from tir_sandbox import Reply, Sandbox, ToolCall

from .base import Promises, chunk, collect, piece, question


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def now() -> str:
    """Tell the time."""
    return "noon"


ADD = FunctionTool.from_defaults(add)
NOW = FunctionTool.from_defaults(now)

ONE_CALL = Reply(tool_calls=[ToolCall("add", {"a": 1, "b": 2})])

HEAD = chunk({"role": "assistant", "content": ""})
TAIL = chunk({}, "tool_calls")

AS_SENT = {
    "two calls in one chunk": [
        [piece(0, '{"a": 1, "b": 2}', name="add", id="c1"), piece(1, '{"a": 3, "b": 4}', name="add", id="c2")],
    ],
    "interleaved": [
        [piece(0, '{"a": 1,', name="add", id="c1")],
        [piece(1, '{"a": 3,', name="add", id="c2")],
        [piece(0, ' "b": 2}')],
        [piece(1, ' "b": 4}')],
    ],
    "id and name repeated": [
        [piece(0, '{"a": 1,', name="add", id="c1")],
        [piece(0, ' "b": 2}', name="add", id="c1")],
        [piece(1, '{"a": 3,', name="add", id="c2")],
        [piece(1, ' "b": 4}', name="add", id="c2")],
    ],
    "null arguments at first": [
        [piece(0, None, name="add", id="c1")],
        [piece(0, '{"a": 1, "b": 2}')],
        [piece(1, None, name="add", id="c2")],
        [piece(1, '{"a": 3, "b": 4}')],
    ],
    "no ids": [
        [piece(0, '{"a": 1, "b": 2}', name="add")],
        [piece(1, '{"a": 3, "b": 4}', name="add")],
    ],
    "markers in the name": [
        [piece(0, '{"a": 1, "b": 2}', name="add<|channel|>commentary", id="c1")],
        [piece(1, '{"a": 3, "b": 4}', name="functions.add", id="c2")],
    ],
}


class ToolPromises(Promises):
    def test_tools_are_offered_in_wire_form(self, llm, sandbox):
        sandbox.script(ONE_CALL)
        llm.chat_with_tools([ADD], "1 + 2?")
        (tool,) = sandbox.requests[-1].body["tools"]
        assert (tool["type"], tool["function"]["name"]) == ("function", "add")
        assert tool["function"]["parameters"]["required"] == ["a", "b"]

    def test_without_tools_no_tool_parameters_are_sent(self, llm, sandbox):
        """Not even null, which some servers refuse."""
        llm.chat(question())
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sandbox.requests[-1].body)

    def test_a_call_has_its_id_name_and_arguments(self, llm, sandbox):
        sandbox.script(ONE_CALL)
        (call,) = llm.get_tool_calls_from_response(llm.chat_with_tools([ADD], "1 + 2?"))
        assert (call.tool_name, call.tool_kwargs) == ("add", {"a": 1, "b": 2})
        assert call.tool_id

    def test_calls_are_plain_dicts_in_additional_kwargs_too(self, llm, sandbox):
        """LlamaIndex's programs read only those."""
        sandbox.script(ONE_CALL)
        (call,) = llm.chat_with_tools([ADD], "1 + 2?").message.additional_kwargs["tool_calls"]
        assert isinstance(call, dict)
        assert call["function"]["name"] == "add"

    @pytest.mark.parametrize("sent", AS_SENT.values(), ids=AS_SENT)
    def test_streamed_calls_are_assembled(self, llm, sandbox, sent):
        sandbox.script(Reply(chunks=[HEAD, *(chunk({"tool_calls": pieces}) for pieces in sent), TAIL]))
        last = list(llm.stream_chat_with_tools([ADD], "?", allow_parallel_tool_calls=True))[-1]
        selections = llm.get_tool_calls_from_response(last)
        made = [(selection.tool_name, selection.tool_kwargs) for selection in selections]
        assert made == [("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]
        assert len({selection.tool_id for selection in selections}) == 2

    async def test_calls_can_be_read_at_each_item(self, llm, sandbox):
        """As agents do: partial arguments do not raise."""
        sandbox.script(ONE_CALL)
        responses = await collect(llm.astream_chat_with_tools([ADD], "1 + 2?"))
        seen = [llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) for response in responses]
        assert len(seen) > 2
        assert seen[-1][0].tool_kwargs == {"a": 1, "b": 2}

    @pytest.mark.parametrize("way", ["chat_with_tools", "stream_chat_with_tools"])
    @pytest.mark.parametrize("arguments", ['{"a": 1, "b"', "[1, 2]", "one and two"], ids=["cut", "list", "prose"])
    def test_arguments_that_are_not_an_object_are_an_error(self, llm, sandbox, way, arguments):
        """Calling the tool without arguments would be silently wrong."""
        sandbox.script(Reply(tool_calls=[ToolCall("add", arguments)]))
        answer = getattr(llm, way)([ADD], "1 + 2?")
        last = list(answer)[-1] if "stream" in way else answer
        with pytest.raises(ValueError, match="add"):
            llm.get_tool_calls_from_response(last)

    @pytest.mark.parametrize("arguments", ["", "null", "{}"])
    def test_a_call_without_arguments_parses_to_an_empty_object(self, llm, sandbox, arguments):
        sandbox.script(Reply(tool_calls=[ToolCall("now", arguments)]))
        (call,) = llm.get_tool_calls_from_response(llm.chat_with_tools([NOW], "?"))
        assert call.tool_kwargs == {}

    def test_a_missing_call_is_an_error_if_one_is_required(self, llm, sandbox):
        sandbox.script(Reply(text="No."))
        response = llm.chat_with_tools([ADD], "1 + 2?")
        assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match="tool call"):
            llm.get_tool_calls_from_response(response)

    @pytest.mark.parametrize("choice", [{}, {"tool_choice": None}], ids=["not given", "None"])
    def test_a_required_call_is_sent_as_tool_choice_required(self, llm, sandbox, choice):
        """`tool_choice=None`, which LlamaIndex's programs pass, means not set."""
        sandbox.script(ONE_CALL)
        llm.chat_with_tools([ADD], "?", tool_required=True, **choice)
        assert sandbox.requests[-1].body["tool_choice"] == "required"

    def test_a_named_choice_has_its_wire_form(self, llm, sandbox):
        sandbox.script(ONE_CALL)
        llm.chat_with_tools([ADD, NOW], "?", tool_choice="add")
        assert sandbox.requests[-1].body["tool_choice"] == {"type": "function", "function": {"name": "add"}}

    @pytest.mark.parametrize("allowed", [True, False])
    def test_parallel_tool_calls_is_sent(self, llm, sandbox, allowed):
        sandbox.script(ONE_CALL)
        llm.chat_with_tools([ADD], "?", allow_parallel_tool_calls=allowed)
        assert sandbox.requests[-1].body["parallel_tool_calls"] is allowed

    def test_extra_calls_are_dropped_without_parallel_calls(self, llm, sandbox):
        """Without parallel calls, although the server makes two."""
        two = [piece(None, '{"a": 1, "b": 2}', name="add", id="c1"), piece(None, "{}", name="now", id="c2")]
        message = {"role": "assistant", "content": None, "tool_calls": two}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        sandbox.script(Reply(body={"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]}))
        response = llm.chat_with_tools([ADD, NOW], "?")
        assert [call.tool_name for call in llm.get_tool_calls_from_response(response)] == ["add"]

    def test_the_callers_history_is_not_changed(self, llm, sandbox):
        sandbox.script(ONE_CALL)
        history = question()
        before = copy.deepcopy(history)
        llm.chat_with_tools([ADD], "And now?", chat_history=history)
        assert history == before

    def test_predict_and_call_runs_the_tool(self, llm, sandbox):
        sandbox.script(ONE_CALL)
        assert llm.predict_and_call([ADD], "1 + 2?").response == "3"

    async def test_apredict_and_call_runs_the_tool(self, llm, sandbox):
        sandbox.script(ONE_CALL)
        assert (await llm.apredict_and_call([ADD], "1 + 2?")).response == "3"

    def test_a_tool_with_an_unusual_name_is_called_by_that_name(self, llm, sandbox):
        """A name that is changed for sending is restored."""
        odd = FunctionTool.from_defaults(add, name="add[int]")
        sandbox.script(Reply(tool_calls=[ToolCall("add_int_", {"a": 1, "b": 2})]))
        assert llm.predict_and_call([odd], "1 + 2?").response == "3"

    @pytest.mark.parametrize("way", ["chat_with_tools", "stream_chat_with_tools"])
    def test_a_required_call_is_made_although_the_server_ignores_it(self, make, way):
        """gpt-oss on vLLM before 0.26 answers HTTP 200 with prose instead of the call."""
        with Sandbox() as server:
            llm = make(server, max_retries=0)
            server.script(Reply(text="I would rather chat."), Reply(text='{"a": 1, "b": 2}'))
            answer = getattr(llm, way)([ADD], "1 + 2?", tool_required=True)
            last = list(answer)[-1] if "stream" in way else answer
            (call,) = llm.get_tool_calls_from_response(last)
        assert (call.tool_name, call.tool_kwargs) == ("add", {"a": 1, "b": 2})

    def test_results_are_sent_back_with_the_call_and_its_id(self, llm, sandbox):
        llm.chat([*question("1 + 2?"), *_loop()])
        _, call, result = sandbox.requests[-1].body["messages"]
        assert call["tool_calls"][0]["id"] == result["tool_call_id"] == "c1"
        assert call["tool_calls"][0]["function"]["arguments"] == '{"a": 1, "b": 2}'
        assert result["content"] == "3"

    def test_reasoning_is_sent_back_with_the_call(self, llm, sandbox):
        """gpt-oss needs its reasoning between two calls."""
        llm.chat([*question("1 + 2?"), *_loop()])
        message = sandbox.requests[-1].body["messages"][1]
        assert message.get("reasoning") == message.get("reasoning_content") == "Add them."

    def test_results_carry_the_name_of_the_tool(self, llm, sandbox):
        """vLLM before 0.13 reads it from there."""
        llm.chat([*question("1 + 2?"), *_loop()])
        assert sandbox.requests[-1].body["messages"][2].get("name") == "add"


def _loop() -> list[ChatMessage]:
    """A call with reasoning before it, and its result."""
    blocks = [
        ThinkingBlock(content="Add them."),
        ToolCallBlock(tool_call_id="c1", tool_name="add", tool_kwargs={"a": 1, "b": 2}),
    ]
    result = ChatMessage(role=MessageRole.TOOL, content="3", additional_kwargs={"tool_call_id": "c1"})
    return [ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks), result]
