"""LlamaIndex's agents and workflows on TIR, streamed and not."""

from __future__ import annotations

import asyncio
import json

import pytest
from llama_index.core.agent.workflow import (
    AgentOutput,
    AgentStream,
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context
from pydantic import BaseModel

from llama_index_tir import ToolArgumentsError
from tir_sandbox import Reply, ToolCall

from .conformance.streams import LONG, wait_for_leaving

# LlamaIndex's workflows read every attribute of an agent, including deprecated ones of pydantic.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The `__.*__` attribute is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the '.*' attribute on the instance:DeprecationWarning"),
]


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"Sunny in {city}."


MULTIPLY = FunctionTool.from_defaults(multiply)
WEATHER = FunctionTool.from_defaults(weather)


class Product(BaseModel):
    """The product of two numbers."""

    product: int


@pytest.fixture
def memory(llm):
    return ChatMemoryBuffer.from_defaults(llm=llm)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_function_agent_calls_a_tool_and_answers(llm, sandbox, memory, streaming):
    sandbox.script(
        Reply(reasoning="Multiply.", tool_calls=[ToolCall("multiply", {"a": 6, "b": 7})]),
        Reply(text="It is 42."),
    )
    agent = FunctionAgent(tools=[MULTIPLY], llm=llm, streaming=streaming)
    answer = await agent.run("6 times 7?", memory=memory)
    assert str(answer) == "It is 42."
    assert answer.tool_calls[0].tool_output.content == "42"


async def test_reasoning_is_sent_back_to_the_model(llm, sandbox, memory):
    sandbox.script(
        Reply(reasoning="Multiply.", tool_calls=[ToolCall("multiply", {"a": 6, "b": 7}, id="c1")]),
        Reply(text="It is 42."),
    )
    await FunctionAgent(tools=[MULTIPLY], llm=llm).run("6 times 7?", memory=memory)
    _, call, result = sandbox.requests[-1].body["messages"][-3:]
    assert call["reasoning"] == call["reasoning_content"] == "Multiply."
    assert result == {"role": "tool", "tool_call_id": "c1", "name": "multiply", "content": "42"}


async def test_the_stream_of_an_agent_has_reasoning_text_and_calls(llm, sandbox, memory):
    sandbox.script(
        Reply(reasoning=["Multi", "ply."], tool_calls=[ToolCall("multiply", {"a": 6, "b": 7})]),
        Reply(text=["It ", "is 42."]),
    )
    handler = FunctionAgent(tools=[MULTIPLY], llm=llm).run("6 times 7?", memory=memory)
    events = [event async for event in handler.stream_events()]
    await handler
    stream = [event for event in events if isinstance(event, AgentStream)]
    assert "".join(event.thinking_delta or "" for event in stream) == "Multiply."
    assert "".join(event.delta for event in stream) == "It is 42."
    assert any(event.tool_calls for event in stream)
    assert [event.tool_output.content for event in events if isinstance(event, ToolCallResult)] == ["42"]
    assert isinstance(stream[-1].raw["usage"], dict)


async def test_two_calls_in_one_answer_are_both_run(llm, sandbox, memory):
    calls = [ToolCall("multiply", {"a": 6, "b": 7}), ToolCall("weather", {"city": "Pune"})]
    sandbox.script(Reply(tool_calls=calls), Reply(text="42, and sunny."))
    answer = await FunctionAgent(tools=[MULTIPLY, WEATHER], llm=llm).run("?", memory=memory)
    assert {call.tool_output.content for call in answer.tool_calls} == {"42", "Sunny in Pune."}


async def test_the_first_tool_can_be_required(llm, sandbox, memory):
    agent = FunctionAgent(tools=[MULTIPLY, WEATHER], llm=llm, initial_tool_choice="weather")
    await agent.run("Hello", memory=memory)
    choices = [request.body.get("tool_choice") for request in sandbox.requests]
    assert choices[0] == {"type": "function", "function": {"name": "weather"}}
    assert choices[1] is None


async def test_a_call_of_an_unknown_tool_is_reported_to_the_model(llm, sandbox, memory):
    sandbox.script(Reply(tool_calls=[ToolCall("divide", {"a": 6, "b": 7})]), Reply(text="I cannot."))
    answer = await FunctionAgent(tools=[MULTIPLY], llm=llm).run("6 by 7?", memory=memory)
    assert str(answer) == "I cannot."
    assert "divide not found" in sandbox.requests[-1].body["messages"][-1]["content"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_ends_with_an_object(llm, memory, streaming):
    agent = FunctionAgent(tools=[MULTIPLY], llm=llm, output_cls=Product, streaming=streaming)
    answer = await agent.run("What is 6 times 7?", memory=memory)
    assert isinstance(answer.get_pydantic_model(Product), Product)


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_react_agent_calls_a_tool_and_answers(llm, memory, streaming):
    agent = ReActAgent(tools=[MULTIPLY], llm=llm, streaming=streaming)
    answer = await agent.run("Multiply 6 and 7.", memory=memory)
    assert "42" in str(answer)


def test_a_react_agent_calls_the_tool_for_a_model_that_calls_none(make_llm):
    llm = make_llm(is_function_calling_model=False)
    assert llm.predict_and_call([MULTIPLY], "Multiply 6 and 7.").response == "42"
    assert asyncio.run(llm.apredict_and_call([MULTIPLY], "Multiply 6 and 7.")).response == "42"


async def test_a_code_agent_runs_what_the_model_writes(llm, sandbox, memory):
    sandbox.script(Reply(text="<execute>\nprint(6 * 7)\n</execute>"), Reply(text="It is 42."))
    ran = []

    def execute(code: str) -> str:
        ran.append(code)
        return "42"

    agent = CodeActAgent(tools=[MULTIPLY], llm=llm, code_execute_fn=execute)
    assert str(await agent.run("6 times 7?", memory=memory)) == "It is 42."
    assert ran == ["print(6 * 7)"]


async def test_agents_hand_over_to_each_other(llm, sandbox):
    sandbox.script(
        Reply(tool_calls=[ToolCall("handoff", {"to_agent": "forecaster", "reason": "It is about the weather."})]),
        Reply(tool_calls=[ToolCall("weather", {"city": "Pune"})]),
        Reply(text="Sunny."),
    )
    workflow = AgentWorkflow(
        agents=[
            FunctionAgent(
                name="clerk", description="Takes questions.", tools=[MULTIPLY], llm=llm, can_handoff_to=["forecaster"]
            ),
            FunctionAgent(name="forecaster", description="Knows the weather.", tools=[WEATHER], llm=llm),
        ],
        root_agent="clerk",
    )
    memory = ChatMemoryBuffer.from_defaults(llm=llm)
    handler = workflow.run("How is the weather in Pune?", memory=memory)
    outputs = [event async for event in handler.stream_events() if isinstance(event, AgentOutput)]
    assert str(await handler) == "Sunny."
    assert [output.current_agent_name for output in outputs] == ["clerk", "forecaster", "forecaster"]


@pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key. memory")  # with pydantic 2.14
async def test_a_context_and_its_messages_can_be_saved_as_json(llm, sandbox, memory):
    """With thoughts, calls and results; the conversation continues after loading."""
    sandbox.script(
        Reply(reasoning="Multiply.", tool_calls=[ToolCall("multiply", {"a": 6, "b": 7})]),
        Reply(text="It is 42."),
        Reply(text="You asked for 6 times 7."),
    )
    agent = FunctionAgent(tools=[MULTIPLY], llm=llm)
    context = Context(agent)
    await agent.run("6 times 7?", ctx=context, memory=memory)
    saved = json.dumps([context.to_dict(), [message.model_dump_json() for message in memory.get_all()]])

    state, history = json.loads(saved)
    messages = [ChatMessage.model_validate_json(message) for message in history]
    loaded = ChatMemoryBuffer.from_defaults(chat_history=messages, llm=llm)
    await agent.run("What did I ask?", ctx=Context.from_dict(agent, state), memory=loaded)
    sent = sandbox.requests[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent[1]["reasoning"] == "Multiply."
    assert json.loads(sent[1]["tool_calls"][0]["function"]["arguments"]) == {"a": 6, "b": 7}


async def test_a_cancelled_run_stops_the_server(llm, sandbox, memory):
    sandbox.script(LONG)
    handler = FunctionAgent(tools=[MULTIPLY], llm=llm).run("Tell me a story.", memory=memory)
    async for event in handler.stream_events():
        if isinstance(event, AgentStream):
            break
    await handler.cancel_run()
    await asyncio.gather(handler, return_exceptions=True)
    assert await asyncio.to_thread(wait_for_leaving, sandbox)


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_does_not_run_a_call_that_was_cut_off_before_its_arguments(llm, sandbox, memory, streaming):
    sandbox.script(Reply(tool_calls=[ToolCall("wipe", "")], finish_reason="length"))
    runs: list[str] = []
    wipe = FunctionTool.from_defaults(lambda: runs.append("wiped"), name="wipe", description="Wipe all.")
    with pytest.raises(ToolArgumentsError, match="max_tokens"):
        await FunctionAgent(tools=[wipe], llm=llm, streaming=streaming).run("?", memory=memory)
    assert not runs


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("finish", ["tool_calls", "length"])
async def test_a_good_call_runs_next_to_a_broken_one(llm, sandbox, memory, streaming, finish):
    """Also if the answer was cut off in the second call."""
    calls = [ToolCall("multiply", {"a": 6, "b": 7}), ToolCall("multiply", '{"a": 6')]
    sandbox.script(Reply(tool_calls=calls, finish_reason=finish), Reply(text="It is 42."))
    answer = await FunctionAgent(tools=[MULTIPLY], llm=llm, streaming=streaming).run("6 * 7?", memory=memory)
    assert str(answer) == "It is 42."
    results = sorted(message["content"] for message in sandbox.requests[-1].body["messages"][-2:])
    assert results[0] == "42"
    assert "multiply (its arguments are not a JSON object" in results[1]


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_tells_the_model_that_its_arguments_are_not_json(llm, sandbox, memory, streaming):
    sandbox.script(Reply(tool_calls=[ToolCall("multiply", '{"a": 6, "b":')]), Reply(text="Sorry, 42."))
    answer = await FunctionAgent(tools=[MULTIPLY], llm=llm, streaming=streaming).run("6 * 7?", memory=memory)
    assert str(answer) == "Sorry, 42."
    call_message, result_message = sandbox.requests[-1].body["messages"][-2:]
    assert json.loads(call_message["tool_calls"][0]["function"]["arguments"]) == {"invalid_arguments": '{"a": 6, "b":'}
    assert result_message["content"].startswith(
        "Tool multiply (its arguments are not a JSON object: Expecting value: line 1"
    )
    assert result_message["name"] == "multiply"
    assert result_message["tool_call_id"] == call_message["tool_calls"][0]["id"]


async def test_the_history_has_the_name_under_which_a_tool_was_offered(llm, sandbox, memory):
    """Servers that restrict names refuse the original one."""
    tool = FunctionTool.from_defaults(weather, name="Weather in: India")
    sandbox.script(Reply(tool_calls=[ToolCall("Weather_in__India", {"city": "Pune"})]), Reply(text="Sunny."))
    answer = await FunctionAgent(tools=[tool], llm=llm).run("Pune?", memory=memory)
    assert str(answer) == "Sunny."
    assert answer.tool_calls[0].tool_name == "Weather in: India"
    body = sandbox.requests[-1].body
    call_message, result_message = body["messages"][-2:]
    names = [
        body["tools"][0]["function"]["name"],
        call_message["tool_calls"][0]["function"]["name"],
        result_message["name"],
    ]
    assert names == ["Weather_in__India"] * 3
    assert result_message["content"] == "Sunny in Pune."


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_tool_that_takes_any_arguments_does_not_run_with_broken_ones(llm, sandbox, memory, streaming):
    runs = []

    def note(**fields: str) -> str:
        """Note anything."""
        runs.append(fields)
        return "noted"

    broken, whole = ToolCall("note", '{"a": "b'), ToolCall("note", {"a": "b"})
    sandbox.script(Reply(tool_calls=[broken, whole]), Reply(text="Noted."))
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(note)], llm=llm, streaming=streaming)

    assert str(await agent.run("Note it.", memory=memory)) == "Noted."
    assert runs == [{"a": "b"}]
    results = [message["content"] for message in sandbox.requests[-1].body["messages"][-2:]]
    assert sorted("not a JSON object" in result for result in results) == [False, True]
