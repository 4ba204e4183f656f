"""Settings of both integrations: the same names, the same rule for None, the same errors, changes in place."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from inspect import isawaitable

import httpx
import numpy as np
import pytest
from langchain_core.documents import Document
from llama_index.core.llms import ChatMessage
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import BaseModel

from langchain_tir import ChatTIR, TIREmbeddings
from langchain_tir import TIRRerank as LangChainRerank
from llama_index_tir import TIR, TIREmbedding
from llama_index_tir import TIRRerank as LlamaIndexRerank
from tests.logs import ours
from tir_client import APITimeoutError, ConfigurationError, InvalidRequestError, ServerError, TIRError
from tir_sandbox import Fault

CHAT = pytest.mark.parametrize("cls", [ChatTIR, TIR])
RERANKERS = [LangChainRerank, LlamaIndexRerank]
ALL = pytest.mark.parametrize("cls", [ChatTIR, TIR, TIREmbeddings, TIREmbedding, *RERANKERS])
PATHS = (
    dict.fromkeys((ChatTIR, TIR), "chat/completions")
    | dict.fromkeys((TIREmbeddings, TIREmbedding), "embeddings")
    | dict.fromkeys(RERANKERS, "rerank")
)
CALLS = {ChatTIR: "invoke", TIR: "complete", TIREmbeddings: "embed_query", TIREmbedding: "get_query_embedding"}
VARIABLES = ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "E2E_TIR_PROJECT_ID", "TIR_BASE_URL", "MODEL_API_CLIENT_HOST")


def made(cls, **fields):
    """A model; a reranker has no default."""
    return cls("bge-reranker-v2-m3", **fields) if cls in RERANKERS else cls(**fields)


def call(model, /, **kwargs):
    if isinstance(model, LangChainRerank):
        return model.compress_documents([Document("Hi")], "Hi")
    if isinstance(model, LlamaIndexRerank):
        return model.postprocess_nodes([NodeWithScore(node=TextNode(text="Hi"))], query_str="Hi")
    return getattr(model, CALLS[type(model)])("Hi", **kwargs)


async def acall(model) -> None:
    if isinstance(model, LangChainRerank):
        await model.acompress_documents([Document("Hi")], "Hi")
        return
    if isinstance(model, LlamaIndexRerank):
        await model.apostprocess_nodes([NodeWithScore(node=TextNode(text="Hi"))], query_str="Hi")
        return
    name = CALLS[type(model)]
    await getattr(model, name.replace("get_", "aget_") if name.startswith("get_") else f"a{name}")("Hi")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def endpoint(endpoint):
    return {name: value for name, value in endpoint.items() if name != "model"}


@CHAT
def test_none_unsets_a_parameter_in_the_constructor_and_in_a_call(cls, sandbox, endpoint):
    call(cls(**endpoint, temperature=None, max_tokens=None))
    call(cls(**endpoint, temperature=0.5, extra_body={"ignore_eos": True}), temperature=None, extra_body=None)
    call(cls(**endpoint, extra_body={"temperature": 0.5}), temperature=None)

    assert [request.body.keys() for request in sandbox.requests] == [{"model", "messages"}] * 3


@CHAT
def test_an_empty_list_unsets_stop(cls, sandbox, endpoint):
    """None does so in TIR only: it is the default of `stop` in LangChain's methods."""
    call(cls(**endpoint, stop=["end"]), stop=[])

    assert sandbox.requests[0].body["stop"] == []


@CHAT
def test_none_unsets_the_response_format(cls, sandbox, endpoint):
    call(cls(**endpoint), response_format=None)

    assert "response_format" not in sandbox.requests[0].body


@ALL
@pytest.mark.parametrize("name", [None, "", "a model"])
def test_an_invalid_model_name_cannot_be_set_in_place(cls, endpoint, name):
    model = made(cls, **endpoint)
    with pytest.raises(ConfigurationError, match="`model`"):
        setattr(model, "model_name" if cls is TIREmbedding else "model", name)


@CHAT
def test_none_for_the_model_means_the_models_own(cls, sandbox, endpoint):
    call(cls(None, **endpoint))
    call(cls("qwen3_32b", **endpoint), model=None)

    assert [request.body["model"] for request in sandbox.requests] == ["gpt_oss_120b", "qwen3_32b"]


@ALL
def test_none_leaves_a_field_at_its_default(cls, endpoint):
    model = made(cls, **{**endpoint, "max_retries": None, "allow_http": None})

    assert (model.max_retries, model.allow_http) == (2, False)


@ALL
def test_none_set_in_place_restores_the_default_of_a_field(cls, endpoint):
    model = made(cls, **{**endpoint, "max_retries": 5})

    model.max_retries = model.allow_http = None
    call(model)

    assert (model.client.retry.max_retries, model.allow_http) == (2, False)


@CHAT
def test_every_parameter_can_be_set_in_both(cls, sandbox, endpoint):
    values = {"min_tokens": 1, "stop_token_ids": [5], "logit_bias": {5: 1.0}, "priority": 0, "user": "ada", "top_k": 3}

    call(cls(**endpoint, **values))

    assert sandbox.requests[-1].body.items() >= {**values, "logit_bias": {"5": 1.0}}.items()


@CHAT
def test_parameters_changed_in_place_are_sent(cls, sandbox, endpoint):
    model = cls(**endpoint, temperature=0.5)

    model.temperature, model.max_tokens, model.model = 0.1, 7, "qwen3_32b"
    call(model)

    body = sandbox.requests[-1].body
    assert (body["temperature"], body["max_tokens"], body["model"]) == (0.1, 7, "qwen3_32b")
    assert sandbox.requests[-1].path.endswith("/genai/qwen3_32b/v1/chat/completions")


@CHAT
def test_numbers_and_empty_lists_are_sent_as_they_are_set(cls, sandbox, endpoint):
    model = cls(**endpoint)

    model.temperature, model.stop = np.float32(0.25), []
    call(model)

    assert sandbox.requests[-1].body.items() >= {"temperature": 0.25, "stop": []}.items()


@pytest.mark.parametrize("cls", RERANKERS)
def test_settings_of_rerankers_changed_in_place_are_used(cls, sandbox, endpoint):
    model = made(cls, **endpoint)

    model.model, model.path, model.truncate_prompt_tokens = "another", "/rerank", 5
    model.base_url, model.host = sandbox.base_url, None
    call(model)

    assert sandbox.requests[-1].path == "/rerank"
    assert sandbox.requests[-1].body.items() >= {"model": "another", "truncate_prompt_tokens": 5}.items()


@pytest.mark.parametrize("cls", [TIREmbeddings, TIREmbedding])
def test_the_model_of_embeddings_changed_in_place_is_called(cls, sandbox, endpoint):
    model = cls("e5-mistral-7b-instruct", **endpoint)

    model.model = "bge-large-en-v1_5"
    call(model)

    assert sandbox.requests[-1].path.endswith("/genai/bge-large-en-v1_5/v1/embeddings")


@ALL
def test_the_connection_follows_changes_in_place(cls, sandbox, endpoint):
    model = made(cls, **{**endpoint, "api_key": "another", "default_headers": {"x-team": "blue"}})

    model.api_key, model.max_retries, model.timeout = sandbox.token, 5, httpx.Timeout(7.0)
    model.default_headers["x-team"] = "red"
    call(model)

    assert sandbox.token not in repr(model.api_key)
    assert (model.client.retry.max_retries, model.client.timeouts.chunk) == (5, 7.0)
    assert model.timeout["chunk"] == 7.0
    assert sandbox.requests[-1].headers["x-team"] == "red"
    model.base_url = sandbox.base_url
    call(model)
    assert sandbox.requests[-1].path.startswith("/v1/")


@CHAT
def test_an_extra_body_that_is_not_a_dictionary_is_refused_by_name(cls, endpoint):
    model = cls(**endpoint)
    with pytest.raises(InvalidRequestError, match=r"^`extra_body` must be a dictionary, not str"):
        call(model, extra_body="top_k")
    model.extra_body = ["top_k"]
    with pytest.raises(InvalidRequestError, match=r"^`extra_body` must be a dictionary, not list"):
        call(model)


@ALL
def test_a_field_that_does_not_exist_cannot_be_set_in_place(cls, endpoint):
    with pytest.raises((ValueError, AttributeError)):
        made(cls, **endpoint).temprature = 0.1


def test_known_facts_follow_the_model(endpoint):
    model, llm = ChatTIR(**endpoint), TIR(**endpoint)
    assert (model.profile["max_input_tokens"], llm.metadata.context_window) == (131_072, 131_072)

    model.model = llm.model = "qwen3_32b"

    assert (model.profile["max_input_tokens"], llm.metadata.context_window) == (40_960, 40_960)


@pytest.mark.parametrize("cls", [TIR, TIREmbeddings, TIREmbedding, *RERANKERS])
def test_a_misspelt_argument_of_the_constructor_is_refused_with_the_nearest(cls, endpoint):
    with pytest.raises(ConfigurationError, match=f"{cls.__name__} has no argument `max_retry`: did you mean `max_ret"):
        cls(**endpoint, max_retry=3)


def test_a_misspelt_argument_of_the_chat_model_is_named_as_in_langchain(endpoint):
    with pytest.warns(UserWarning, match=r"ChatTIR has no argument `temprature`: did you mean `temperature`\? It"):
        ChatTIR(**endpoint, temprature=0)


@CHAT
def test_a_misspelt_argument_of_a_call_is_refused_with_the_nearest(cls, sandbox, endpoint):
    with pytest.raises(InvalidRequestError, match="`temprature` is not a parameter of a call: did you mean `temperat"):
        call(cls(**endpoint), temprature=0)

    assert not sandbox.requests


class City(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("cls", "method", "arguments", "words"),
    [
        (
            ChatTIR,
            "bind_tools",
            {"tool_choise": "any"},
            "`tool_choise` is not a parameter of a call: did you mean `tool_c",
        ),
        (ChatTIR, "with_structured_output", {"metod": "json_mode"}, "`metod` is not .*: did you mean `method`"),
        (
            TIR,
            "as_structured_llm",
            {"sytem_prompt": "Hi"},
            "has no argument `sytem_prompt`: did you mean `system_prompt`",
        ),
    ],
    ids=["bind_tools", "with_structured_output", "as_structured_llm"],
)
def test_a_misspelt_argument_is_refused_before_the_first_call(cls, method, arguments, words, endpoint):
    offered = [City] if method == "bind_tools" else City
    with pytest.raises((ConfigurationError, InvalidRequestError), match=words):
        getattr(cls(**endpoint), method)(offered, **arguments)


async def _read(answer) -> None:
    """Wait for an answer, or read a stream to its end."""
    answer = await answer if isawaitable(answer) else answer
    if isinstance(answer, AsyncIterator):
        async for _ in answer:
            pass
    elif isinstance(answer, Iterator):
        list(answer)


@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("cls", "method"), [(ChatTIR, "invoke"), (ChatTIR, "stream"), (TIR, "chat"), (TIR, "stream_chat")]
)
async def test_a_required_call_without_tools_is_refused_before_a_request(cls, method, prefix, sandbox, endpoint):
    asked = "Hi" if cls is ChatTIR else [ChatMessage("Hi", role="user")]
    with pytest.raises(InvalidRequestError, match="`tool_choice` is 'required', but no tools are offered"):
        await _read(getattr(cls(**endpoint), prefix + method)(asked, tool_choice="required"))
    assert not sandbox.requests


@CHAT
def test_an_argument_of_the_constructor_is_refused_in_a_call_with_its_place(cls, endpoint):
    with pytest.raises(InvalidRequestError, match="`timeout` is not a parameter of a call: pass it to the constructor"):
        call(cls(**endpoint), timeout=3)


@CHAT
@pytest.mark.parametrize(
    ("argument", "field"),
    [
        ("request_timeout", "timeout"),
        ("api_base", "base_url"),
        ("extra_headers", "default_headers"),
        ("headers", "default_headers"),
        ("extra_query", "default_query"),
    ],
)
def test_another_models_argument_of_a_call_is_refused_with_the_field_for_it(cls, endpoint, argument, field):
    """For one call, a copy of the model with this field does it."""
    advice = re.escape(f"model_copy(update={{'{field}': ...}})")
    with pytest.raises(InvalidRequestError, match=f"^`{argument}` is not a parameter of a call: .*{advice}"):
        call(cls(**endpoint), **{argument: "x"})


@CHAT
def test_headers_for_one_call_are_sent_by_a_copy(cls, endpoint, sandbox):
    model = cls(**endpoint)
    call(model.model_copy(update={"default_headers": {"X-Trace": "t1"}}))
    call(model)
    assert [request.headers.get("x-trace") for request in sandbox.requests] == ["t1", None]


@ALL
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": (1, 2, 3)}, "`timeout` must be seconds, a mapping"),
        ({"timeout": True}, "`timeout` must be seconds, a mapping"),
        (
            {"timeout": {"chunk": True}},
            "`timeout`: `chunk` must be seconds above 0, or None for no limit; not True",
        ),
        ({"timeout": (True, 5)}, "`timeout`: `connect` must be seconds .*; not True"),
        ({"max_retries": True}, "`max_retries` is a number, not True"),
        ({"wait_for_start": False}, "`wait_for_start` is a number, not False"),
        ({"proxy": "http://localhost"}, "`proxy` is not an argument here: pass `http_client"),
        ({"tir_api_key": "a-secret"}, "`tir_api_key` looks like a credential"),
        ({"api_base": "https://a/v1", "base_url": "https://b/v1"}, "Give `base_url` or `api_base`, not both"),
    ],
)
def test_arguments_of_other_integrations_are_explained(cls, endpoint, arguments, message):
    with pytest.raises(ConfigurationError, match=message) as raised:
        made(cls, **{**endpoint, **arguments})
    assert "a-secret" not in str(raised.value)


@ALL
def test_names_of_other_integrations_are_accepted(cls):
    with httpx.Client() as client:
        model = made(cls, openai_api_base="https://example.com/v1", api_key="t", request_timeout=5, http_client=client)

    assert (model.base_url, model.timeout) == ("https://example.com/v1", 5)


@ALL
def test_a_missing_token_and_project_are_reported_together(cls):
    with pytest.raises(ConfigurationError, match=r"No token: .*E2E_TIR_ACCESS_TOKEN.*No project: .*E2E_TIR_PROJECT_ID"):
        made(cls)


@CHAT
@pytest.mark.parametrize("name", ["openai/gpt-oss-120b", "GPT/OSS-120b/gpt-oss-120b"])
def test_a_hugging_face_id_gets_the_slug_that_tir_has(cls, endpoint, name):
    with pytest.raises(ConfigurationError, match="did you mean `gpt_oss_120b`"):
        call(cls(name, **endpoint))


@ALL
async def test_the_models_of_a_server_are_listed(cls, endpoint):
    model = made(cls, **endpoint)

    for cards in (model.list_models(), await model.alist_models()):
        assert {card.max_model_len for card in cards} == {131_072}


@ALL
def test_models_that_share_a_url_are_named_in_the_body_only(cls, sandbox, endpoint):
    model = cls("IndicTrans2/en", **endpoint, model_in_url=False)
    call(model)
    model.list_models()

    base = "/project/p-12345/genai/v1/"
    assert [request.path.removeprefix(base) for request in sandbox.requests] == [PATHS[cls], "models"]
    assert sandbox.requests[0].body["model"] == "IndicTrans2/en"
    model.model_in_url, model.model = True, "bge-large-en-v1_5"
    call(model)
    assert "/genai/bge-large-en-v1_5/v1/" in sandbox.requests[-1].path


@pytest.mark.usefixtures("patient_windows")
@CHAT
def test_the_window_of_a_private_deployment_is_read_from_its_server(cls, sandbox, endpoint):
    model = cls("/mnt/models", **endpoint, endpoint_id=45)

    assert window_of(model) == 131_072
    assert [request.path for request in sandbox.requests] == ["/project/p-12345/endpoint/is-45/v1/models"]


@CHAT
async def test_a_window_that_was_listed_is_not_requested(cls, sandbox, endpoint):
    listed, ready = (cls("/mnt/models", **endpoint, endpoint_id=45) for _ in range(2))
    await listed.alist_models()
    await ready.await_until_ready()
    sandbox.reset()

    assert (window_of(listed), window_of(ready), sandbox.requests) == (131_072, 131_072, [])


@CHAT
def test_a_window_that_cannot_be_read_is_not_an_error(cls, sandbox, endpoint, caplog):
    model = cls("/mnt/models", **{**endpoint, "host": None, "base_url": "http://127.0.0.1:1/v1"})

    assert [window_of(model) for _ in range(2)] == [None if cls is ChatTIR else 8_192] * 2
    assert len(ours(caplog)) == 1
    model.base_url, model.api_key = None, ""
    assert window_of(model) in {None, 8_192}


def window_of(model) -> int | None:
    return model.profile["max_input_tokens"] if isinstance(model, ChatTIR) else model.metadata.context_window


@ALL
async def test_every_model_waits_for_a_deployment_that_starts(cls, sandbox, endpoint):
    waiting = made(cls, **endpoint, wait_for_start=60)
    sandbox.strict = False
    starting = [Fault(status=503, headers={"Retry-After": "0.01"})] * 4
    sandbox.script(*starting)
    call(waiting)
    sandbox.script(*starting)
    await acall(waiting)

    assert len(sandbox.requests) == 10
    waiting.wait_for_start = 0
    sandbox.script(Fault(status=503))
    with pytest.raises(ServerError):
        call(waiting)


@ALL
async def test_every_model_can_be_waited_for(cls, endpoint):
    model = made(cls, **{**endpoint, "host": None, "base_url": "http://127.0.0.1:1/v1"})
    with pytest.raises(APITimeoutError, match="did not start"):
        model.wait_until_ready(0.01)
    with pytest.raises(APITimeoutError, match="did not start"):
        await model.await_until_ready(0.01)

    model = made(cls, **endpoint)
    assert model.wait_until_ready() == await model.await_until_ready() == model.list_models()


@CHAT
async def test_the_tokens_of_a_prompt_are_counted_by_the_server(cls, sandbox, endpoint):
    model = cls(**{**endpoint, "host": None, "base_url": sandbox.base_url})
    short, long = (text if cls is ChatTIR else [ChatMessage(text)] for text in ("Hi", "Hi, how are you today?"))

    counts = [model.count_tokens(short), await model.acount_tokens(long)]

    assert 0 < counts[0] < counts[1]
    assert sandbox.requests[-1].path == "/tokenize"


@CHAT
def test_a_server_that_does_not_count_tokens_is_a_tir_error(cls, endpoint):
    prompt = "Hi" if cls is ChatTIR else [ChatMessage("Hi")]
    with pytest.raises(TIRError):
        cls(**endpoint).count_tokens(prompt)
