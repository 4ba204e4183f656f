"""`TIR` on a real vLLM server. Its tiny random model writes noise; transport, streams, tools and schemas are real."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import time
from enum import StrEnum
from typing import TYPE_CHECKING

import httpx
import pytest
from llama_index.core import SummaryIndex
from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock, ThinkingBlock, ToolCallBlock
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel

from llama_index_tir import TIR, StructuredOutputError
from tests.llama_index.conformance.base import calls, collect, question, texts, thinking
from tests.llama_index.corpus import DOCUMENTS, QUESTION
from tir_client import (
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    ForcedToolError,
    NotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.real


class Grade(StrEnum):
    LOW = "low"
    HIGH = "high"


class Rating(BaseModel):
    """A rating."""

    grade: Grade
    certain: bool


def rate(grade: Grade, certain: bool) -> str:
    """Rate an answer."""
    return f"{grade} {certain}"


RATE = FunctionTool.from_defaults(rate, fn_schema=Rating)
PROMPT = PromptTemplate("Rate {what}.")


@pytest.fixture
def make(real_server) -> Callable[..., TIR]:
    def make(**fields):
        given = {"base_url": real_server.base_url, "api_key": real_server.api_key, "model": real_server.model}
        return TIR(**{**given, "max_tokens": 24, "seed": 7, "max_retries": 0, **fields})

    return make


@pytest.fixture
def llm(make) -> TIR:
    return make()


def generated(server) -> int:
    """How many tokens the server has generated so far."""
    metrics = httpx.get(server.base_url.removesuffix("/v1") + "/metrics", trust_env=False).text
    counts = re.findall(r"^vllm:generation_tokens_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    return sum(int(float(count)) for count in counts)


def is_idle(server) -> bool:
    """Whether the server generates nothing for a second."""
    before = generated(server)
    time.sleep(1)
    return generated(server) == before


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition soon holds: the server counts after each step, and an endless answer takes many steps.

    Each check costs the server time, so there are pauses between them.
    """
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def test_every_call_method_answers(llm):
    async def every() -> list[str]:
        whole = [(await llm.achat(question())).message.content, (await llm.acomplete("Hi")).text]
        streams = [await collect(llm.astream_chat(question())), await collect(llm.astream_complete("Hi"))]
        return [*whole, streams[0][-1].message.content, streams[1][-1].text]

    answers = [llm.chat(question()).message.content, llm.complete("Hi").text]
    answers += [list(llm.stream_chat(question()))[-1].message.content, list(llm.stream_complete("Hi"))[-1].text]
    for _ in range(2):
        answers += asyncio.run(every())
    assert all(answers)


def test_a_stream_equals_a_whole_answer(llm):
    """The seed makes the noise the same."""
    responses = list(llm.stream_chat(question(), temperature=0))
    whole = llm.chat(question(), temperature=0)
    assert responses[-1].message == whole.message
    assert "".join(response.delta for response in responses) == whole.message.content
    counts = {name: value for name, value in whole.additional_kwargs.items() if name != "cached_tokens"}
    assert counts.items() <= responses[-1].additional_kwargs.items()


def test_usage_is_counted(make):
    counter = TokenCountingHandler()
    llm = make(callback_manager=CallbackManager([counter]), max_tokens=5)
    llm.chat(question())
    list(llm.stream_chat(question()))
    assert counter.completion_llm_token_count == 10
    assert counter.prompt_llm_token_count > 10


def test_reasoning_is_separate_from_text(make):
    """The server's parser splits what its template has opened."""
    llm = make(extra_body={"chat_template_kwargs": {"thinking": True}})
    response = list(llm.stream_chat(question()))[-1]
    assert thinking(response)
    assert "think>" not in thinking(response) + "".join(texts(response))


def test_logprobs_are_returned(llm):
    logprobs = llm.chat(question(), logprobs=True, top_logprobs=2, max_tokens=3).logprobs
    assert [len(token) >= 2 for token in logprobs] == [True] * 3


@pytest.mark.parametrize("way", ["chat_with_tools", "stream_chat_with_tools"])
def test_a_named_tool_is_called_with_valid_arguments(make, way):
    """`strict` constrains the arguments to their schema, even of a random model."""
    answer = getattr(make(strict=True, max_tokens=1500), way)([RATE], "Rate it.", tool_choice="rate")
    last = list(answer)[-1] if "stream" in way else answer
    (call,) = calls(last)
    assert call.tool_name == "rate"
    Rating.model_validate(call.tool_kwargs)


def test_a_required_tool_is_run(make):
    output = make(strict=True, max_tokens=1500).predict_and_call([RATE], "Rate it.", tool_required=True)
    assert output.sources[0].tool_name == "rate"


async def test_a_streamed_call_can_be_read_at_each_item(make):
    llm = make(strict=True, max_tokens=1500)
    stream = await llm.astream_chat_with_tools([RATE], "Rate it.", tool_choice="rate")
    seen = [llm.get_tool_calls_from_response(item, error_on_no_tool_call=False) async for item in stream]
    Rating.model_validate(seen[-1][0].tool_kwargs)


def test_a_required_call_that_was_cut_off_is_an_error(make):
    with pytest.raises((ForcedToolError, ValueError), match="max_tokens"):
        make(strict=True, max_tokens=2).predict_and_call([RATE], "Rate it.", tool_required=True)


def test_a_conversation_with_reasoning_calls_and_results_is_accepted(llm):
    thought = ThinkingBlock(content="I rate it.")
    call = ToolCallBlock(tool_call_id="c1", tool_name="rate", tool_kwargs={"grade": "low", "certain": True})
    history = [
        ChatMessage(role=MessageRole.SYSTEM, content="Be brief."),
        *question(),
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[thought, TextBlock(text=""), call]),
        ChatMessage(role=MessageRole.TOOL, content="low True", additional_kwargs={"tool_call_id": "c1"}),
    ]
    assert llm.chat_with_tools([RATE], chat_history=history).message.content
    without = [history[0], history[1], ChatMessage(role=MessageRole.ASSISTANT, blocks=[call]), history[3]]
    longer, shorter = (llm.chat(given).additional_kwargs["prompt_tokens"] for given in (history, without))
    assert longer > shorter  # the thought was read


def test_objects_fit_their_schema(make):
    llm = make(max_tokens=200)
    assert isinstance(llm.structured_predict(Rating, PROMPT, what="it"), Rating)
    assert isinstance(list(llm.stream_structured_predict(Rating, PROMPT, what="it"))[-1], Rating)
    assert isinstance(llm.as_structured_llm(Rating).chat(question()).raw, Rating)
    text = "".join(item.delta for item in llm.as_structured_llm(Rating).stream_complete("Rate it."))
    Rating.model_validate_json(text)


async def test_objects_fit_their_schema_in_async_code(make):
    llm = make(max_tokens=200)
    assert isinstance(await llm.astructured_predict(Rating, PROMPT, what="it"), Rating)
    assert isinstance((await collect(llm.astream_structured_predict(Rating, PROMPT, what="it")))[-1], Rating)


def test_an_object_that_was_cut_off_is_an_error(make):
    with pytest.raises(ValueError, match="max_tokens"):
        make(max_tokens=3).structured_predict(Rating, PROMPT, what="it")


def test_a_program_that_requires_a_call_gets_its_object(make):
    llm = make(strict=True, max_tokens=1500)
    program = FunctionCallingProgram.from_defaults(Rating, prompt_template_str="Rate {what}.", llm=llm)
    assert isinstance(program(what="it"), Rating)
    assert isinstance(asyncio.run(program.acall(what="it")), Rating)


@pytest.mark.parametrize("mode", [PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM])
def test_a_stream_of_another_mode_ends_with_the_object_or_an_error(make, mode):
    """A required call fits its schema; what a random model writes without a constraint does not."""
    llm = make(strict=True, max_tokens=1500, pydantic_program_mode=mode)
    stream = llm.stream_structured_predict(Rating, PROMPT, what="it")
    if mode is PydanticProgramMode.FUNCTION:
        assert isinstance(list(stream)[-1], Rating)
        return
    with pytest.raises(StructuredOutputError, match="Rating"):
        list(stream)


def test_a_query_engine_answers(make):
    engine = SummaryIndex.from_documents(DOCUMENTS).as_query_engine(llm=make(), streaming=True)
    assert "".join(engine.query(QUESTION).response_gen)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_closing_a_stream_stops_the_server(make, real_server, way):
    llm = make(max_tokens=3_000, extra_body={"ignore_eos": True, "n": 64})
    assert eventually(lambda: is_idle(real_server))
    before = generated(real_server)

    async def leave() -> None:
        stream = await llm.astream_chat(question())
        await anext(stream)
        await stream.aclose()

    if way == "async":
        asyncio.run(leave())
    else:
        stream = llm.stream_chat(question())
        next(stream)
        stream.close()
    assert eventually(lambda: is_idle(real_server))
    assert generated(real_server) - before < 64 * 3_000


def test_copies_and_pickles_work(make, real_server, monkeypatch):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", real_server.api_key)
    llm = make(api_key=None)
    llm.chat(question())
    for same in (copy.deepcopy(llm), pickle.loads(pickle.dumps(llm)), TIR.from_dict(llm.to_dict())):
        assert same.chat(question()).message.content


def test_failures_have_their_classes(make, real_server):
    with pytest.raises(AuthenticationError):
        make(api_key="wrong").chat(question())
    with pytest.raises(NotFoundError, match="nope"):
        make(model="nope").chat(question())
    with pytest.raises(BadRequestError, match="top_p"):
        make(top_p=2.0).chat(question())
    with pytest.raises(ContextOverflowError):
        make().chat(question("word " * 9_000))


def test_the_model_named_in_a_call_answers(make, real_server):
    assert make(model="nope").chat(question(), model=real_server.models[1]).message.content
