"""The bodies of requests, and which values are refused before a request is sent."""

from __future__ import annotations

import pytest

from tests.client.paths import request
from tir_client import ChatRequest, EmbeddingRequest, InvalidRequestError
from tir_client.protocol.requests import to_bytes

BASE = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"type": "function", "function": {"name": "add"}}


def test_only_what_is_set_is_sent():
    assert request().body() == BASE
    assert request(temperature=0.0, stop=None, logprobs=False).body() == {**BASE, "temperature": 0.0, "logprobs": False}


def test_extra_body_adds_and_replaces_fields_of_the_body():
    asked = request(seed=1, top_k=2, extra_body={"seed": 3, "best_of": 4})

    assert asked.body(top_k=5) == {**BASE, "top_k": 5, "seed": 3, "best_of": 4}
    assert asked.extra_body == {"seed": 3, "best_of": 4}


@pytest.mark.parametrize("name", ["model", "messages", "stream"])
def test_extra_body_must_not_set_the_requests_own_fields(name):
    with pytest.raises(InvalidRequestError, match=f"^`extra_body` must not have '{name}': pass it as an argument"):
        request(extra_body={name: 1}).body()


def test_a_stream_is_requested_with_usage():
    assert request().streamed() == {**BASE, "stream": True, "stream_options": {"include_usage": True}}
    options = {"include_usage": False, "continuous_usage_stats": True}
    assert request(stream_options=options).streamed()["stream_options"] == options
    assert request(stream_options={"x": 1}).streamed()["stream_options"] == {"include_usage": True, "x": 1}


def test_a_whole_answer_is_requested_without_stream_options():
    assert request(stream_options={"include_usage": True}).whole() == request().whole() == BASE


@pytest.mark.parametrize("tools", [None, []])
def test_without_tools_no_tool_fields_are_sent(tools):
    assert request(tools=tools, tool_choice="auto", parallel_tool_calls=True, seed=1).body() == {**BASE, "seed": 1}
    assert request(tools=[TOOL], tool_choice="auto", parallel_tool_calls=True).body() == {
        **BASE,
        "tools": [TOOL],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
    }


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "add"}}])
@pytest.mark.parametrize("tools", [None, []])
def test_a_required_call_without_tools_is_refused(choice, tools):
    with pytest.raises(InvalidRequestError, match=r"^`tool_choice` is .*, but no tools are offered\.$"):
        request(tools=tools, tool_choice=choice).body()
    assert request(tool_choice=choice, extra_body={"tools": [TOOL]}).body()["tool_choice"] == choice


@pytest.mark.parametrize(
    ("choice", "name"),
    [(None, None), ("required", None), ({"function": {"name": "add"}}, "add"), ({}, None), ({"function": "add"}, None)],
)
def test_a_request_has_the_tool_that_it_forces(choice, name):
    assert request(tools=[TOOL], tool_choice=choice).required_tool() == name


def test_a_request_has_the_names_of_its_tools():
    assert request().tool_names() == frozenset()
    assert request(tools=[TOOL]).tool_names() == {"add"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"temperature": float("nan")},
            "^The request cannot be sent: `temperature`: Input should be a finite number.$",
        ),
        (
            {"n": 0, "seed": "x"},
            "^The request cannot be sent: `seed`: .*integer.*; `n`: .*greater than or equal to 1.$",
        ),
        ({"messages": [5]}, "`messages.0`: Input should be a valid dictionary.$"),
        ({"temprature": 1}, "`temprature` is not a field of ChatRequest: did you mean `temperature`.$"),
        ({"xyzzy": 1}, "`xyzzy` is not a field of ChatRequest.$"),
        ({"tools": [5]}, "`tools.0`: Input should be a valid dictionary"),
        ({"tools": [{"function": 5}]}, r"`tools`: .*\{'function': 5\} is not a tool: it has no function with a name"),
        ({"tools": [{"function": {"name": 5}}]}, "`tools`: .* is not a tool"),
        ({"tools": [TOOL, {}]}, "`tools`: .* is not a tool"),
    ],
)
def test_a_field_that_cannot_be_sent_is_refused_by_its_name(fields, words):
    with pytest.raises(InvalidRequestError, match=words) as caught:
        ChatRequest.of(**{**BASE, **fields})
    assert "pydantic.dev" not in str(caught.value)


def test_embeddings_are_requested_as_numbers():
    asked = EmbeddingRequest.of(model="m", input=["a"], dimensions=3, extra_body={"truncate_prompt_tokens": 5})

    assert asked.body() == {
        "model": "m",
        "input": ["a"],
        "encoding_format": "float",
        "dimensions": 3,
        "truncate_prompt_tokens": 5,
    }


def test_a_body_is_compact_utf8():
    assert to_bytes({"a": [1, "é"], "b": None}) == '{"a":[1,"é"],"b":null}'.encode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "cannot be written as JSON: `a`: .*object is not JSON serializable.$"),
        (float("nan"), "cannot be written as JSON: `a`: .*not JSON compliant"),
        ({"b": [1, {"c": float("inf")}]}, r"cannot be written as JSON: `a.b\[1\].c`: .*not JSON compliant"),
        ({(1, 2): 3}, "cannot be written as JSON: `a`: keys must be str"),
        ("\ud800", "^The request cannot be written as JSON: `a`: a lone surrogate in a text.$"),
    ],
)
def test_values_that_json_cannot_express_are_refused(value, words):
    with pytest.raises(InvalidRequestError, match=words):
        to_bytes({"a": value})


def test_a_body_without_an_end_is_refused():
    endless = {}
    endless["a"] = endless
    with pytest.raises(InvalidRequestError, match="cannot be written as JSON: "):
        to_bytes(endless)
