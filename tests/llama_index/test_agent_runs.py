"""Runs of LlamaIndex's agents: hand-offs, saved contexts, confirmation by a person, unusual results of tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import (
    Context,
    HumanResponseEvent,
    InputRequiredEvent,
    JsonPickleSerializer,
    JsonSerializer,
    StartEvent,
    StopEvent,
    Workflow,
    step,
)
from pydantic import BaseModel

from llama_index_tir import TIR
from tir_sandbox import Reply, ToolCall

from .conformance.tools import ADD, NOW
from .test_agents import pytestmark  # noqa: F401 - the same warnings of LlamaIndex's workflows


def handoff(name: str) -> ToolCall:
    """The call by which an agent hands over to another one."""
    return ToolCall("handoff", {"to_agent": name, "reason": "It knows more."})


@pytest.fixture
def team(llm) -> AgentWorkflow:
    """An agent that hands over to one of two others, with descriptions that are together longer than OpenAI allows."""
    host = FunctionAgent(name="host", description="Greets.", llm=llm, tools=[NOW], can_handoff_to=["sums", "jokes"])
    sums = FunctionAgent(name="sums", description="Adds numbers. " * 60, llm=llm, tools=[ADD])
    jokes = FunctionAgent(name="jokes", description="Tells jokes. " * 60, llm=llm, tools=[NOW])
    return AgentWorkflow(agents=[host, sums, jokes], root_agent="host")


@pytest.fixture
def memory(llm):
    return ChatMemoryBuffer.from_defaults(llm=llm)


async def test_a_description_of_any_length_is_offered(team, sandbox, memory):
    sandbox.script(Reply(tool_calls=[handoff("sums")]), Reply(text="It is 3."))
    assert str(await team.run("1 and 2?", memory=memory)) == "It is 3."
    offered = {tool["function"]["name"]: tool["function"] for tool in sandbox.requests[0].body["tools"]}
    assert len(offered["handoff"]["description"]) > 1_024


async def test_two_handoffs_at_once_have_two_results(team, sandbox, memory):
    """LlamaIndex goes on with one of the agents."""
    sandbox.script(Reply(tool_calls=[handoff("sums"), handoff("jokes")]), Reply(text="Ha."))
    assert str(await team.run("1 and 2, and a joke?", memory=memory)) == "Ha."
    question, calls, *results = sandbox.requests[-1].body["messages"]
    assert question["role"] == "user"
    ids = [call["id"] for call in calls["tool_calls"]]
    assert len(set(ids)) == 2
    assert sorted(ids) == sorted(result["tool_call_id"] for result in results)  # the tools run at the same time


@pytest.mark.filterwarnings("ignore:Skipping serialization of known unserializable key")  # the memory
async def test_a_saved_context_can_be_continued(team, sandbox, memory):
    sandbox.script(Reply(reasoning="Sums.", tool_calls=[handoff("sums")]), Reply(text="It is 3."), Reply(text="3."))
    context = Context(team)
    await team.run("1 and 2?", ctx=context, memory=memory)
    saved = json.dumps(context.to_dict(serializer=JsonSerializer()))
    assert sandbox.env["E2E_TIR_ACCESS_TOKEN"] not in saved
    loaded = Context.from_dict(team, json.loads(saved), serializer=JsonSerializer())
    assert str(await team.run("Sorry?", ctx=loaded, memory=memory)) == "3."


class Keep(Workflow):
    """Keeps its model and its responses in its context."""

    @step
    async def keep(self, ctx: Context, event: StartEvent) -> StopEvent:
        llm = event.get("llm")
        response = await llm.achat([ChatMessage(content="?")])
        await ctx.store.set("llm", llm)
        await ctx.store.set("response", response)
        return StopEvent()


@pytest.mark.parametrize("serializer", [JsonSerializer, JsonPickleSerializer])
async def test_a_context_can_hold_the_model_and_its_responses(make_llm, sandbox, serializer):
    sandbox.script(Reply(reasoning="Add.", tool_calls=[ToolCall("add", {"a": 1, "b": 2})]))
    workflow = Keep()
    context = Context(workflow)
    await workflow.run(ctx=context, llm=make_llm(max_tokens=99))
    saved = json.dumps(context.to_dict(serializer=serializer()))
    assert sandbox.env["E2E_TIR_ACCESS_TOKEN"] not in saved
    loaded = Context.from_dict(workflow, json.loads(saved), serializer=serializer())
    llm: Any = await loaded.store.get("llm")
    response: ChatResponse = await loaded.store.get("response")
    assert isinstance(llm, TIR)
    assert llm.max_tokens == 99
    assert [type(block) for block in response.message.blocks] == [ThinkingBlock, TextBlock, ToolCallBlock]
    assert response.raw["usage"]["total_tokens"]


async def test_a_result_returned_directly_stays_in_the_conversation(llm, sandbox, memory):
    """Also if the model has called a second tool, whose result LlamaIndex leaves out."""
    direct = FunctionTool.from_defaults(lambda: "noon", name="clock", description="Tell the time.", return_direct=True)
    sandbox.script(Reply(tool_calls=[ToolCall("clock", {}), ToolCall("now", {})]), Reply(text="Yes."))
    agent = FunctionAgent(llm=llm, tools=[direct, NOW])
    assert str(await agent.run("What time is it?", memory=memory)) == "noon"
    assert str(await agent.run("Sure?", memory=memory)) == "Yes."


class Point(BaseModel):
    """A point."""

    x: int


# As in pyproject.toml, which names the module: `pytest.warns` repeats other warnings without it.
@pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning")
async def test_an_invalid_object_does_not_end_a_run(llm, sandbox, memory):
    sandbox.script(Reply(text="It is at 3."), Reply(text="three"), Reply(text="3?"))
    agent = FunctionAgent(llm=llm, tools=[ADD], output_cls=Point)
    with pytest.warns(UserWarning, match="The answer is not a Point"):
        answer = await agent.run("Where?", memory=memory)
    assert str(answer) == "It is at 3."
    assert answer.structured_response is None


async def test_a_tool_waits_for_a_persons_confirmation(llm, sandbox, memory):
    async def erase(ctx: Context, name: str) -> str:
        """Erase a file."""
        asked = InputRequiredEvent(prefix="Erase?")
        answer = await ctx.wait_for_event(HumanResponseEvent, waiter_id="erase", waiter_event=asked)
        return f"{name} is erased" if answer.response == "yes" else f"{name} is kept"

    erase.__annotations__ = {"ctx": Context, "name": str, "return": str}  # LlamaIndex reads no annotations in strings
    sandbox.script(Reply(reasoning="Erase.", tool_calls=[ToolCall("erase", {"name": "a"})]), Reply(text="Kept."))
    handler = FunctionAgent(llm=llm, tools=[erase]).run("Erase a.", memory=memory)
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            handler.ctx.send_event(HumanResponseEvent(response="no"))
    assert str(await handler) == "Kept."
    assert sandbox.requests[-1].body["messages"][-1]["content"] == "a is kept"


@pytest.mark.parametrize("arguments", ["", "{}", "null"])
async def test_a_tool_without_parameters_runs_without_arguments(llm, sandbox, memory, arguments):
    sandbox.script(Reply(tool_calls=[ToolCall("now", arguments)]), Reply(text="Noon."))
    await FunctionAgent(llm=llm, tools=[NOW]).run("What time is it?", memory=memory)
    assert sandbox.requests[-1].body["messages"][-1]["content"] == NOW().content


async def test_two_calls_with_the_same_id_have_two_results(llm, sandbox, memory):
    twins = [ToolCall("add", {"a": 1, "b": 2}, id="x"), ToolCall("add", {"a": 3, "b": 4}, id="x")]
    sandbox.script(Reply(tool_calls=twins), Reply(text="3 and 7."))
    await FunctionAgent(llm=llm, tools=[ADD]).run("?", memory=memory)
    calls, *results = sandbox.requests[-1].body["messages"][1:]
    ids = [call["id"] for call in calls["tool_calls"]]
    assert len(set(ids)) == 2
    assert {result["tool_call_id"]: result["content"] for result in results} == dict(zip(ids, ["3", "7"], strict=True))


RESULTS = [None, "", {"a": float("nan")}, [1, 2], b"bytes", "half of a pair: \ud800", "\x00", object()]


@pytest.mark.parametrize("result", RESULTS, ids=[type(result).__name__ for result in RESULTS])
async def test_any_value_that_a_tool_returns_is_sent(llm, sandbox, memory, result):
    tool = FunctionTool.from_defaults(lambda: result, name="look", description="Look.")
    sandbox.script(Reply(tool_calls=[ToolCall("look", {})]), Reply(text="I see."))
    assert str(await FunctionAgent(llm=llm, tools=[tool]).run("?", memory=memory)) == "I see."
    assert isinstance(sandbox.requests[-1].body["messages"][-1]["content"], str)
