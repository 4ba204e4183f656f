"""Structured output beyond the conformance suite: modes, streams, second requests, callers' arguments."""

from __future__ import annotations

import json
from datetime import date

import pytest
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.program import FunctionCallingProgram
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model, field_validator

from llama_index_tir import StructuredOutputError
from llama_index_tir._structured_llm import StructuredTIR
from tir_client import InvalidRequestError, ResponseError
from tir_sandbox import Reply, ToolCall

from .conformance.base import chunk, collect, question
from .conformance.structured import JSON, PROMPT, PUNE, City

FUNCTION, LLM = PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM


def test_the_schema_is_sent_under_the_name_of_the_class(llm, sandbox):
    llm.structured_predict(City, PROMPT, name="Pune")
    form = sandbox.requests[-1].body["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "City", "schema": City.model_json_schema()}}


def test_a_name_that_servers_refuse_is_changed(llm, sandbox):
    odd = create_model("Box[int]", item=(int, ...))
    llm.structured_predict(odd, PROMPT, name="Pune")
    assert sandbox.requests[-1].body["response_format"]["json_schema"]["name"] == "Box_int_"


def test_strict_is_sent(make_llm, sandbox):
    make_llm(strict=True).structured_predict(City, PROMPT, name="Pune")
    assert sandbox.requests[-1].body["response_format"]["json_schema"]["strict"] is True


def test_chat_prompts_are_filled(llm, sandbox):
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "Tell me of {name}.")])
    llm.structured_predict(City, prompt, name="Pune")
    messages = sandbox.requests[-1].body["messages"]
    assert [message["content"] for message in messages] == ["Be brief.", "Tell me of Pune."]


def test_arguments_for_tools_are_not_sent(llm, sandbox):
    """Programs pass them in any mode; the caller's dictionary is not changed."""
    kwargs = {"tool_choice": "City", "tool_required": True, "allow_parallel_tool_calls": False, "seed": 3}
    llm.structured_predict(City, PROMPT, llm_kwargs=kwargs, name="Pune")
    body = sandbox.requests[-1].body
    assert body["seed"] == 3
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)
    assert len(kwargs) == 4


@pytest.mark.parametrize("way", ["structured_predict", "stream_structured_predict"])
async def test_function_mode_does_not_change_the_callers_arguments(make_llm, sandbox, way):
    kwargs = {"tool_choice": "City", "tool_required": True, "allow_parallel_tool_calls": False, "seed": 3}
    llm = make_llm(pydantic_program_mode=FUNCTION)
    list(getattr(llm, way)(City, PROMPT, llm_kwargs=kwargs, name="Pune"))
    await llm.astructured_predict(City, PROMPT, llm_kwargs=kwargs, name="Pune")
    assert [request.body["seed"] for request in sandbox.requests] == [3, 3]
    assert len(kwargs) == 4


def test_a_non_class_is_refused_before_a_request(llm, sandbox):
    with pytest.raises(InvalidRequestError, match="not a pydantic class"):
        llm.structured_predict(list[City], PROMPT, name="Pune")
    assert not sandbox.requests


WAYS = ["structured_predict", "astructured_predict", "stream_structured_predict", "astream_structured_predict"]


async def predicted(llm, way):
    """Return the result of an LLM's method for `PROMPT`; of a stream, the last object."""
    answer = getattr(llm, way)(City, PROMPT, name="Pune")
    if way == "astream_structured_predict":
        return (await collect(answer))[-1]
    return list(answer)[-1] if "stream" in way else await answer if way.startswith("a") else answer


@pytest.mark.parametrize("way", WAYS)
async def test_the_second_request_has_the_answer_and_the_problem(llm, sandbox, way):
    sandbox.script(Reply(text='{"name": "Pune", "people": "many"}'), Reply(text=JSON))
    assert await predicted(llm, way) == PUNE
    first, second = (request.body["messages"] for request in sandbox.requests)
    assert second[: len(first)] == first
    assert second[-2] == {"role": "assistant", "content": '{"name": "Pune", "people": "many"}'}
    assert "people" in second[-1]["content"]


@pytest.mark.parametrize("way", WAYS)
async def test_the_second_request_has_the_same_arguments_and_schema(make_llm, sandbox, way):
    sandbox.script(Reply(text='{"name": 7}'), Reply(text=JSON))
    await predicted(make_llm(temperature=0.25), way)
    changing = {"messages", "stream", "stream_options"}
    first, second = ({k: v for k, v in request.body.items() if k not in changing} for request in sandbox.requests)
    assert first == second
    assert second["response_format"]["json_schema"]["name"] == "City"


def test_the_error_after_two_invalid_answers_has_text_and_body(llm, sandbox):
    sandbox.script(*[Reply(text='{"name": 7}')] * 2)
    with pytest.raises(StructuredOutputError, match=r"City.*finish_reason 'stop'") as caught:
        llm.structured_predict(City, PROMPT, name="Pune")
    assert isinstance(caught.value, ResponseError)
    assert caught.value.body["choices"][0]["message"]["content"] == '{"name": 7}'


def test_a_truncated_answer_is_not_requested_again(llm, sandbox):
    sandbox.script(Reply(text='{"name": "Pu', finish_reason="length"))
    with pytest.raises(StructuredOutputError, match="max_tokens"):
        llm.structured_predict(City, PROMPT, name="Pune")
    assert len(sandbox.requests) == 1


REFUSED = "The model refused: 'I will not.'"
FILTERED = "The server's content filter ended the answer"


@pytest.mark.parametrize(
    ("way", "answer", "why"),
    [
        ("structured_predict", Reply(text="", refusal="I will not."), REFUSED),
        ("structured_predict", Reply(text='{"na', finish_reason="content_filter"), FILTERED),
        ("stream_structured_predict", Reply(chunks=[chunk({"refusal": "I will not."}), chunk({}, "stop")]), REFUSED),
        ("stream_structured_predict", Reply(text='{"na', finish_reason="content_filter"), FILTERED),
    ],
)
def test_a_refused_answer_is_not_requested_again(llm, sandbox, way, answer, why):
    sandbox.script(answer)
    with pytest.raises(StructuredOutputError, match=why):
        list(getattr(llm, way)(City, PROMPT, name="Pune"))
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("text", ["", "null", "[]"])
def test_an_answer_without_an_object_is_requested_again(llm, sandbox, text):
    sandbox.script(Reply(text=text), Reply(text=JSON))
    assert llm.structured_predict(City, PROMPT, name="Pune") == PUNE


class Trip(BaseModel):
    cities: list[City] = Field(default_factory=list)
    note: str = ""


def test_a_stream_yields_each_new_object_once(llm, sandbox):
    text = '{"cities": [{"name": "Pune", "people": 7}], "note": "go"}'
    sandbox.script(Reply(reasoning=["Hm", "m"], text=[text[:12], text[12:41], text[41:]]))
    objects = list(llm.stream_structured_predict(Trip, PROMPT, name="Pune"))
    assert [type(item).__name__ for item in objects] == ["Trip", "Trip", "Trip"]
    assert objects[-1] == Trip(cities=[PUNE], note="go")
    assert objects[1] == Trip(cities=[PUNE])


@pytest.mark.parametrize("way", ["stream_chat", "stream_complete"])
def test_a_structured_llm_keeps_the_objects_that_it_has_streamed(llm, sandbox, way):
    sandbox.script(Reply(text='{"name": 7}'))
    with pytest.raises(StructuredOutputError):
        list(getattr(llm.as_structured_llm(City), way)("Pune?" if way == "stream_complete" else question()))
    assert len(sandbox.requests) == 1


def test_a_structured_llm_reports_usage(llm):
    structured = llm.as_structured_llm(City)
    assert isinstance(structured, StructuredTIR)
    assert structured.chat(question()).additional_kwargs["total_tokens"] > 0
    assert list(structured.stream_chat(question()))[-1].additional_kwargs["total_tokens"] > 0


def test_a_structured_llm_takes_arguments(llm, sandbox):
    llm.as_structured_llm(City).chat(question(), temperature=0.25)
    assert sandbox.requests[-1].body["temperature"] == 0.25


def test_the_system_prompt_comes_before_a_structured_question(make_llm, sandbox):
    make_llm(system_prompt="Be brief.").as_structured_llm(City).chat(question())
    assert [message["role"] for message in sandbox.requests[-1].body["messages"]] == ["system", "user"]


@pytest.mark.parametrize("way", ["structured_predict", "stream_structured_predict"])
def test_the_function_mode_requires_a_call(make_llm, sandbox, way):
    answer = getattr(make_llm(pydantic_program_mode=FUNCTION), way)(City, PROMPT, name="Pune")
    last = list(answer)[-1] if "stream" in way else answer
    assert isinstance(last, City)
    body = sandbox.requests[-1].body
    assert (body["tool_choice"], "response_format" in body) == ("required", False)


async def test_the_function_mode_requires_a_call_in_async_code(make_llm, sandbox):
    llm = make_llm(pydantic_program_mode=FUNCTION, system_prompt="Be brief.")
    assert isinstance(await llm.astructured_predict(City, PROMPT, name="Pune"), City)
    assert isinstance((await collect(llm.astream_structured_predict(City, PROMPT, name="Pune")))[-1], City)
    for request in sandbox.requests:
        assert request.body["tool_choice"] == "required"
        assert request.body["messages"][0]["content"] == "Be brief."


def test_the_text_mode_puts_the_schema_in_the_prompt(make_llm, sandbox):
    sandbox.script(Reply(text=JSON))
    assert make_llm(pydantic_program_mode=LLM).structured_predict(City, PromptTemplate("{name}"), name="Pune") == PUNE
    assert not {"tools", "response_format"} & set(sandbox.requests[-1].body)


MISFIT = {"name": "Pune", "people": "many"}
WRONG = {
    FUNCTION: [Reply(tool_calls=[ToolCall("City", MISFIT)]), Reply(text=json.dumps(MISFIT))],
    LLM: [Reply(text='{"name": "Pu', finish_reason="length")],
}


@pytest.mark.parametrize("mode", WRONG)
async def test_a_stream_of_another_mode_ends_with_the_object_or_an_error(make_llm, sandbox, mode):
    """LlamaIndex's programs may end with an object of another class."""
    sandbox.script(*WRONG[mode] * 3)
    llm = make_llm(pydantic_program_mode=mode)
    with pytest.raises(StructuredOutputError, match=r"City; its last object is FlexibleCity\(name='Pu"):
        list(llm.stream_structured_predict(City, PROMPT, name="Pune"))
    with pytest.raises(StructuredOutputError, match="City"):
        await collect(llm.astream_structured_predict(City, PROMPT, name="Pune"))
    with pytest.raises(StructuredOutputError, match="City"):
        list(llm.as_structured_llm(City).stream_chat(question()))


async def test_a_call_that_misses_the_schema_is_requested_once_more(make_llm, sandbox):
    sandbox.script(*[Reply(tool_calls=[ToolCall("City", MISFIT)]), Reply(text=PUNE.model_dump_json())] * 4)
    llm = make_llm(pydantic_program_mode=FUNCTION)

    assert llm.structured_predict(City, PROMPT, name="Pune") == PUNE
    assert list(llm.stream_structured_predict(City, PROMPT, name="Pune"))[-1] == PUNE
    assert (await collect(llm.astream_structured_predict(City, PROMPT, name="Pune")))[-1] == PUNE
    assert list(llm.as_structured_llm(City).stream_chat(question()))[-1].raw == PUNE


async def test_a_streaming_program_requires_its_call_with_must_call(llm, sandbox):
    """By default it sends the tool without requiring a call."""
    program = FunctionCallingProgram.from_defaults(City, "Tell me of {name}.", llm=llm, tool_choice="required")
    assert isinstance(list(program.stream_call(name="Pune"))[-1], City)
    assert isinstance((await collect(program.astream_call(name="Pune")))[-1], City)
    assert [request.body["tool_choice"] for request in sandbox.requests] == ["required"] * 2


def test_other_modes_use_llama_indexs_own_structured_llm(make_llm):
    structured = make_llm(pydantic_program_mode=FUNCTION).as_structured_llm(City)
    assert isinstance(structured, StructuredLLM)
    assert not isinstance(structured, StructuredTIR)
    assert isinstance(structured.chat(question()).raw, City)


def test_a_model_without_tool_calls_still_follows_a_schema(make_llm, sandbox):
    llm = make_llm(is_function_calling_model=False)
    assert isinstance(llm.structured_predict(City, PROMPT, name="Pune"), City)
    assert "response_format" in sandbox.requests[-1].body


async def test_a_structured_llm_of_another_mode_streams_completions(make_llm):
    structured = make_llm(pydantic_program_mode=FUNCTION).as_structured_llm(City)
    assert isinstance(list(structured.stream_complete("Pune?"))[-1].raw, City)
    assert isinstance((await collect(structured.astream_complete("Pune?")))[-1].raw, City)


@pytest.mark.parametrize("way", ["stream_chat", "stream_complete"])
def test_a_truncated_stream_of_a_structured_llm_is_an_error_that_says_so(llm, sandbox, way):
    sandbox.script(Reply(text='{"name": "Pu', finish_reason="length"))
    with pytest.raises(StructuredOutputError, match="cut off before the object was complete; raise `max_tokens`"):
        list(getattr(llm.as_structured_llm(City), way)("Pune?" if way == "stream_complete" else question()))


class Visit(BaseModel):
    model_config = ConfigDict(strict=True)

    day: date


class Picky(BaseModel):
    """Its validator fails on half of a list."""

    pair: list[int]

    @field_validator("pair")
    @classmethod
    def _has_two(cls, pair: list[int]) -> list[int]:
        return [pair[0], pair[1]]


Numbers = RootModel[list[int]]

ANSWERS = pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["{", "}"], Trip()),
        (["\n```json\n", JSON, "\n```"], PUNE),
        (["``", "`js", "on\n" + JSON[:9], JSON[9:], "```\n"], PUNE),
        (["[1,", "2]"], Numbers([1, 2])),
        (['{"day": "2026-', '01-02"}'], Visit(day=date(2026, 1, 2))),
        (['{"pair": [', "1", ", 2]}"], Picky(pair=[1, 2])),
    ],
    ids=["all defaults", "a fence after a line", "a fence in pieces", "a list", "strict", "a validator that raises"],
)


@ANSWERS
async def test_a_stream_of_objects_ends_with_the_object_of_the_whole_answer(llm, sandbox, pieces, expected):
    sandbox.script(*[Reply(text=pieces)] * 3)
    objects = list(llm.stream_structured_predict(type(expected), PROMPT, name="Pune"))
    aobjects = await collect(llm.astream_structured_predict(type(expected), PROMPT, name="Pune"))
    assert objects[-1] == aobjects[-1] == llm.structured_predict(type(expected), PROMPT, name="Pune") == expected
    assert objects.count(expected) == 1


@ANSWERS
async def test_a_stream_of_a_structured_llm_ends_with_the_object_of_the_whole_answer(llm, sandbox, pieces, expected):
    sandbox.script(*[Reply(text=pieces)] * 2)
    structured = llm.as_structured_llm(type(expected))
    for last in (
        list(structured.stream_chat(question()))[-1],
        (await collect(structured.astream_chat(question())))[-1],
    ):
        assert last.raw == expected
        assert last.message.content == expected.model_dump_json()
        assert last.additional_kwargs["finish_reason"] == "stop"
