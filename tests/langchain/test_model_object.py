"""ChatTIR as a Python object: repr, pickling, copying, configuration, caching, tracing, registration."""

from __future__ import annotations

import asyncio
import copy
import importlib
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

import httpx
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumpd, dumps, loads
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from pydantic import SecretStr

import langchain_tir
from langchain_tir import ChatTIR, TIREmbeddings, TIRRerank, register
from tests.waiting import auntil
from tir_client import APIStatusError, ConfigurationError, __version__
from tir_client.environment import required_token_from_environment
from tir_sandbox import Fault, Reply, Sandbox

SECRET = "a-secret-that-nobody-may-see"
HEADERS = {"x-key": SECRET}


@pytest.fixture
def secretive() -> ChatTIR:
    return ChatTIR(api_key=SECRET, project_id=1, default_headers=HEADERS, default_query={"key": SECRET})


def test_the_package_has_the_names_that_it_lists():
    assert langchain_tir.__all__ == sorted(langchain_tir.__all__)
    assert langchain_tir.__version__ == __version__
    assert all(hasattr(langchain_tir, name) for name in langchain_tir.__all__)


def test_without_langchain_the_import_says_what_to_install():
    code = "import sys; sys.modules['langchain_core'] = None; import langchain_tir"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 'pip install "tir-llm[langchain]"' in done.stderr


def test_secrets_are_in_no_form_of_the_model(secretive: ChatTIR):
    shown = [
        repr(secretive),
        str(secretive),
        str(secretive.model_dump()),
        secretive.model_dump_json(),
        str(secretive.asdict()),
        dumps(secretive),
        str(secretive.to_json()),
        secretive._get_llm_string(),
        str(secretive._get_invocation_params()),
        str(secretive._get_ls_params()),
        str(secretive.metadata),
    ]

    assert not [form for form in shown if SECRET in form]


def test_secrets_are_in_no_trace_of_a_call(make: Callable[..., ChatTIR], sandbox: Sandbox):
    traces = RunCollectorCallbackHandler()
    model = make(default_headers=HEADERS, metadata={"team": "blue"})
    sandbox.script(Reply(text="Hi"), Fault(status=500))

    model.invoke("Hi", {"callbacks": [traces]})
    with pytest.raises(APIStatusError) as raised:
        model.invoke("Hi", {"callbacks": [traces]})

    traced = "".join(run.model_dump_json() for run in traces.traced_runs) + repr(raised.value.__dict__)
    assert SECRET not in traced
    assert sandbox.token not in traced
    assert '"status_code":500' in traced


def test_a_trace_has_the_versions_and_parameters_of_the_call(model: ChatTIR):
    traces = RunCollectorCallbackHandler()

    model.invoke("Hi", {"callbacks": [traces]}, temperature=0.5, model="qwen3_32b", stop=["x"])

    metadata = traces.traced_runs[0].extra["metadata"]
    assert metadata["lc_versions"].keys() >= {"langchain-core", "tir-llm"}
    assert (metadata["ls_provider"], metadata["ls_model_type"]) == ("tir", "chat")
    assert (metadata["ls_model_name"], metadata["ls_temperature"]) == ("qwen3_32b", 0.5)
    assert metadata["ls_stop"] == ["x"]


def test_the_stop_of_a_trace_is_a_list(make: Callable[..., ChatTIR]):
    params = make(stop="x", max_tokens=9)._get_ls_params(max_completion_tokens=5)

    assert (params["ls_stop"], params["ls_max_tokens"]) == (["x"], 5)


# Saving and copying


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.parametrize("how", ["secrets_map", "secrets_from_env"])
def test_a_dump_is_loaded_with_the_token_from_outside(
    make: Callable[..., ChatTIR], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, how: str
):
    model = make(temperature=0.5, stop=["x"], extra_body={"echo": False}, timeout=httpx.Timeout(5.0, connect=1.0))
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)
    where = {"secrets_map": {"E2E_TIR_ACCESS_TOKEN": sandbox.token}, "secrets_from_env": True}[how]

    loaded = loads(dumps(model), allowed_objects=[ChatTIR], valid_namespaces=["langchain_tir"], **{how: where})

    assert loaded.asdict() == model.asdict()
    assert loaded.client.timeouts == model.client.timeouts
    assert loaded.invoke("Hi").text


def test_validating_a_model_returns_it_unchanged(model: ChatTIR):
    assert ChatTIR.model_validate(model) is model


def test_a_dump_names_the_variable_of_the_token():
    kwargs = dumpd(ChatTIR(api_key=SECRET, project_id=1))["kwargs"]

    assert kwargs["api_key"] == {"lc": 1, "type": "secret", "id": ["E2E_TIR_ACCESS_TOKEN"]}


@pytest.mark.parametrize("used", [False, True])
def test_a_pickle_has_no_token_and_takes_it_from_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, used: bool
):
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", sandbox.host)
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)
    model = ChatTIR(project_id=sandbox.project_id, temperature=0.5)
    if used:
        model.invoke("Hi")
        asyncio.run(model.ainvoke("Hi"))

    pickled = pickle.dumps(model)
    loaded = pickle.loads(pickled)

    assert sandbox.token.encode() not in pickled
    assert loaded.asdict() == model.asdict()
    assert loaded.invoke("Hi").text


@pytest.mark.parametrize("cls", [ChatTIR, TIREmbeddings])
@pytest.mark.parametrize("given", [SECRET, lambda: SECRET, partial(str, SECRET)], ids=["text", "lambda", "partial"])
def test_a_model_with_a_token_given_in_code_is_not_pickled(
    monkeypatch: pytest.MonkeyPatch, cls: type[ChatTIR | TIREmbeddings], given: object
):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "another-token")

    with pytest.raises(TypeError, match=f"{cls.__name__} with `api_key` cannot be pickled.*E2E_TIR_ACCESS_TOKEN"):
        pickle.dumps(cls(api_key=given, project_id=1))


@pytest.mark.parametrize("cls", [ChatTIR, TIREmbeddings])
def test_a_function_of_a_module_is_pickled_by_its_name(monkeypatch: pytest.MonkeyPatch, cls: type):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", SECRET)

    assert (
        pickle.loads(pickle.dumps(cls(api_key=required_token_from_environment, project_id=1))).api_key
        is required_token_from_environment
    )


def test_a_pickle_of_a_model_that_took_the_token_from_the_environment_does_so_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)

    loaded = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(ChatTIR(base_url=sandbox.base_url)))))

    assert loaded.invoke("Hi").text


@pytest.mark.parametrize("cls", [ChatTIR, TIREmbeddings])
@pytest.mark.parametrize("name", ["openai_api_key", "tir_token", "apikey", "access_token", "client_secret", "password"])
def test_an_unknown_argument_that_looks_like_a_credential_is_refused(cls: type, name: str):
    with pytest.raises(ConfigurationError, match=f"`{name}` looks like a credential: .* `api_key`") as raised:
        cls(api_key="a-token", project_id=1, **{name: SECRET})
    assert SECRET not in str(raised.value)


def test_a_token_that_is_assigned_is_not_shown(secretive: ChatTIR):
    other = "another-secret"
    secretive.api_key = other

    copied = secretive.model_copy(update={"api_key": other})

    shown = [repr(secretive), str(secretive.model_dump()), secretive.model_dump_json(), dumps(secretive), repr(copied)]
    assert not [form for form in shown if other in form]
    assert secretive.client.config.secret().get_secret_value() == other


@pytest.mark.parametrize("field", ["extra_body", "model_kwargs"])
def test_a_secret_among_further_parameters_is_not_pickled(field: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", SECRET)
    fields: Any = {field: {"top_a": 1, "api_key": SECRET}}

    with pytest.raises(TypeError, match=f"A ChatTIR with 'api_key' in `{field}` cannot be pickled"):
        pickle.dumps(ChatTIR(project_id=1, **fields))
    pickle.dumps(ChatTIR(project_id=1, **{field: {"top_a": 1}}))


@pytest.mark.parametrize("field", ["default_headers", "default_query", "http_client", "rate_limiter", "api_key"])
def test_secrets_clients_and_rate_limiters_cannot_be_pickled(field: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "another-token")
    with httpx.Client() as client:
        limiter = InMemoryRateLimiter(requests_per_second=1000)
        values = {"http_client": client, "rate_limiter": limiter, "api_key": SECRET}
        model = ChatTIR(project_id=1, **{field: values.get(field, HEADERS)})

        with pytest.raises(TypeError, match=f"A ChatTIR with `{field}` cannot be pickled"):
            pickle.dumps(model)


@pytest.mark.parametrize("used", [False, True])
def test_a_deep_copy_shares_clients_and_callbacks(make: Callable[..., ChatTIR], used: bool):
    with httpx.Client() as client:
        model = make(
            http_client=client, rate_limiter=InMemoryRateLimiter(requests_per_second=1000), extra_body={"a": []}
        )
        if used:
            model.invoke("Hi")

        copied = copy.deepcopy(model)

        assert copied.http_client is client
        assert copied.rate_limiter is model.rate_limiter
        assert copied.extra_body["a"] is not model.extra_body["a"]
        assert copied.invoke("Hi").text


def test_a_changed_setting_takes_effect(model: ChatTIR, sandbox: Sandbox):
    before = model.client
    copied = model.model_copy(update={"endpoint_id": 7})

    copied.invoke("Hi")
    model.max_retries = 5

    assert "/endpoint/is-7/" in sandbox.requests[-1].path
    assert copied.client is not before
    assert model.client.retry.max_retries == 5


@pytest.mark.parametrize(
    ("timeout", "phases"),
    [
        (7, (7, 7, 7, None)),
        ((1, 5), (1, 5, 5, None)),
        (httpx.Timeout(5.0, connect=1.0), (1, 5, 5, None)),
        ({"total": 30, "connect": 2}, (2, 600, 120, 30)),
        (None, (10, 600, 120, None)),
    ],
)
def test_a_timeout_may_have_any_of_the_usual_forms(timeout: Any, phases: tuple[Any, ...]):
    limits = ChatTIR(api_key=SECRET, project_id=1, timeout=timeout).client.timeouts

    assert (limits.connect, limits.first_byte, limits.chunk, limits.total) == phases


def test_a_timeout_may_be_called_request_timeout():
    assert ChatTIR(api_key=SECRET, project_id=1, request_timeout=5).timeout == 5


def test_a_token_function_is_called_for_each_request(sandbox: Sandbox):
    asked: list[int] = []

    def token() -> SecretStr:
        asked.append(1)
        return SecretStr(sandbox.token)

    model = ChatTIR(api_key=token, base_url=sandbox.base_url)
    before = len(asked)
    model.invoke("Hi")
    model.invoke("Hi")

    assert len(asked) == before + 2


def test_the_users_http_client_is_used(make: Callable[..., ChatTIR], sandbox: Sandbox):
    with httpx.Client(headers={"x-mine": "yes"}) as client:
        make(http_client=client).invoke("Hi")

    assert sandbox.requests[-1].headers["x-mine"] == "yes"


@pytest.mark.usefixtures("patient_drain")
async def test_connections_are_kept_and_closed(model: ChatTIR, sandbox: Sandbox):
    for _ in range(3):
        await model.ainvoke("Hi")
        [chunk async for chunk in model.astream("Hi")]
    model.invoke("Hi")

    assert sandbox.connections == 2
    await model.aclose()
    assert await auntil(lambda: sandbox.open_connections == 0)
    assert (await model.ainvoke("Hi")).text


async def test_the_context_manager_closes_connections(make: Callable[..., ChatTIR], sandbox: Sandbox):
    with make() as model:
        model.invoke("Hi")
    async with make() as model:
        await model.ainvoke("Hi")

    assert await auntil(lambda: sandbox.open_connections == 0)
    assert sandbox.connections == 2


def test_a_model_may_be_used_by_several_event_loops(model: ChatTIR):
    assert [asyncio.run(model.ainvoke("Hi")).text for _ in range(3)]


# What LangChain does around a call


def test_the_model_can_be_configured_at_run_time(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(temperature=0.1).configurable_fields(
        model=ConfigurableField("model"), temperature=ConfigurableField("temperature")
    )

    chunks = list(model.with_config(configurable={"model": "qwen3_32b", "temperature": 0.9}).stream("Hi"))

    assert len(chunks) > 1
    assert (sandbox.requests[-1].body["model"], sandbox.requests[-1].body["temperature"]) == ("qwen3_32b", 0.9)


def test_a_cached_answer_costs_no_call_and_depends_on_the_parameters(make: Callable[..., ChatTIR], sandbox: Sandbox):
    cache = InMemoryCache()

    first, second = make(cache=cache).invoke("Hi"), make(cache=cache).invoke("Hi")
    make(cache=cache, temperature=0.5).invoke("Hi")
    make(cache=cache).invoke("Hi", seed=1)

    assert second.text == first.text
    assert len(sandbox.requests) == 3


def _set_temperature(model: ChatTIR) -> ChatTIR:
    model.temperature = 0.5
    return model


def _change_value_in_place(model: ChatTIR) -> ChatTIR:
    assert model.extra_body is not None
    model.extra_body["detail"] = 2
    return model


@pytest.mark.parametrize(
    "change",
    [
        _set_temperature,
        _change_value_in_place,
        lambda model: model.model_copy(update={"temperature": 0.5}),
        lambda model: _set_temperature(copy.deepcopy(model)),
    ],
)
def test_a_cached_answer_depends_on_settings_that_change_after_a_call(
    change: Callable[[ChatTIR], ChatTIR], make: Callable[..., ChatTIR], sandbox: Sandbox
):
    model = make(cache=InMemoryCache(), extra_body={"detail": 1})

    model.invoke("Hi")
    change(model).invoke("Hi")

    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("change", [_set_temperature, lambda model: model.model_copy(update={"temperature": 0.5})])
def test_traces_show_settings_that_change_after_a_call(
    change: Callable[[ChatTIR], ChatTIR], make: Callable[..., ChatTIR]
):
    starts: list[dict[str, Any]] = []

    class Starts(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: dict[str, Any], messages: Any, **kwargs: Any) -> None:
            starts.append(serialized["kwargs"])

    model = make(temperature=0.1, callbacks=[Starts()])

    model.invoke("Hi")
    change(model).invoke("Hi")

    assert [settings["temperature"] for settings in starts] == [0.1, 0.5]


def test_a_cached_answer_depends_on_headers_and_query_which_are_not_in_its_key(
    make: Callable[..., ChatTIR], sandbox: Sandbox
):
    cache = InMemoryCache()
    others = [{"default_headers": {"x-tenant": SECRET}}, {"default_headers": {"x-tenant": "b"}}]
    others += [{"default_query": {"x-tenant": SECRET}}, {"default_query": {"x-tenant": 1}}]

    for fields in [{}, *others] * 2:
        make(cache=cache, **fields).invoke("Hi")

    assert len(sandbox.requests) == 5
    assert SECRET not in str(cache._cache)


def test_a_cached_answer_keeps_its_calls_and_its_reasoning(make: Callable[..., ChatTIR], sandbox: Sandbox):
    model = make(cache=InMemoryCache(), output_version="v1")
    sandbox.script(Reply(reasoning="Hm.", text="Hello"))

    assert [model.invoke("Hi").content for _ in range(2)][1] == [
        {"type": "reasoning", "reasoning": "Hm.", "index": "lc_reasoning"},
        {"type": "text", "text": "Hello", "index": "lc_text"},
    ]


async def test_the_rate_limiter_is_acquired_once_for_each_call(make: Callable[..., ChatTIR]):
    class Counter(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            Counter.asked += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            Counter.asked += 1
            return True

    model = make(rate_limiter=Counter())

    model.invoke("Hi")
    list(model.stream("Hi"))
    await model.ainvoke("Hi")
    [chunk async for chunk in model.astream("Hi")]

    assert Counter.asked == 4


def test_an_answer_falls_back_and_is_retried_by_langchain(make: Callable[..., ChatTIR], sandbox: Sandbox):
    sandbox.script(Fault(status=500), Fault(status=500), Reply(text="At last."))
    model = make().with_retry(stop_after_attempt=2, wait_exponential_jitter=False).with_fallbacks([make(model="phi_4")])

    assert model.invoke("Hi").text == "At last."
    assert sandbox.requests[-1].body["model"] == "phi_4"


def test_a_method_of_a_model_with_fallbacks_is_called_on_each(make: Callable[..., ChatTIR], sandbox: Sandbox):
    tool = {"name": "add", "parameters": {"type": "object", "properties": {}}}
    schema = {"title": "Sum", "type": "object", "properties": {"sum": {"type": "integer"}}}
    model = make().with_fallbacks([make(model="phi_4")])
    sandbox.script(Fault(status=500), Reply(text="Ok."), Fault(status=500), Reply(text='{"sum": 3}'))

    assert model.bind_tools([tool]).invoke("Hi").text == "Ok."
    assert sandbox.requests[-1].body["tools"][0]["function"]["name"] == "add"
    assert model.with_structured_output(schema).invoke("Hi") == {"sum": 3}


@pytest.mark.parametrize("cls", [ChatTIR, TIREmbeddings, TIRRerank])
def test_the_type_hints_of_public_methods_can_be_read(cls: type):
    methods = [getattr(cls, name) for name in dir(cls) if not name.startswith("_")]

    for method in methods:
        if getattr(method, "__module__", "").startswith(("langchain_tir", "tir_client")) and callable(method):
            assert "return" in get_type_hints(method), method


def test_callbacks_get_an_error_with_the_partial_answer(model: ChatTIR, sandbox: Sandbox):
    class Listener(BaseCallbackHandler):
        response: Any = None

        def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
            Listener.response = kwargs["response"]

    sandbox.script(Fault(after=Reply(text=["Hel", "lo"]), error_chunk=True, at=2))

    with pytest.raises(Exception, match="EngineCore"):
        list(model.stream("Hi", {"callbacks": [Listener()]}))
    assert Listener.response.generations[0][0].text.startswith("Hel")


# Profile and registration


def test_the_profile_of_gpt_oss_has_its_capabilities():
    profile = ChatTIR(api_key=SECRET, project_id=1).profile

    assert (profile["max_input_tokens"], profile["max_output_tokens"]) == (131_072, 131_072)
    assert profile["reasoning_effort_levels"] == ["low", "medium", "high"]
    assert profile["tool_calling"]
    assert profile["reasoning_output"]
    assert not profile["image_inputs"]
    assert "structured_output" not in profile


def test_a_profile_may_be_given():
    assert ChatTIR(api_key=SECRET, project_id=1, profile={"max_input_tokens": 9}).profile == {"max_input_tokens": 9}


def test_a_registered_provider_is_found_by_name(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    base = importlib.import_module("langchain.chat_models.base")
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict(base._BUILTIN_PROVIDERS))
    with pytest.raises(ValueError, match="Unable to infer"):
        base.init_chat_model("tir:gpt_oss_120b")

    register()
    register()
    model = base.init_chat_model("tir:qwen3_32b", api_key=sandbox.token, project_id=12345, host=sandbox.host)

    assert isinstance(model, ChatTIR)
    assert model.invoke("Hi").response_metadata["model_name"] == "qwen3_32b"


def test_a_provider_cannot_be_registered_without_langchain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "langchain.chat_models.base", None)

    with pytest.raises(ImportError, match=r"ChatTIR\(\.\.\.\)"):
        register()


def test_construction_gives_no_warning_and_opens_no_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(httpx, "Client", None)
    monkeypatch.setattr(httpx, "AsyncClient", None)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ChatTIR(api_key=SECRET, project_id=1)
        TIREmbeddings(api_key=SECRET, project_id=1)
