"""Structured output on twelve paths: the same objects of the same texts, and the same errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from langchain_tir import ChatTIR
from llama_index_tir import TIR
from tir_client import RefusedOutputError, StructuredOutputError, TIRError, TruncatedOutputError
from tir_sandbox import Reply, ToolCall


class City(BaseModel):
    name: str
    lines: str


PUNE = City(name="Pune", lines="a\nb")
TEXT = json.dumps(PUNE.model_dump())
RAW = '{"name": "Pune", "lines": "a\nb"}'
PROMPT = PromptTemplate("Tell me of Pune.")

Path = Callable[[dict[str, Any]], Awaitable[Any]]


def _langchain(endpoint: dict[str, Any]) -> Any:
    return ChatTIR(**endpoint).with_structured_output(City)


async def langchain_whole(endpoint: dict[str, Any]) -> Any:
    return await asyncio.to_thread(_langchain(endpoint).invoke, "Tell me of Pune.")


async def langchain_awhole(endpoint: dict[str, Any]) -> Any:
    return await _langchain(endpoint).ainvoke("Tell me of Pune.")


async def langchain_stream(endpoint: dict[str, Any]) -> Any:
    return (await asyncio.to_thread(lambda: list(_langchain(endpoint).stream("Tell me of Pune."))))[-1]


async def langchain_astream(endpoint: dict[str, Any]) -> Any:
    return [output async for output in _langchain(endpoint).astream("Tell me of Pune.")][-1]


async def llama_index_whole(endpoint: dict[str, Any]) -> Any:
    return await asyncio.to_thread(TIR(**endpoint).structured_predict, City, PROMPT)


async def llama_index_awhole(endpoint: dict[str, Any]) -> Any:
    return await TIR(**endpoint).astructured_predict(City, PROMPT)


async def llama_index_llm(endpoint: dict[str, Any]) -> Any:
    return (await asyncio.to_thread(TIR(**endpoint).as_structured_llm(City).complete, "Tell me of Pune.")).raw


async def llama_index_allm(endpoint: dict[str, Any]) -> Any:
    return (await TIR(**endpoint).as_structured_llm(City).acomplete("Tell me of Pune.")).raw


async def llama_index_llm_stream(endpoint: dict[str, Any]) -> Any:
    llm = TIR(**endpoint).as_structured_llm(City)
    return (await asyncio.to_thread(lambda: list(llm.stream_complete("Tell me of Pune."))))[-1].raw


async def llama_index_llm_astream(endpoint: dict[str, Any]) -> Any:
    llm = TIR(**endpoint).as_structured_llm(City)
    return [response async for response in await llm.astream_complete("Tell me of Pune.")][-1].raw


async def llama_index_stream(endpoint: dict[str, Any]) -> Any:
    return (await asyncio.to_thread(lambda: list(TIR(**endpoint).stream_structured_predict(City, PROMPT))))[-1]


async def llama_index_astream(endpoint: dict[str, Any]) -> Any:
    return [output async for output in await TIR(**endpoint).astream_structured_predict(City, PROMPT)][-1]


EVERY: tuple[Path, ...] = (
    langchain_whole,
    langchain_awhole,
    langchain_stream,
    langchain_astream,
    llama_index_whole,
    llama_index_awhole,
    llama_index_stream,
    llama_index_astream,
    llama_index_llm,
    llama_index_allm,
    llama_index_llm_stream,
    llama_index_llm_astream,
)

OBJECTS = {
    "plain": TEXT,
    "a fence": f"```json\n{TEXT}\n```",
    "prose, then a fence": f"Here it is:\n```json\n{TEXT}\n```\nAnything else?",
    "an object, then prose": f"{TEXT}\nI hope that helps.",
    "a raw line break": RAW,
    "a raw line break in a fence": f"```\n{RAW}\n```",
}

ASKS_AGAIN = EVERY[4:10]
"""LlamaIndex makes a second request where that may help, except in a stream of `as_structured_llm`."""

CUT_OFF = "The answer was cut off before the object was complete; raise `max_tokens`. It begins {!r}."
FILTERED = "The server's content filter ended the answer. It begins {!r}."
NOT_JSON = "the text is not JSON: Expecting value: line 1 column 1 (char 0)"


def not_a_city(text: str, problem: str, finish_reason: str = "stop") -> tuple[type[TIRError], str, str]:
    reason = f"{problem} (finish_reason {finish_reason!r})"
    return StructuredOutputError, text, f"The answer is not a City: {reason}. Its text is {text!r}."


CALLS = (ToolCall("City", "five"), ToolCall("City", PUNE.model_dump()))
CALLED = "City({'name': 'Pune', 'lines': 'a\\nb'})\nCity(five)"

# The model's answers, and the class, text and message of the error.
FAILURES = {
    "prose": (Reply(text="Pune is a city."), not_a_city("Pune is a city.", NOT_JSON)),
    "white space": (Reply(text=" "), not_a_city(" ", NOT_JSON.replace("1 (char 0)", "2 (char 1)"))),
    "half of an object": (
        Reply(text='{"name": "Pu', finish_reason="stop"),
        not_a_city('{"name": "Pu', "the JSON is cut off, or nested too deeply"),
    ),
    "an object that does not fit": (
        Reply(text='{"name": 5}'),
        not_a_city('{"name": 5}', "name: Input should be a valid string; lines: Field required"),
    ),
    "an array": (Reply(text="[1]"), not_a_city("[1]", "the text: Input should be an object")),
    "null": (Reply(text="null"), not_a_city("null", "the text: Input should be an object")),
    "tool calls": (Reply(tool_calls=CALLS), not_a_city(CALLED, NOT_JSON, "tool_calls")),
    "cut off": (
        Reply(text='{"name": "Pu', finish_reason="length"),
        (TruncatedOutputError, '{"name": "Pu', CUT_OFF.format('{"name": "Pu')),
    ),
    "cut off behind the object": (
        Reply(text=TEXT, finish_reason="length"),
        (TruncatedOutputError, TEXT, CUT_OFF.format(TEXT)),
    ),
    "a content filter behind the object": (
        Reply(text=TEXT, finish_reason="content_filter"),
        (RefusedOutputError, TEXT, FILTERED.format(TEXT)),
    ),
    "a content filter": (
        Reply(text='{"na', finish_reason="content_filter"),
        (RefusedOutputError, '{"na', FILTERED.format('{"na')),
    ),
    "a refusal": (
        Reply(text="", refusal="I will not."),
        (RefusedOutputError, "I will not.", "The model refused: 'I will not.'."),
    ),
}


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("text", OBJECTS.values(), ids=OBJECTS)
async def test_an_object_is_read_from_any_text(sandbox, endpoint, path, text):
    sandbox.script(Reply(text=text))

    assert await path(endpoint) == PUNE
    (request,) = sandbox.requests
    assert request.body["response_format"]["json_schema"]["name"] == "City"


@pytest.mark.parametrize("path", EVERY)
async def test_half_a_character_becomes_the_replacement_character(sandbox, endpoint, path):
    sandbox.script(Reply(text=r'{"name": "P\ud83dune \ud83d\ude42", "lines": "\ude42"}'))

    assert await path(endpoint) == City(name="P\ufffdune \U0001f642", lines="\ufffd")


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(("reply", "expected"), FAILURES.values(), ids=FAILURES)
async def test_errors_are_of_one_family_and_carry_the_text(*, sandbox, endpoint, path, reply, expected):
    error = expected[0]
    sandbox.script(*[reply] * (2 if error is StructuredOutputError and path in ASKS_AGAIN else 1))

    with pytest.raises(error) as caught:
        await path(endpoint)
    assert isinstance(caught.value, TIRError)
    assert isinstance(caught.value, ValueError)
    found = next(cls for cls in type(caught.value).__mro__ if cls.__module__ == "tir_client.errors")
    assert (found, caught.value.text, caught.value.message) == expected
    assert isinstance(caught.value, OutputParserException) == path.__name__.startswith("langchain")


class Place(BaseModel):
    city: City
    others: dict[str, City] = {}


class Visit(BaseModel):
    """Visit a place."""

    place: Place


def test_with_strict_the_same_closed_schemas_are_sent(endpoint, sandbox):
    sandbox.strict = False
    answer = Reply('{"city": {"name": "Pune", "lines": ""}}')
    model, llm = ChatTIR(**endpoint), TIR(**endpoint, strict=True)

    sandbox.script(answer, answer)
    model.with_structured_output(Place, strict=True).invoke("Pune?")
    llm.structured_predict(Place, PROMPT)
    formats = [request.body["response_format"] for request in sandbox.requests]
    model.bind_tools([Visit], strict=True).invoke("Pune?")
    visit = FunctionTool.from_defaults(lambda **_: "", name="Visit", description="Visit a place.", fn_schema=Visit)
    llm.chat_with_tools([visit], "Pune?")
    tools = [request.body["tools"][0]["function"]["parameters"] for request in sandbox.requests[2:]]

    assert formats[0] == formats[1]
    for schema in (formats[0]["json_schema"]["schema"], *tools):
        assert schema["additionalProperties"] is False
    for parameters in tools:
        place = parameters["properties"]["place"]
        assert place["additionalProperties"] is place["properties"]["city"]["additionalProperties"] is False
