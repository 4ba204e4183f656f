"""Parameters: all that are set are sent, a call's replace the constructor's, and none is dropped silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, ValidationError

from langchain_tir import ChatTIR, TIREmbeddings
from tir_client import ChatRequest, ConfigurationError, InvalidRequestError
from tir_sandbox import Sandbox

VALUES: dict[str, Any] = {
    "temperature": 0.0,
    "top_p": 0.5,
    "top_k": 7,
    "min_p": 0.1,
    "max_tokens": 99,
    "min_tokens": 1,
    "stop": ["\n\n"],
    "stop_token_ids": [5],
    "seed": 0,
    "n": 1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "repetition_penalty": 1.1,
    "logit_bias": {"5": 1.0},
    "logprobs": True,
    "top_logprobs": 2,
    "reasoning_effort": "low",
    "include_reasoning": False,
    "structured_outputs": {"choice": ["a"]},
    "chat_template_kwargs": {"thinking": False},
    "priority": 0,
    "user": "ada",
}


def sent(sandbox: Sandbox) -> dict[str, Any]:
    return sandbox.requests[-1].body


def test_unset_parameters_are_not_sent(model: ChatTIR, sandbox: Sandbox):
    model.invoke("Hi")

    assert sent(sandbox) == {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("name", VALUES)
def test_a_parameter_of_the_constructor_is_sent(make: Callable[..., ChatTIR], sandbox: Sandbox, name: str):
    make(**{name: VALUES[name], **({"logprobs": True} if name == "top_logprobs" else {})}).invoke("Hi")

    assert sent(sandbox)[name] == VALUES[name]


@pytest.mark.parametrize("name", VALUES)
async def test_a_parameter_of_a_call_is_sent(model: ChatTIR, sandbox: Sandbox, name: str):
    more = {"logprobs": True} if name == "top_logprobs" else {}

    async for _ in model.astream("Hi", **{name: VALUES[name]}, **more):
        pass

    assert sent(sandbox)[name] == VALUES[name]


def test_every_parameter_of_a_request_has_a_field_or_is_for_calls():
    of_calls = {"messages", "response_format", "tools", "tool_choice"}

    assert ChatRequest.model_fields.keys() - ChatTIR.model_fields.keys() == of_calls


def test_parameters_of_a_call_replace_those_of_the_constructor(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(temperature=0.1, stop=["a"], extra_body={"bad_words": ["a"], "ignore_eos": True})

    model.invoke("Hi", temperature=0.9, stop=["b"], extra_body={"bad_words": ["b"]})

    body = sent(sandbox)
    assert (body["temperature"], body["stop"]) == (0.9, ["b"])
    assert (body["bad_words"], body["ignore_eos"]) == (["b"], True)


def test_a_logit_bias_may_name_its_tokens_by_number(make: Callable[..., ChatTIR], sandbox: Sandbox):
    make(logit_bias={1: 2}).invoke("Hi")
    make().invoke("Hi", logit_bias={1: 2})

    assert [request.body["logit_bias"] for request in sandbox.requests] == [{"1": 2}] * 2


@pytest.mark.parametrize("loose", ["extra_body", "model_kwargs"])
@pytest.mark.parametrize("how", ["by name", "in extra_body", "in model_kwargs"])
def test_parameters_of_a_call_replace_extra_parameters_of_the_constructor(
    make: Callable[..., ChatTIR], sandbox: Sandbox, loose: str, how: str
):
    model = make(**{loose: {"top_k": 1, "max_completion_tokens": 2, "ignore_eos": True}})
    values = {"top_k": 7, "max_tokens": 8}

    model.invoke("Hi", **(values if how == "by name" else {how.removeprefix("in "): values}))

    body = sent(sandbox)
    assert (body["top_k"], body["max_tokens"], body["ignore_eos"]) == (7, 8, True)
    assert loose == "model_kwargs" or "max_completion_tokens" not in body
    assert getattr(model, loose)["top_k"] == 1


@pytest.mark.parametrize(
    ("alias", "name", "value"),
    [
        ("model_name", "model", "qwen3_32b"),
        ("max_completion_tokens", "max_tokens", 9),
        ("stop_sequences", "stop", ["a"]),
    ],
)
def test_a_parameter_may_have_the_name_that_users_know(
    make: Callable[..., ChatTIR], sandbox: Sandbox, alias: str, name: str, value: Any
):
    make(**{alias: value}).invoke("Hi")
    make().invoke("Hi", **{alias: value})

    bodies = [request.body for request in sandbox.requests]  # an answer stopped in its reasoning is requested again
    assert [body[name] for body in bodies if name in body] == [value, value]
    assert alias not in sent(sandbox)


def test_a_parameter_under_both_of_its_names_is_refused(make: Callable[..., ChatTIR], model: ChatTIR):
    with pytest.raises(ModelInvalidRequestError, match="Give `max_tokens` or `max_completion_tokens`, not both"):
        make(max_tokens=5, max_completion_tokens=9)
    with pytest.raises(ModelInvalidRequestError, match="Give `model` or `model_name`, not both"):
        TIREmbeddings(model="a", model_name="b")
    with pytest.raises(ModelInvalidRequestError, match="Give `max_tokens` or `max_completion_tokens`, not both"):
        model.invoke("Hi", max_tokens=5, max_completion_tokens=9)


def test_the_model_of_a_call_changes_the_url(model: ChatTIR, sandbox: Sandbox):
    answer = model.bind(model="qwen3_32b").invoke("Hi")

    assert sandbox.requests[-1].path == "/project/p-12345/genai/qwen3_32b/v1/chat/completions"
    assert (sent(sandbox)["model"], answer.response_metadata["model_name"]) == ("qwen3_32b", "qwen3_32b")


def test_a_custom_deployment_is_called_with_any_model(make: Callable[..., ChatTIR], sandbox: Sandbox):
    make(endpoint_id=77, model="openai/gpt-oss-120b").invoke("Hi")

    assert sandbox.requests[-1].path == "/project/p-12345/endpoint/is-77/v1/chat/completions"


def test_another_server_is_called_at_its_base_url(sandbox: Sandbox):
    ChatTIR(base_url=sandbox.base_url, api_key=sandbox.token).invoke("Hi")

    assert sandbox.requests[-1].path == "/v1/chat/completions"


def test_the_environment_sets_the_address(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    for name, value in sandbox.env.items():
        monkeypatch.setenv(name, value)

    assert ChatTIR().invoke("Hi").text


def test_headers_and_query_are_sent(make: Callable[..., ChatTIR], sandbox: Sandbox):
    make(default_headers={"x-team": "blue"}, default_query={"trace": 1}).invoke("Hi")

    assert sandbox.requests[-1].headers["x-team"] == "blue"
    assert sandbox.requests[-1].query == {"project_id": "12345", "trace": "1"}


def test_model_kwargs_go_to_their_field_or_into_the_body(make: Callable[..., ChatTIR], sandbox: Sandbox):
    make(model_kwargs={"top_k": 3, "bad_words": ["a"], "max_completion_tokens": 9}).invoke("Hi")

    body = sent(sandbox)
    assert (body["top_k"], body["bad_words"], body["max_tokens"]) == (3, ["a"], 9)


def test_a_named_parameter_replaces_model_kwargs(make: Callable[..., ChatTIR], sandbox: Sandbox):
    make(top_k=5, model_kwargs={"top_k": 3}).invoke("Hi")

    assert sent(sandbox)["top_k"] == 5


def test_an_unknown_argument_of_the_constructor_is_sent_with_a_warning(make: Callable[..., ChatTIR], sandbox: Sandbox):
    with pytest.warns(UserWarning, match=r"ChatTIR has no argument `bad_words`. It is moved to `model_kwargs`"):
        model = make(bad_words=["a"])

    model.invoke("Hi")

    assert model.model_kwargs == {"bad_words": ["a"]}
    assert sent(sandbox)["bad_words"] == ["a"]


def test_an_unknown_argument_of_a_call_is_refused(model: ChatTIR, sandbox: Sandbox):
    with pytest.raises(InvalidRequestError, match="`temprature` is not a parameter of a call"):
        model.invoke("Hi", temprature=0)

    assert not sandbox.requests


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("timeout", "pass it to the constructor"),
        ("extra_headers", "pass `default_headers`"),
        ("temprature", r"pass `extra_body=\{'temprature': ...\}`"),
    ],
)
def test_the_refusal_of_an_argument_says_where_it_belongs(model: ChatTIR, name: str, advice: str):
    with pytest.raises(InvalidRequestError, match=f"`{name}` is not a parameter of a call.*{advice}"):
        model.invoke("Hi", **{name: 1})


@pytest.mark.parametrize("fields", [{"temperature": "hot"}, {"n": 0.5}, {"max_retries": -1}])
def test_a_value_of_the_wrong_type_is_refused_without_the_token(fields: dict[str, Any]):
    with pytest.raises(ValidationError) as raised:
        ChatTIR(api_key="a-secret", project_id=1, **fields)

    assert "a-secret" not in str(raised.value)


def test_a_value_that_json_cannot_express_is_refused(model: ChatTIR):
    with pytest.raises(ModelInvalidRequestError, match="temperature"):
        model.invoke("Hi", temperature=float("nan"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"project_id": 1}, "No token"),
        ({"api_key": "t"}, "No project"),
        ({"api_key": "t", "project_id": 1, "base_url": "nowhere"}, "`base_url`"),
        ({"api_key": "t", "base_url": "http://example.com/v1"}, "allow_http"),
        ({"api_key": "t", "project_id": 1, "timeout": {"total": -1}}, "`timeout`"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], message: str
):
    for name in ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "E2E_TIR_PROJECT_ID", "TIR_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigurationError, match=message) as raised:
        ChatTIR(**fields)
    assert isinstance(raised.value, ModelInvalidRequestError)


def test_a_response_format_may_be_a_class(model: ChatTIR, sandbox: Sandbox):
    class Person(BaseModel):
        name: str

    model.invoke("The name is Ada", response_format=Person)

    assert sent(sandbox)["response_format"]["json_schema"]["name"] == "Person"


def test_streams_request_usage_and_keep_other_stream_options(make: Callable[..., ChatTIR], sandbox: Sandbox):
    list(make(stream_options={"continuous_usage_stats": True}).stream("Hi"))

    assert sent(sandbox)["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}


def test_invoke_streams_with_streaming_true(make: Callable[..., ChatTIR], sandbox: Sandbox):
    make(streaming=True).invoke("Hi")

    assert sent(sandbox)["stream"] is True


@pytest.mark.parametrize("fields", [{"streaming": False}, {"disable_streaming": True}])
def test_stream_does_not_stream_with_streaming_false(
    make: Callable[..., ChatTIR], sandbox: Sandbox, fields: dict[str, Any]
):
    assert len(list(make(**fields).stream("Hi"))) == 1
    assert "stream" not in sent(sandbox)


def test_calls_with_tools_are_not_streamed_if_that_is_disabled(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(disable_streaming="tool_calling")

    list(model.stream("Hi"))
    list(model.bind_tools([{"name": "t", "parameters": {}}]).stream("Hi"))

    assert ["stream" in request.body for request in sandbox.requests] == [True, False]


def test_the_callers_arguments_are_not_changed(make: Callable[..., ChatTIR]):
    extra, kwargs, stop = {"ignore_eos": True}, {"bad_words": ["a"]}, ["a"]

    make(extra_body=extra, model_kwargs=kwargs).generate([[HumanMessage("Hi")]], stop=stop, extra_body={"echo": False})

    assert (extra, kwargs, stop) == ({"ignore_eos": True}, {"bad_words": ["a"]}, ["a"])
