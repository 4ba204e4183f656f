"""LlamaIndex's memories truncate, summarise or store conversations with tool calls, and `TIR` can answer them."""

from __future__ import annotations

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer, ChatSummaryMemoryBuffer

from tir_sandbox import Reply, ToolCall

from .conformance.tools import ADD
from .test_agents import pytestmark  # noqa: F401 - the same warnings of LlamaIndex's workflows

LIMITS = range(5, 80, 5)


def turn(number: int) -> list[ChatMessage]:
    """A call of a tool and its result."""
    call = ToolCallBlock(tool_call_id=f"c{number}", tool_name="add", tool_kwargs={"a": number, "b": 1})
    blocks = [ThinkingBlock(content="Add."), TextBlock(text=""), call]
    result = ChatMessage(role="tool", content=str(number + 1), additional_kwargs={"tool_call_id": f"c{number}"})
    return [ChatMessage(role="assistant", blocks=blocks), result]


HISTORY = [
    ChatMessage(content="Add one to each number up to three."),
    *(message for number in range(4) for message in turn(number)),
    ChatMessage(role="assistant", content="I have added one to each."),
    ChatMessage(content="Which was the last?"),
]


def check(sent: list[dict]) -> None:
    """A result without its call is sent with an id, which vLLM requires; a call may lack its result."""
    assert all(message.get("tool_call_id") for message in sent if message["role"] == "tool")


@pytest.mark.parametrize("limit", LIMITS)
def test_a_history_that_was_cut_anywhere_is_answered(llm, sandbox, limit):
    memory = ChatMemoryBuffer.from_defaults(chat_history=list(HISTORY), token_limit=limit)
    assert llm.chat(memory.get()).message.content
    check(sandbox.requests[-1].body["messages"])


@pytest.mark.parametrize("start", range(len(HISTORY)))
def test_the_rest_of_a_history_is_answered(llm, sandbox, start):
    """Memories outside of LlamaIndex may cut before any message."""
    assert llm.chat(HISTORY[start:]).message.content
    check(sandbox.requests[-1].body["messages"])


@pytest.mark.parametrize("limit", [8, 16, 32])
def test_a_history_with_calls_is_summarised(llm, sandbox, limit):
    memory = ChatSummaryMemoryBuffer.from_defaults(
        llm=llm, chat_history=list(HISTORY), token_limit=limit, tokenizer_fn=str.split
    )
    assert llm.chat(memory.get()).message.content
    assert len(sandbox.requests) >= 1


async def test_a_broken_call_in_a_stored_conversation_does_not_end_it(llm, sandbox):
    """The history is loaded from JSON, with the arguments as the model wrote them."""
    calls = [ToolCall("add", {"a": 1, "b": 2}, id="good"), ToolCall("add", '{"a":', id="broken")]
    sandbox.script(Reply(reasoning="Add.", tool_calls=calls), Reply(text="It is 3."), Reply(text="3."))
    agent, memory = FunctionAgent(llm=llm, tools=[ADD]), ChatMemoryBuffer.from_defaults(llm=llm)
    await agent.run("1 and 2?", memory=memory)
    stored = [message.model_dump_json() for message in memory.get_all()]
    history = [ChatMessage.model_validate_json(message) for message in stored]
    loaded = ChatMemoryBuffer.from_defaults(llm=llm, chat_history=history)
    assert str(await agent.run("Sorry?", memory=loaded)) == "3."
    sent = sandbox.requests[-1].body["messages"]
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["good", "broken"]
    assert sent[1]["reasoning"] == "Add."
