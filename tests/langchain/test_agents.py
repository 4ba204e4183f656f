"""LangChain's `create_agent` with its middleware, and LangGraph's streams and checkpoints, on ChatTIR."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel

from demo.rules import answer
from langchain_tir import ChatTIR
from tests.old_vllm import ignoring_tool_choice
from tests.waiting import until
from tir_sandbox import Fault, Reply, Sandbox, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTION = {"messages": [HumanMessage("What is the weather in Pune? It may be 31 degrees Celsius.")]}
OVERFLOW = {"error": {"message": "This model's maximum context length is 10 tokens.", "code": 400}}


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    celsius: int


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is 31 degrees Celsius in {city}."


def get_time(city: str) -> str:
    """Get the time of day in a city."""
    return f"It is noon in {city}."


def kinds(result: dict[str, Any]) -> list[str]:
    return [type(message).__name__ for message in result["messages"]]


def test_an_agent_calls_a_tool_and_answers_with_its_result(model: ChatTIR):
    result = create_agent(model, [get_weather]).invoke(QUESTION)

    assert kinds(result) == ["HumanMessage", "AIMessage", "ToolMessage", "AIMessage"]
    assert "31 degrees Celsius in Pune" in result["messages"][-1].text


@pytest.mark.parametrize("tools", [[get_weather], []], ids=["with tools", "without tools"])
@pytest.mark.parametrize("wrap", [ToolStrategy, ProviderStrategy, lambda schema: schema], ids=["tool", "own", "auto"])
def test_an_agent_answers_with_an_object(model: ChatTIR, sandbox: Sandbox, wrap: Callable[..., Any], tools: list[Any]):
    result = create_agent(model, tools, response_format=wrap(Weather)).invoke(QUESTION)

    assert result["structured_response"] == Weather(city="Pune", celsius=31)
    assert all(request.body.get("tools") != [] for request in sandbox.requests)


@pytest.mark.parametrize("wrap", [ToolStrategy, ProviderStrategy])
def test_an_agent_answers_with_an_object_on_a_server_that_ignores_forced_calls(wrap: Callable[..., Any]):
    with Sandbox(rules=ignoring_tool_choice(answer)) as old:
        model = ChatTIR(api_key=old.token, project_id=old.project_id, host=old.host)

        result = create_agent(model, [get_weather], response_format=wrap(Weather)).invoke(QUESTION)

    assert result["structured_response"] == Weather(city="Pune", celsius=31)


def test_an_agent_makes_parallel_calls_and_sends_its_reasoning(model: ChatTIR, sandbox: Sandbox):
    calls = [ToolCall("get_weather", {"city": "Pune"}), ToolCall("get_time", {"city": "Pune"})]
    sandbox.script(Reply(reasoning="Both are needed.", tool_calls=calls), Reply(text="Hot, and noon."))

    result = create_agent(model, [get_weather, get_time]).invoke(QUESTION)

    assert kinds(result) == ["HumanMessage", "AIMessage", "ToolMessage", "ToolMessage", "AIMessage"]
    _, asked, weather, noon = sandbox.requests[-1].body["messages"]
    assert asked["reasoning"] == asked["reasoning_content"] == "Both are needed."
    assert [call["id"] for call in asked["tool_calls"]] == [weather["tool_call_id"], noon["tool_call_id"]]
    assert (weather["name"], noon["name"]) == ("get_weather", "get_time")


def test_a_cut_off_call_is_not_executed_by_an_agent_that_streams(model: ChatTIR, sandbox: Sandbox):
    cut = ToolCall("get_weather", '{"city": "Pu')
    sandbox.script(Reply(tool_calls=[cut], finish_reason="length"))

    agent = create_agent(model, [get_weather])
    states = [state for _, state in agent.stream(QUESTION, stream_mode=["values", "messages"]) if "messages" in state]

    last = states[-1]["messages"][-1]
    assert last.tool_calls == []
    assert last.invalid_tool_calls[0]["name"] == "get_weather"


def test_langgraph_streams_the_tokens_of_a_node_that_invokes(model: ChatTIR, sandbox: Sandbox):
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "ask")
    sandbox.script(Reply(reasoning=["Let ", "me."], text=["Hel", "lo"]))

    chunks = [chunk for chunk, _ in graph.compile().stream(QUESTION, stream_mode="messages")]

    assert [chunk.text for chunk in chunks if chunk.text] == ["Hel", "lo"]
    whole = sum((chunk for chunk in chunks if isinstance(chunk, AIMessageChunk)), AIMessageChunk(""))
    assert whole.additional_kwargs["reasoning_content"] == "Let me."
    assert whole.usage_metadata["input_tokens"] > 0


async def test_langgraph_streams_the_tokens_of_an_async_agent(model: ChatTIR):
    agent = create_agent(model, [get_weather])

    chunks = [chunk async for chunk, _ in agent.astream(QUESTION, stream_mode="messages")]

    assert "".join(chunk.text for chunk in chunks if isinstance(chunk, AIMessageChunk)).endswith("in Pune.")


def test_a_checkpoint_keeps_the_conversation_with_its_reasoning(model: ChatTIR, sandbox: Sandbox):
    agent = create_agent(model, [get_weather], checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "1"}}
    sandbox.script(Reply(reasoning="A greeting.", text="Hello!"), Reply(text="Bye!"))

    agent.invoke({"messages": [HumanMessage("Hi")]}, thread)
    agent.invoke({"messages": [HumanMessage("Bye")]}, thread)

    sent = sandbox.requests[-1].body["messages"]
    assert [message["content"] for message in sent] == ["Hi", "Hello!", "Bye"]
    assert sent[1]["reasoning"] == "A greeting."


def test_a_summary_makes_room_when_the_conversation_is_long(model: ChatTIR, sandbox: Sandbox):
    middleware = SummarizationMiddleware(model, trigger=("messages", 4), keep=("messages", 1))
    history = [HumanMessage("One"), AIMessage("Two"), HumanMessage("Three"), AIMessage("Four"), HumanMessage("Five")]
    sandbox.script(Reply(text="They counted."), Reply(text="Six"))

    result = create_agent(model, middleware=[middleware]).invoke({"messages": history})

    assert "They counted." in result["messages"][0].text
    assert result["messages"][-1].text == "Six"


def test_summarization_by_a_fraction_of_the_window_uses_the_profile(model: ChatTIR):
    middleware = SummarizationMiddleware(model, trigger=("fraction", 0.8))

    assert create_agent(model, middleware=[middleware]).invoke(QUESTION)["messages"][-1].text


def test_a_summary_that_overflows_the_context_is_requested_again_with_fewer_messages(model: ChatTIR, sandbox: Sandbox):
    middleware = SummarizationMiddleware(model, trigger=("messages", 8), keep=("messages", 1))
    history = [HumanMessage(f"Number {number} " * 200) for number in range(9)]
    sandbox.script(Fault(status=400, body=OVERFLOW), Reply(text="They counted."), Reply(text="Nine"))

    result = create_agent(model, middleware=[middleware]).invoke({"messages": history})

    assert "They counted." in result["messages"][0].text
    assert len(sandbox.requests[1].raw) < len(sandbox.requests[0].raw)


def test_old_tool_results_are_cleared_by_the_servers_token_count(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(base_url=sandbox.base_url)
    edit = ClearToolUsesEdit(trigger=10, keep=0)
    middleware = ContextEditingMiddleware(edits=[edit], token_count_method="model")

    result = create_agent(model, [get_weather], middleware=[middleware]).invoke(QUESTION)

    assert result["messages"][-1].text
    assert any(request.path.endswith("/tokenize") for request in sandbox.requests)
    sent = [request.body["messages"] for request in sandbox.requests if request.path.endswith("/chat/completions")]
    assert sent[-1][-1]["content"] == "[cleared]"


def test_retryable_errors_are_retried_by_the_retry_middleware(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Fault(status=503), Reply(text="Here."))
    middleware = ModelRetryMiddleware(max_retries=1, initial_delay=0)

    assert create_agent(model, middleware=[middleware]).invoke(QUESTION)["messages"][-1].text == "Here."


def test_final_errors_are_not_retried_by_the_retry_middleware(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Fault(status=400))
    middleware = ModelRetryMiddleware(max_retries=3, initial_delay=0, on_failure="error")

    with pytest.raises(ModelInvalidRequestError):
        create_agent(model, middleware=[middleware]).invoke(QUESTION)
    assert len(sandbox.requests) == 1


def test_a_fallback_model_is_called_at_its_own_url(make: Callable[..., ChatTIR], sandbox: Sandbox):
    sandbox.script(Fault(status=404), Reply(text="Here."))
    middleware = ModelFallbackMiddleware(make(model="qwen3_32b"))

    assert create_agent(make(), middleware=[middleware]).invoke(QUESTION)["messages"][-1].text == "Here."
    assert [request.path.split("/")[4] for request in sandbox.requests] == ["gpt_oss_120b", "qwen3_32b"]


def test_a_refusal_is_not_retried_but_falls_back_to_another_model(make: Callable[..., ChatTIR], sandbox: Sandbox):
    sandbox.script(Reply(refusal="No."), Reply(tool_calls=[ToolCall("Weather", {"city": "Pune", "celsius": 31})]))
    retry = ModelRetryMiddleware(max_retries=3, initial_delay=0, on_failure="error")
    middleware = [ModelFallbackMiddleware(make(model="qwen3_32b")), retry]
    agent = create_agent(make(), response_format=ToolStrategy(Weather), middleware=middleware)

    assert isinstance(agent.invoke(QUESTION)["structured_response"], Weather)
    assert [request.path.split("/")[4] for request in sandbox.requests] == ["gpt_oss_120b", "qwen3_32b"]


def test_the_tool_selector_picks_by_structured_output(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Reply(text='{"tools": ["get_time"]}'), Reply(text="Noon."))
    middleware = LLMToolSelectorMiddleware(model=model, max_tools=1)

    create_agent(model, [get_weather, get_time], middleware=[middleware]).invoke(QUESTION)

    assert [tool["function"]["name"] for tool in sandbox.requests[-1].body["tools"]] == ["get_time"]


def test_an_agent_may_be_shared_by_threads(model: ChatTIR):
    agent = create_agent(model, [get_weather])
    results: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: results.append(agent.invoke(QUESTION))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [len(result["messages"]) for result in results] == [4] * 4


def test_an_agent_may_run_on_one_event_loop_after_the_other(model: ChatTIR):
    agent = create_agent(model, [get_weather])

    results = [asyncio.run(agent.ainvoke(QUESTION)) for _ in range(3)]

    assert [len(result["messages"]) for result in results] == [4] * 3


@pytest.mark.parametrize("leaves", [False, True])
def test_an_agent_that_ends_with_its_loop_logs_nothing(caplog: pytest.LogCaptureFixture, leaves: bool):
    """Its model is garbage-collected while the loop closes, after its server has stopped."""

    async def run() -> None:
        with Sandbox(rules=answer) as server:
            model = ChatTIR(api_key=server.token, project_id=server.project_id, host=server.host)
            stream = create_agent(model, []).astream({"messages": "Hi"}, stream_mode="messages")
            async for _ in stream:
                if leaves:
                    break

    gc.collect()  # what other tests have left
    caplog.clear()
    asyncio.run(run())
    gc.collect()

    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_cancelling_a_run_stops_the_server(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Reply(text=["word "] * 1500, chunk_delay=0.02))
    agent = create_agent(model, [get_weather])
    begun = asyncio.Event()

    async def run() -> None:
        async for _ in agent.astream(QUESTION, stream_mode="messages"):
            begun.set()

    task = asyncio.create_task(run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(left, sandbox)


def test_leaving_a_stream_stops_the_server(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Reply(text=["word "] * 1500, chunk_delay=0.02))

    for _ in model.stream("Hi"):
        break

    assert left(sandbox)


def left(sandbox: Sandbox) -> bool:
    """Whether the server notices that the client disconnects, long before the answer ends."""
    return until(lambda: sandbox.requests[-1].disconnected)


def test_a_tool_that_failed_is_reported_to_the_model(model: ChatTIR, sandbox: Sandbox):
    error = ToolMessage("Error: no such city", tool_call_id="1", status="error")
    asked = AIMessage("", tool_calls=[{"id": "1", "name": "get_weather", "args": {"city": "?"}}])

    model.invoke([HumanMessage("Hi"), asked, error])

    assert sandbox.requests[-1].body["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "1",
        "name": "get_weather",
        "content": "Error: no such city",
    }


async def test_leaving_an_async_stream_stops_the_server(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Reply(text=["word "] * 1500, chunk_delay=0.02))

    async for _ in model.astream("Hi"):
        break

    assert await asyncio.to_thread(left, sandbox)
