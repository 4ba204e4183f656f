"""TIR on a real vLLM with a gpt-oss model: agents, structured output in each mode, and replay."""

from __future__ import annotations

import pytest
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode

from llama_index_tir import TIR
from tests.llama_index.conformance.base import calls, collect, texts, thinking
from tests.real.gpt_oss.scenarios import SYSTEM, Verdict, asking, get_time, get_weather
from tests.real.plugin import RealServer
from tir_client import ContextOverflowError

# LlamaIndex's workflows read every attribute of an agent, including deprecated ones of pydantic.
pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings("ignore:The `__.*__` attribute is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the '.*' attribute on the instance:DeprecationWarning"),
]

TOOLS = [FunctionTool.from_defaults(tool, description=tool.__doc__) for tool in (get_weather, get_time)]
PROMPT = PromptTemplate("Please run scenario {name} now.")


@pytest.fixture
def make(gpt_oss_server: RealServer):
    def make(**fields):
        return TIR(**gpt_oss_server.endpoint(), **{"temperature": 0, "max_tokens": 120, "max_retries": 0, **fields})

    return make


@pytest.fixture
def llm(make) -> TIR:
    return make()


def user(scenario: str) -> list[ChatMessage]:
    return [ChatMessage(SYSTEM, role=MessageRole.SYSTEM), ChatMessage(asking(scenario), role=MessageRole.USER)]


async def test_reasoning_is_a_block_and_text_another(llm):
    whole = await llm.achat(user("hello"))
    streamed = list(llm.stream_chat(user("hello")))[-1]

    for response in (whole, streamed):
        assert thinking(response) == "The user greets me. I should reply briefly."
        assert texts(response) == ["Hello! How can I help you today?"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_calls_two_tools_in_turn(llm, streaming):
    answer = await FunctionAgent(tools=TOOLS, system_prompt=SYSTEM, llm=llm, streaming=streaming).run(
        asking("multistep")
    )

    assert str(answer) == "Paris: rain, noon UTC."
    assert [call.tool_output.content for call in answer.tool_calls] == ["rain", "noon UTC"]


@pytest.mark.parametrize("streaming", [True, False])
async def test_an_agent_runs_two_calls_of_one_answer(llm, streaming):
    answer = await FunctionAgent(tools=TOOLS, system_prompt=SYSTEM, llm=llm, streaming=streaming).run(
        asking("twocalls")
    )

    assert str(answer) == "Both calls are done."
    assert {call.tool_output.content for call in answer.tool_calls} == {"rain", "noon IST"}


async def test_an_agent_continues_after_a_call_of_an_unknown_tool(llm):
    answer = await FunctionAgent(tools=TOOLS, system_prompt=SYSTEM, llm=llm).run(asking("unknowntool"))

    assert str(answer) == "Sorry, that tool is not there."
    assert answer.tool_calls[0].tool_output.is_error


async def test_a_react_agent_ends_with_an_answer_in_prose(llm):
    """ReActAgent reads calls from the text; an answer in plain words ends it."""
    answer = await ReActAgent(tools=TOOLS, llm=llm).run(asking("hello"))

    assert "How can I help you today?" in str(answer)


@pytest.mark.parametrize("way", ["chat_with_tools", "stream_chat_with_tools"])
def test_a_broken_call_is_a_block_and_can_be_sent_back(llm, way):
    answer = getattr(llm, way)(TOOLS, chat_history=user("badargs"), allow_parallel_tool_calls=True)
    last = list(answer)[-1] if "stream" in way else answer

    (call,) = calls(last)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", '{"city": "Delhi", "unit":')
    result = ChatMessage(
        role=MessageRole.TOOL, content="Not JSON.", additional_kwargs={"tool_call_id": call.tool_call_id}
    )
    response = llm.chat_with_tools(TOOLS, chat_history=[*user("badargs"), last.message, result])
    assert response.message.content == "Recovered after bad arguments."


@pytest.mark.parametrize("scenario", ["badargs", "unknowntool"])
def test_strict_tools_leave_no_broken_call(make, scenario):
    (call,) = calls(make(strict=True).chat_with_tools(TOOLS, chat_history=user(scenario)))

    assert (call.tool_name, call.tool_kwargs["city"]) == ("get_weather", "Delhi")


@pytest.mark.parametrize(("choice", "name"), [("required", "get_weather"), ("get_time", "get_time")])
async def test_a_forced_call_is_made(make, choice, name):
    llm = make(strict=True)
    whole = llm.chat_with_tools(TOOLS, chat_history=user("hello"), tool_choice=choice)
    streamed = await collect(llm.astream_chat_with_tools(TOOLS, chat_history=user("hello"), tool_choice=choice))

    for response in (whole, streamed[-1]):
        assert [call.tool_name for call in calls(response)] == [name]


def test_a_required_tool_is_run(make):
    output = make(strict=True).predict_and_call(TOOLS, asking("hello"), tool_required=True)

    assert output.response == "rain"


@pytest.mark.parametrize("mode", [PydanticProgramMode.DEFAULT, PydanticProgramMode.FUNCTION])
async def test_an_object_through_a_schema_or_a_tool(make, mode):
    llm = make(strict=True, pydantic_program_mode=mode)

    results = [llm.structured_predict(Verdict, PROMPT, name="json")]
    results.append(await llm.astructured_predict(Verdict, PROMPT, name="json"))
    results.append(list(llm.stream_structured_predict(Verdict, PROMPT, name="json"))[-1])
    results.append((await collect(llm.astream_structured_predict(Verdict, PROMPT, name="json")))[-1])

    assert results == [Verdict(verdict="yes", score=7)] * 4


def test_a_schema_constrains_a_model_that_would_answer_in_prose(llm):
    assert isinstance(llm.structured_predict(Verdict, PROMPT, name="hello"), Verdict)
    assert isinstance(llm.as_structured_llm(Verdict).chat(user("hello")).raw, Verdict)


async def test_a_program_that_requires_a_call_gets_its_object(make):
    llm = make(strict=True)
    program = FunctionCallingProgram.from_defaults(Verdict, prompt_template_str=PROMPT.template, llm=llm)

    assert program(name="json") == await program.acall(name="json") == Verdict(verdict="yes", score=7)


def test_an_object_that_max_tokens_cuts_is_an_error(make):
    with pytest.raises(ValueError, match="max_tokens"):
        make(max_tokens=24).structured_predict(Verdict, PROMPT, name="json")


def test_reasoning_is_sent_back_to_the_model(llm):
    answer = llm.chat_with_tools(TOOLS, chat_history=user("multistep"))
    (call,) = calls(answer)
    rain = ChatMessage(role=MessageRole.TOOL, content="rain", additional_kwargs={"tool_call_id": call.tool_call_id})
    blocks = [block for block in answer.message.blocks if isinstance(block, ToolCallBlock)]
    thoughtless = ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks)

    longer, shorter = (
        llm.chat_with_tools(TOOLS, chat_history=[*user("multistep"), given, rain]).additional_kwargs["prompt_tokens"]
        for given in (answer.message, thoughtless)
    )

    assert longer == shorter + 12


def test_a_prompt_beyond_the_context_is_an_overflow(llm):
    with pytest.raises(ContextOverflowError, match="131072"):
        llm.complete("word " * 140_000)
