"""ChatTIR on a real vLLM: calls and objects whose schemas allow one value only, and the server's own errors."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from langchain_core import exceptions as lc
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from pydantic import BaseModel

import tir_client as tir
from langchain_tir import ChatTIR, TruncatedOutputError
from tests.real.plugin import RealServer

pytestmark = pytest.mark.real


class Light(BaseModel):
    """A light."""

    state: Literal["on", "off"]


def switch(state: Literal["on", "off"]) -> str:
    """Switch the light."""
    return f"It is {state}."


@pytest.fixture
def endpoint(real_server: RealServer) -> dict[str, Any]:
    return {"model": real_server.model, "base_url": real_server.base_url, "api_key": real_server.api_key}


@pytest.fixture
def model(endpoint: dict[str, Any]) -> ChatTIR:
    return ChatTIR(**endpoint, seed=3, max_tokens=40)


@pytest.mark.parametrize("output_version", ["v0", "v1"])
async def test_a_seeded_answer_is_the_same_on_every_path(endpoint: dict[str, Any], output_version: str):
    model = ChatTIR(**endpoint, seed=3, max_tokens=12, output_version=output_version)

    answers = [
        model.invoke("Hi"),
        await model.ainvoke("Hi"),
        sum(model.stream("Hi"), AIMessageChunk("", response_metadata={})),
        sum([chunk async for chunk in model.astream("Hi")], AIMessageChunk("")),
    ]

    for answer in answers:
        assert answer.text == answers[0].text
        assert answer.usage_metadata["output_tokens"] == 12
        assert answer.response_metadata["finish_reason"] == "length"
        assert answer.response_metadata["model_provider"] == "tir"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_named_tool_is_called_and_its_result_taken(model: ChatTIR, streamed: bool):
    # JSON allows any amount of white space, and a random model writes a lot of it.
    chain = model.bind_tools([switch], tool_choice="switch", strict=True, max_tokens=1500)

    answer = sum(chain.stream("On!"), AIMessageChunk("")) if streamed else chain.invoke("On!")

    (call,) = answer.tool_calls
    assert call["name"] == "switch"
    assert call["args"]["state"] in {"on", "off"}
    again = model.invoke([HumanMessage("On!"), answer, ToolMessage("It is on.", tool_call_id=call["id"])])
    assert again.usage_metadata["output_tokens"] > 0


@pytest.mark.parametrize("strict", [None, True])
async def test_an_object_fits_its_schema(model: ChatTIR, strict: bool | None):
    chain = model.with_structured_output(Light, strict=strict)

    assert chain.invoke("On!").state in {"on", "off"}
    assert [part async for part in chain.astream("On!")][-1].state in {"on", "off"}


async def test_json_mode_returns_an_object(endpoint: dict[str, Any]):
    # With a bracket as the likeliest token, the object ends at some point.
    chain = ChatTIR(**endpoint, seed=3).with_structured_output(method="json_mode")

    assert isinstance(chain.invoke("On!"), dict)
    assert isinstance([part async for part in chain.astream("On!")][-1], dict)


def test_an_object_that_is_cut_off_is_an_error(model: ChatTIR):
    with pytest.raises(TruncatedOutputError):
        model.with_structured_output(Light).invoke("On!", max_tokens=1)


def test_several_answers_and_log_probabilities_arrive(model: ChatTIR):
    result = model.generate([[HumanMessage("Hi")]], n=2, max_tokens=4, logprobs=True, top_logprobs=1)

    for generation in result.generations[0]:
        logprobs = generation.message.response_metadata["logprobs"]["content"]
        assert len(logprobs) == 4
        assert len(logprobs[0]["top_logprobs"]) == 1


def test_the_server_counts_tokens(model: ChatTIR):
    few, many = (model.get_num_tokens_from_messages([HumanMessage("Hi " * count)]) for count in (1, 50))

    assert 0 < few < many


@pytest.mark.parametrize(
    ("fields", "ours", "theirs"),
    [
        ({"api_key": "wrong"}, tir.AuthenticationError, lc.ModelAuthenticationError),
        ({"model": "nope"}, tir.NotFoundError, lc.ModelNotFoundError),
        ({"top_p": 2.0}, tir.BadRequestError, lc.ModelInvalidRequestError),
    ],
)
def test_a_refusal_of_the_server_has_its_class(endpoint: dict[str, Any], fields: Any, ours: Any, theirs: Any):
    model = ChatTIR(**{**endpoint, **fields})

    with pytest.raises(ours) as raised:
        model.invoke("Hi")
    assert isinstance(raised.value, theirs)
    with pytest.raises(ours):
        list(model.stream("Hi"))


def test_a_prompt_too_long_is_a_context_overflow(model: ChatTIR):
    with pytest.raises(lc.ContextOverflowError):
        model.invoke("word " * 200_000)
