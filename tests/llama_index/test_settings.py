"""Settings of `TIR` and `TIREmbedding`: server, credentials, aliases, copies and pickles."""

from __future__ import annotations

import builtins
import copy
import importlib
import logging
import pickle
import sys

import httpx
import pytest
from llama_index.core.base.llms.types import LLMMetadata
from pydantic import SecretStr

from llama_index_tir import TIR, TIREmbedding
from tir_client import ConfigurationError, InvalidRequestError

from .conformance.base import question

BOTH = pytest.mark.parametrize("cls", [TIR, TIREmbedding])
NAMES = ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "E2E_TIR_PROJECT_ID", "TIR_BASE_URL", "MODEL_API_CLIENT_HOST")


@pytest.fixture
def no_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_url_follows_the_model_of_the_call(llm, sandbox):
    llm.chat(question(), model="qwen3_32b")
    request = sandbox.requests[-1]
    assert request.path == f"/project/p-{sandbox.project_id}/genai/qwen3_32b/v1/chat/completions"
    assert request.body["model"] == "qwen3_32b"


def test_endpoint_id_selects_its_url(sandbox):
    TIR(endpoint_id=77, model="/mnt/models").chat(question())
    assert sandbox.requests[-1].path == f"/project/p-{sandbox.project_id}/endpoint/is-77/v1/chat/completions"


@BOTH
@pytest.mark.usefixtures("no_environment")
def test_a_missing_token_is_named_at_once(cls):
    with pytest.raises(ConfigurationError, match="E2E_TIR_ACCESS_TOKEN"):
        cls(project_id=1)


@BOTH
@pytest.mark.usefixtures("no_environment")
def test_a_missing_project_is_named_at_once(cls):
    with pytest.raises(ConfigurationError, match="E2E_TIR_PROJECT_ID"):
        cls(api_key="t")


@BOTH
def test_argument_names_of_other_integrations_are_accepted(cls):
    client = httpx.AsyncClient()
    made = cls(api_base="https://example.com/v1", api_key="t", async_http_client=client)
    assert made.base_url == "https://example.com/v1"
    assert made.http_async_client is client


@BOTH
def test_one_setting_under_two_names_is_refused(cls):
    with pytest.raises(ConfigurationError, match="api_base"):
        cls(api_base="https://example.com/v1", base_url="https://example.com/v2", api_key="t")


@BOTH
def test_a_misspelt_field_is_refused_without_its_value(cls):
    with pytest.raises(
        ConfigurationError, match="`apikey` looks like a credential: pass the token as `api_key`"
    ) as error:
        cls(apikey="a-secret", base_url="https://example.com/v1")
    assert "a-secret" not in str(error.value)


@BOTH
def test_arguments_with_their_usual_value_are_accepted(cls, sandbox):
    cls(reuse_client=True, api_version=None, tokenizer=None, should_use_structured_outputs=True)
    cls(modalities=["text"], audio_config=None)


@BOTH
@pytest.mark.parametrize(
    "field",
    [
        {"reuse_client": False},
        {"api_version": "v2"},
        {"tokenizer": len},
        {"should_use_structured_outputs": False},
        {"modalities": ["text", "audio"]},
        {"audio_config": {"voice": "alloy"}},
    ],
)
def test_arguments_without_effect_warn(cls, field):
    """A program for another LLM needs to change only the class name."""
    with pytest.warns(UserWarning, match=rf"`{next(iter(field))}` has no effect") as caught:
        cls(**field, api_key="k", project_id=1)
    assert caught[0].filename == __file__


def test_max_completion_tokens_is_max_tokens(sandbox):
    llm = TIR(max_completion_tokens=7)
    llm.complete("x")
    llm.complete("x", max_completion_tokens=8)
    TIR(additional_kwargs={"max_completion_tokens": 9}).complete("x")
    assert [request.body["max_tokens"] for request in sandbox.requests] == [7, 8, 9]
    assert not any("max_completion_tokens" in request.body for request in sandbox.requests)
    with pytest.raises(InvalidRequestError, match="not both"):
        llm.complete("x", max_completion_tokens=8, max_tokens=9)


def test_an_embedding_model_takes_additional_kwargs(sandbox):
    TIREmbedding(additional_kwargs={"truncate_prompt_tokens": 5}).get_text_embedding("x")
    assert sandbox.requests[-1].body["truncate_prompt_tokens"] == 5


def test_a_token_can_be_a_function(sandbox):
    TIR(api_key=lambda: SecretStr(sandbox.token)).chat(question())
    assert sandbox.requests[-1].headers["authorization"] == f"Bearer {sandbox.token}"


def test_changing_a_field_makes_a_new_client(llm, sandbox):
    first = llm.client
    llm.temperature = 0.5
    assert llm.client is first
    llm.max_retries = 4
    assert llm.client is not first
    llm.base_url = sandbox.base_url
    llm.chat(question())
    assert sandbox.requests[-1].path == "/v1/chat/completions"


def test_a_copy_with_another_address_calls_there(llm, sandbox):
    llm.chat(question())
    llm.model_copy(update={"base_url": sandbox.base_url}).chat(question())
    assert sandbox.requests[-1].path == "/v1/chat/completions"


@BOTH
def test_a_deep_copy_shares_what_cannot_be_copied(cls, sandbox):
    with httpx.Client() as client:
        made = cls(http_client=client)
        twin = copy.deepcopy(made)
    assert twin.http_client is client
    assert twin.callback_manager is made.callback_manager


@BOTH
def test_pickling_is_silent(cls, sandbox, caplog):
    made = cls(temperature=0.5) if cls is TIR else cls()
    with caplog.at_level(logging.WARNING):
        assert pickle.loads(pickle.dumps(made)).max_retries == made.max_retries
    assert [record for record in caplog.records if record.name.startswith(("tir_", "llama_index"))] == []


def test_unpickled_objects_read_the_token_from_the_environment(llm, sandbox):
    pickle.loads(pickle.dumps(llm)).chat(question())
    assert sandbox.requests[-1].headers["authorization"] == f"Bearer {sandbox.token}"


def test_unpickled_objects_name_missing_settings_at_the_call(llm, monkeypatch):
    pickled = pickle.dumps(llm)
    monkeypatch.delenv("E2E_TIR_ACCESS_TOKEN")
    with pytest.raises(ConfigurationError, match="E2E_TIR_ACCESS_TOKEN"):
        pickle.loads(pickled).chat(question())


def test_a_custom_http_client_cannot_be_pickled(sandbox):
    with httpx.Client() as client, pytest.raises(TypeError, match="http_client"):
        pickle.dumps(TIR(http_client=client))


@BOTH
@pytest.mark.parametrize("secret", ["default_headers", "default_query"])
def test_possible_secrets_prevent_pickling(cls, secret):
    with pytest.raises(TypeError, match=secret):
        pickle.dumps(cls(api_key="k", project_id=1, **{secret: {"X-Key": "hunter2"}}))


@BOTH
@pytest.mark.parametrize("given", ["another-token", lambda: "another-token"], ids=["text", "lambda"])
def test_a_token_given_in_code_prevents_pickling(cls, given):
    with pytest.raises(TypeError, match=f"{cls.__name__} with `api_key` cannot be pickled.*E2E_TIR_ACCESS_TOKEN"):
        pickle.dumps(cls(api_key=given, project_id=1))


@pytest.mark.parametrize(
    "timeout", [None, 30, {"connect": 1.0, "total": 9.0}, httpx.Timeout(5.0)], ids=["none", "seconds", "map", "httpx"]
)
def test_any_timeout_can_be_saved(sandbox, timeout):
    llm = TIR(timeout=timeout)
    assert TIR.from_dict(llm.to_dict()).client.timeouts == llm.client.timeouts


def test_a_context_manager_closes(sandbox):
    with TIR() as llm:
        llm.chat(question())
    llm.chat(question())  # a later call opens a new connection
    assert len(sandbox.requests) == 2


async def test_an_async_context_manager_closes(sandbox):
    async with TIR() as llm:
        await llm.achat(question())
    await llm.achat(question())
    assert len(sandbox.requests) == 2


async def test_list_models_returns_context_windows(llm):
    for cards in (llm.list_models(), await llm.alist_models()):
        assert {card.max_model_len for card in cards} == {131_072}


async def test_the_server_counts_tokens(make_llm, sandbox):
    llm = make_llm(base_url=sandbox.base_url)
    counts = [llm.count_tokens(question("a")), await llm.acount_tokens(question("a b c d e f g h"))]
    assert 0 < counts[0] < counts[1]


async def test_tokens_of_a_string_are_those_of_a_users_message(make_llm, sandbox):
    llm = make_llm(base_url=sandbox.base_url)
    assert llm.count_tokens("a b") == await llm.acount_tokens("a b") == llm.count_tokens(question("a b"))


@pytest.mark.parametrize(
    ("fields", "shown"),
    [({}, {}), ({"temperature": 0.0, "reasoning_effort": "low"}, {"temperature": 0.0, "reasoning_effort": "low"})],
)
def test_metadata_has_the_parameters_that_tracing_tools_show(make_llm, fields, shown):
    metadata = make_llm(**fields).metadata.model_dump(exclude_unset=True)
    assert {name: metadata[name] for name in metadata if name not in LLMMetadata.model_fields} == shown
    assert make_llm(**fields).to_payload().items() >= {**shown, "model": "gpt_oss_120b", "class_name": "TIR"}.items()


@pytest.mark.parametrize("way", ["count_tokens", "acount_tokens"])
async def test_the_server_counts_the_tokens_of_tools_too(make_llm, sandbox, way):
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    count = getattr(make_llm(base_url=sandbox.base_url), way)(question("a"), tools=[tool], model="other")
    assert (await count if way.startswith("a") else count) > 0
    assert sandbox.requests[-1].path == "/tokenize"
    assert sandbox.requests[-1].body == {
        "model": "other",
        "messages": [{"role": "user", "content": "a"}],
        "tools": [tool],
    }


def test_an_empty_list_of_tools_is_not_sent(llm, sandbox):
    for tools in ([], None):
        llm.chat_with_tools(tools, "Hi")
        assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(sandbox.requests[-1].body)


@pytest.mark.parametrize(
    ("fields", "window", "output", "calls"),
    [
        ({}, 131_072, 4_096, True),
        ({"max_tokens": 1_000}, 131_072, 1_000, True),
        ({"max_tokens": 131_072}, 131_072, 65_536, True),
        ({"context_window": 4_096}, 4_096, 2_048, True),
        ({"model": "deepseek_r1"}, 163_840, 4_096, False),
        ({"model": "deepseek_r1", "is_function_calling_model": True}, 163_840, 4_096, True),
        ({"model": "my_own"}, 131_072, 256, True),
        ({"model": "my_own", "context_window": 32_768}, 32_768, 256, True),
    ],
)
def test_metadata_comes_from_the_model_unless_set(sandbox, fields, window, output, calls):
    """The reserved output never exceeds half of the window."""
    metadata = TIR(**fields).metadata
    assert (metadata.context_window, metadata.num_output) == (window, output)
    assert metadata.is_function_calling_model is calls


def test_n_above_one_warns_and_one_answer_is_requested(llm, sandbox):
    """RAGAS passes `n=3` to every LLM."""
    with pytest.warns(UserWarning, match="`n` is 3"):
        assert llm.chat(question(), n=3).message.content
    assert sandbox.requests[-1].body.get("n") in (None, 1)


def test_extra_bodies_are_merged(sandbox):
    llm = TIR(extra_body={"a": 1, "b": 1}, additional_kwargs={"extra_body": {"b": 2, "c": 2}})
    llm.chat(question(), extra_body={"c": 3})
    body = sandbox.requests[-1].body
    assert (body["a"], body["b"], body["c"]) == (1, 2, 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.9},
        {"extra_body": {"temperature": 0.9}},
        {"additional_kwargs": {"temperature": 0.9}},
        {"additional_kwargs": {"extra_body": {"temperature": 0.9}}},
    ],
)
def test_the_call_overrides_each_way_of_setting_a_parameter(sandbox, fields):
    llm = TIR(**fields)
    llm.complete("x", temperature=0.1)
    llm.complete("x")
    assert [request.body["temperature"] for request in sandbox.requests] == [0.1, 0.9]


def test_without_llama_index_the_import_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def blocked(name, *args, **kwargs):
        if name.startswith("llama_index.core"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("llama_index_tir")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(ImportError, match=r'pip install "tir-llm\[llama-index\]"'):
        importlib.import_module("llama_index_tir")
