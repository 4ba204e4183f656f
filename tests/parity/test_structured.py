"""Structured output on eight paths: the same objects of the same texts, and the same errors."""

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
from tir_sandbox import Reply


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
)

OBJECTS = {
    "plain": TEXT,
    "a fence": f"```json\n{TEXT}\n```",
    "prose, then a fence": f"Here it is:\n```json\n{TEXT}\n```\nAnything else?",
    "an object, then prose": f"{TEXT}\nI hope that helps.",
    "a raw line break": RAW,
    "a raw line break in a fence": f"```\n{RAW}\n```",
}

# The model's answers. LlamaIndex makes a second request where that may help.
FAILURES = {
    "prose": (Reply(text="Pune is a city."), StructuredOutputError, "Pune is a city."),
    "an object that does not fit": (Reply(text='{"name": "Pune"}'), StructuredOutputError, '{"name": "Pune"}'),
    "cut off": (Reply(text='{"name": "Pu', finish_reason="length"), TruncatedOutputError, '{"name": "Pu'),
    "cut off behind the object": (Reply(text=TEXT, finish_reason="length"), TruncatedOutputError, TEXT),
    "a content filter behind the object": (Reply(text=TEXT, finish_reason="content_filter"), RefusedOutputError, TEXT),
    "a content filter": (Reply(text='{"na', finish_reason="content_filter"), RefusedOutputError, '{"na'),
    "a refusal": (Reply(text="", refusal="I will not."), RefusedOutputError, "I will not."),
}


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("text", OBJECTS.values(), ids=OBJECTS)
async def test_an_object_is_read_from_any_text(sandbox, endpoint, path, text):
    sandbox.script(Reply(text=text))

    assert await path(endpoint) == PUNE
    (request,) = sandbox.requests
    assert request.body["response_format"]["json_schema"]["name"] == "City"


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(("reply", "error", "text"), FAILURES.values(), ids=FAILURES)
async def test_errors_are_of_one_family_and_carry_the_text(  # noqa: PLR0913 - the cells of a table
    *, sandbox, endpoint, path, reply, error, text
):
    asks_again = error is StructuredOutputError and path.__name__.startswith("llama_index")
    sandbox.script(*[reply] * (2 if asks_again else 1))

    with pytest.raises(error) as caught:
        await path(endpoint)
    assert isinstance(caught.value, TIRError)
    assert isinstance(caught.value, ValueError)
    assert next(cls for cls in type(caught.value).__mro__ if cls.__module__ == "tir_client.errors") is error
    assert caught.value.text == text
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
