"""ChatTIR on a real vLLM with a gpt-oss model: agents, structured output by each method, and replay."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_tir import ChatTIR, TruncatedOutputError
from tests.real.gpt_oss.scenarios import SYSTEM, Verdict, asking, get_time, get_weather
from tests.real.plugin import RealServer
from tir_client import ContextOverflowError

pytestmark = pytest.mark.real

HELLO = "Hello! How can I help you today?"
METHODS = [("json_schema", None), ("json_schema", True), ("function_calling", True), ("json_mode", None)]


@pytest.fixture
def model(gpt_oss_server: RealServer) -> ChatTIR:
    return ChatTIR(**gpt_oss_server.endpoint(), temperature=0, max_tokens=120)


def agent_of(model: ChatTIR) -> Any:
    return create_agent(model, [get_weather, get_time], system_prompt=SYSTEM)


def conversation(scenario: str) -> dict[str, Any]:
    return {"messages": [HumanMessage(asking(scenario))]}


def kinds(messages: list[Any]) -> list[str]:
    return [message.type for message in messages]


@pytest.mark.parametrize("output_version", ["v0", "v1"])
def test_reasoning_and_text_are_content_blocks(model: ChatTIR, output_version: str):
    model = model.model_copy(update={"output_version": output_version})
    streamed = reduce(add, model.stream(asking("hello")))

    for message in (model.invoke(asking("hello")), streamed):
        blocks = [(block["type"], block.get("reasoning") or block.get("text")) for block in message.content_blocks]
        assert blocks == [("reasoning", "The user greets me. I should reply briefly."), ("text", HELLO)]


def test_an_agent_calls_two_tools_in_turn(model: ChatTIR):
    messages = agent_of(model).invoke(conversation("multistep"))["messages"]

    assert kinds(messages) == ["human", "ai", "tool", "ai", "tool", "ai"]
    assert [message.text for message in messages if message.type == "tool"] == ["rain", "noon UTC"]
    assert messages[-1].text == "Paris: rain, noon UTC."


async def test_an_agent_runs_two_calls_of_one_answer(model: ChatTIR):
    result = await agent_of(model).ainvoke(conversation("twocalls"))

    assert kinds(result["messages"]) == ["human", "ai", "tool", "tool", "ai"]
    assert result["messages"][-1].text == "Both calls are done."


def test_an_agent_continues_after_a_call_of_an_unknown_tool(model: ChatTIR):
    messages = agent_of(model).invoke(conversation("unknowntool"))["messages"]

    assert kinds(messages) == ["human", "ai", "tool", "ai"]
    assert "delete_everything is not a valid tool" in messages[2].text
    assert messages[-1].text


@pytest.mark.parametrize("streamed", [False, True])
def test_a_broken_call_is_kept_as_invalid_and_can_be_sent_back(model: ChatTIR, streamed: bool):
    chain = model.bind_tools([get_weather, get_time])
    question = [SystemMessage(SYSTEM), HumanMessage(asking("badargs"))]
    answer = reduce(add, chain.stream(question)) if streamed else chain.invoke(question)

    (call,) = answer.invalid_tool_calls
    assert (call["name"], answer.tool_calls) == ("get_weather", [])
    result = ToolMessage("The arguments are not JSON.", tool_call_id=call["id"])
    assert chain.invoke([*question, answer, result]).text == "Recovered after bad arguments."


@pytest.mark.parametrize("scenario", ["badargs", "unknowntool"])
def test_strict_tools_leave_no_broken_call(model: ChatTIR, scenario: str):
    answer = model.bind_tools([get_weather, get_time], strict=True).invoke(asking(scenario))

    assert [(call["name"], call["args"]["city"]) for call in answer.tool_calls] == [("get_weather", "Delhi")]
    assert answer.invalid_tool_calls == []


@pytest.mark.parametrize(("choice", "name"), [("any", "get_weather"), ("get_time", "get_time")])
async def test_a_forced_call_is_made(model: ChatTIR, choice: str, name: str):
    chain = model.bind_tools([get_weather, get_time], tool_choice=choice, strict=True)

    answers = [await chain.ainvoke(asking("hello")), reduce(add, chain.stream(asking("hello")))]

    assert [[call["name"] for call in answer.tool_calls] for answer in answers] == [[name], [name]]


# Without a schema the server constrains an answer to any JSON object, which one scenario's answer is.
STRUCTURED = [("json", *method) for method in METHODS] + [("hello", *method) for method in METHODS[:3]]


@pytest.mark.parametrize(("scenario", "method", "strict"), STRUCTURED)
async def test_structured_output_returns_the_object(model: ChatTIR, method: Any, strict: bool | None, scenario: str):
    chain = model.with_structured_output(Verdict, method=method, strict=strict)

    results = [chain.invoke(asking(scenario)), await chain.ainvoke(asking(scenario))]
    results += [list(chain.stream(asking(scenario)))[-1], [part async for part in chain.astream(asking(scenario))][-1]]

    assert results == [results[0]] * 4
    assert isinstance(results[0], Verdict)


@pytest.mark.parametrize(("method", "strict"), METHODS)
def test_include_raw_returns_the_object_and_the_message(model: ChatTIR, method: Any, strict: bool | None):
    chain = model.with_structured_output(Verdict, method=method, strict=strict, include_raw=True)

    result = chain.invoke(asking("json"))

    assert result["parsed"] == Verdict(verdict="yes", score=7)
    assert isinstance(result["raw"], AIMessage)
    assert result["raw"].content_blocks[0]["reasoning"] == "Answer with a JSON object."


def test_an_object_that_max_tokens_cuts_is_an_error(model: ChatTIR):
    with pytest.raises(TruncatedOutputError, match="max_tokens"):
        model.with_structured_output(Verdict).invoke(asking("json"), max_tokens=24)


def test_an_object_that_misses_the_schema_is_an_error(model: ChatTIR):
    chain = model.with_structured_output(Verdict, method="json_mode")

    with pytest.raises(OutputParserException, match="Verdict"):
        chain.invoke(asking("hello"))


def test_an_agent_answers_with_an_object(model: ChatTIR):
    agent = create_agent(model, response_format=ProviderStrategy(Verdict, strict=True), system_prompt=SYSTEM)

    assert agent.invoke(conversation("json"))["structured_response"] == Verdict(verdict="yes", score=7)


def test_reasoning_is_sent_back_to_the_model(model: ChatTIR):
    chain = model.bind_tools([get_weather, get_time])
    question = [SystemMessage(SYSTEM), HumanMessage(asking("multistep"))]
    answer = chain.invoke(question)
    rain = ToolMessage("rain", tool_call_id=answer.tool_calls[0]["id"])
    thoughtless = AIMessage("", tool_calls=answer.tool_calls)

    longer, shorter = (chain.invoke([*question, given, rain]) for given in (answer, thoughtless))

    assert longer.usage_metadata["input_tokens"] == shorter.usage_metadata["input_tokens"] + 12


def test_a_prompt_beyond_the_context_is_an_overflow(model: ChatTIR):
    with pytest.raises(ContextOverflowError, match="131072"):
        model.invoke("word " * 140_000)
