"""The configuration: what is refused before a request, and the URLs that are built."""

from __future__ import annotations

import copy
import pickle
import re
import threading
from collections.abc import Coroutine

import pytest
from pydantic import SecretStr

from tir_client import Config, ConfigurationError
from tir_client.environment import (
    looks_like_auth_token,
    project_from_environment,
    required_token_from_environment,
    token_from_environment,
)
from tir_client.transport.token import fetch_token

VARIABLES = ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "E2E_TIR_PROJECT_ID", "TIR_BASE_URL", "MODEL_API_CLIENT_HOST")
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "E2E_TIR_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def config(**given: object) -> Config:
    return Config.resolve(**{"api_key": JWT, **given})


@pytest.mark.parametrize("project", [123, "123", "p-123", "p-p-123", " 123 ", "0123"])
def test_a_project_may_have_prefixes_and_leading_zeros(project):
    assert config(project_id=project).url_for("gpt_oss_120b") == (
        "https://infer.e2enetworks.net/project/p-123/genai/gpt_oss_120b/v1/chat/completions"
    )
    assert config(project_id=project).params() == {"project_id": "123"}


def test_models_that_share_a_url_take_any_model_name():
    shared = config(project_id=1, model_in_url=False)

    expected = "https://infer.e2enetworks.net/project/p-1/genai/v1/chat/completions"
    assert {shared.url_for(model) for model in ("indictrans2", "ai4bharat/IndicTrans2")} == {expected}
    assert shared.params() == {"project_id": "1"}
    for other in ({"base_url": "https://host/v1"}, {"endpoint_id": 45, "project_id": 1}):
        assert config(**other, model_in_url=False).url_for("m") == config(**other).url_for("m")


@pytest.mark.parametrize("endpoint", [45, "45", "is-45", "is-is-45"])
def test_a_private_deployment_takes_any_model_name(endpoint):
    found = config(project_id=1, endpoint_id=endpoint)

    expected = "https://infer.e2enetworks.net/project/p-1/endpoint/is-45/v1/embeddings"
    assert expected == found.url_for("meta-llama/Llama-3", "embeddings")
    assert expected == found.url_for("/mnt/models", "embeddings")


@pytest.mark.parametrize(
    "given",
    [
        "https://host/v1",
        "https://host/v1/",
        " https://host/v1// ",
        "https://host/v1/chat/completions",
        "https://host/v1/embeddings/",
        "https://host/v1//chat/completions",
        "https://host/v1/rerank",
    ],
)
def test_a_base_url_may_end_with_slashes_or_the_path_of_a_call(given):
    assert config(base_url=given).url_for("any/model") == "https://host/v1/chat/completions"
    assert config(base_url=given).url_for("any/model", "/tokenize") == "https://host/tokenize"


def test_a_path_with_a_leading_slash_is_above_the_version():
    assert config(project_id=1).url_for("m", "/rerank") == "https://infer.e2enetworks.net/project/p-1/genai/m/rerank"
    assert config(base_url="https://host/v1").url_for("m", "/rerank") == "https://host/rerank"
    assert config(base_url="https://host/api").url_for("m", "/rerank") == "https://host/api/rerank"
    with pytest.raises(ConfigurationError, match="`model`"):
        config(base_url="https://host/v1").url_for("", "/tokenize")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 19, "'" + "x" * 19 + "'"),
        ("x" * 20, "a string of 20 characters that may be a token"),
        (f" {JWT} ", f"a string of {len(JWT) + 2} characters that may be a token"),
        ("p-" + "1" * 30 + "!", "'p-" + "1" * 30 + "!'"),
        (b"x" * 30, "b'" + "x" * 30 + "'"),
    ],
)
def test_a_wrong_value_is_shown_unless_it_may_be_a_token(value, shown):
    with pytest.raises(ConfigurationError, match=re.escape(f"; it is {shown}.")):
        config(project_id=value)
    with pytest.raises(ConfigurationError, match=re.escape(f"; it is {shown}.")):
        config(base_url=value)


def test_the_url_follows_the_model_of_each_call():
    found = config(project_id=1)

    assert "genai/qwen3_32b/v1" in found.url_for("qwen3_32b")
    assert "genai/bge-large-en-v1_5/v1" in found.url_for("bge-large-en-v1_5")


def test_a_project_is_not_needed_with_a_base_url_but_sent_if_known():
    assert config(base_url="https://host/v1").params() == {}
    assert config(base_url="https://host/v1", project_id="p-7").params() == {"project_id": "7"}


def test_additional_query_parameters_and_headers_are_sent():
    found = config(project_id=1, default_query={"apikey": "k", "location": 2}, default_headers={"X-Team": "a"})

    assert found.params() == {"project_id": "1", "apikey": "k", "location": "2"}
    assert found.headers == {"X-Team": "a"}


def test_arguments_that_are_not_given_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("TIR_API_TOKEN", "second")
    monkeypatch.setenv("E2E_TIR_PROJECT_ID", "p-9")
    assert Config.resolve().secret().get_secret_value() == "second"

    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "first")
    assert Config.resolve().secret().get_secret_value() == "first"
    assert Config.resolve(api_key="mine").secret().get_secret_value() == "mine"
    assert "/project/p-9/" in Config.resolve().url_for("m")
    assert "/project/p-8/" in Config.resolve(project_id=8).url_for("m")

    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "https://chennai.example/")
    assert Config.resolve().url_for("m").startswith("https://chennai.example/project/p-9/genai/m/")

    monkeypatch.setenv("TIR_BASE_URL", "http://127.0.0.1:8000/v1")
    assert Config.resolve().url_for("m") == "http://127.0.0.1:8000/v1/chat/completions"
    assert "/endpoint/is-5/" in Config.resolve(endpoint_id=5).url_for("m")
    assert Config.resolve(host="https://h").url_for("m").startswith("https://h/project/p-9/")


def test_settings_read_the_environment_themselves(monkeypatch):
    assert (token_from_environment(), project_from_environment()) == (None, None)
    monkeypatch.setenv("E2E_TIR_PROJECT_ID", " 9 ")
    monkeypatch.setenv("TIR_API_TOKEN", " second ")
    assert (token_from_environment(), project_from_environment()) == (SecretStr("second"), "9")
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "first")
    assert token_from_environment() == SecretStr("first")


def test_a_client_without_its_token_takes_the_one_of_the_environment(monkeypatch):
    with pytest.raises(ConfigurationError, match=r"^No token: set `api_key` or E2E_TIR_ACCESS_TOKEN"):
        required_token_from_environment()
    monkeypatch.setenv("TIR_API_TOKEN", "second")
    assert required_token_from_environment() == SecretStr("second")


@pytest.mark.parametrize(
    ("token", "is_one"), [(JWT, True), ("eyJ..", True), ("eyJ.a", False), (f"{JWT}.a", False), ("an-api-key", False)]
)
def test_an_auth_token_is_recognized_by_its_form(token, is_one):
    assert looks_like_auth_token(SecretStr(token)) is is_one


def test_a_missing_token_and_a_missing_project_are_reported_together():
    with pytest.raises(ConfigurationError, match=r"^No token: .*create a token\. No project: .*TIR_BASE_URL\.$"):
        Config.resolve()


def test_a_missing_token_of_another_server_is_not_said_to_come_from_tir():
    message = r"^No token: set `api_key` or E2E_TIR_ACCESS_TOKEN .* `base_url`, or to any word if it needs none\.$"
    with pytest.raises(ConfigurationError, match=message):
        Config.resolve(base_url="http://localhost:8000/v1")


@pytest.mark.parametrize("name", ["E2E_TIR_API_KEY", "OPENAI_API_KEY"])
def test_keys_of_other_services_are_never_used(monkeypatch, name):
    monkeypatch.setenv(name, "not-for-inference")

    with pytest.raises(ConfigurationError, match="No token: set `api_key` or E2E_TIR_ACCESS_TOKEN"):
        Config.resolve(project_id=1)


def test_a_missing_project_is_refused_with_the_ways_to_set_it():
    with pytest.raises(ConfigurationError, match=r"No project: pass `project_id` or set E2E_TIR_PROJECT_ID.*base_url"):
        config()


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "snow☃", 5, b"bytes"])
def test_an_invalid_token_is_refused_without_being_repeated(token):
    with pytest.raises(ConfigurationError, match="`api_key`") as caught:
        Config.resolve(api_key=token, project_id=1)

    assert not token or not str(token).strip() or str(token) not in str(caught.value)


@pytest.mark.parametrize("token", [f" {JWT}\n", f"Bearer {JWT}", SecretStr(JWT), lambda: JWT, lambda: SecretStr(JWT)])
def test_a_token_may_be_given_in_any_usual_form(token):
    assert Config.resolve(api_key=token, project_id=1).secret().get_secret_value() == JWT


def test_a_token_that_is_refused_is_described():
    with pytest.raises(ConfigurationError, match="a function that returns one, not <class 'int'>"):
        config(api_key=5, project_id=1)
    with pytest.raises(ConfigurationError, match=r"Copy the Auth Token again, or set E2E_TIR_ACCESS_TOKEN\."):
        config(api_key="two words", project_id=1)


async def test_an_async_function_is_awaited_in_async_code_and_refused_in_sync_code():
    async def token() -> str:
        return JWT

    def lazy() -> Coroutine[None, None, str]:
        return token()

    for function in (token, lazy):
        resolved = config(api_key=function, project_id=1)
        assert (await fetch_token(resolved)).get_secret_value() == JWT
        with pytest.raises(ConfigurationError, match="`api_key` is an async function, which only async calls"):
            resolved.secret()


async def test_a_sync_function_runs_outside_the_event_loop():
    threads = []

    def token() -> str:
        threads.append(threading.current_thread())
        return JWT

    resolved = config(api_key=token, project_id=1)

    assert (await fetch_token(resolved)).get_secret_value() == JWT
    assert resolved.secret().get_secret_value() == JWT
    assert [thread is threading.main_thread() for thread in threads] == [False, True]


@pytest.mark.parametrize("project", ["", "abc", "p-", "12-3", "-1", 0, True, 1.5, "\uff11\uff12"])
def test_a_malformed_project_is_refused_with_its_variable(project):
    with pytest.raises(ConfigurationError, match=r"`project_id` must be a number.*E2E_TIR_PROJECT_ID"):
        config(project_id=project)


@pytest.mark.parametrize("endpoint", ["", "is-", "https://x", False])
def test_a_malformed_endpoint_is_refused(endpoint):
    with pytest.raises(ConfigurationError, match="`endpoint_id` must be a number such as 123 or 'is-123'; it is"):
        config(project_id=1, endpoint_id=endpoint)


@pytest.mark.parametrize("model", ["", " ", None, 5, "two words", "tab\t"])
def test_an_empty_or_broken_model_is_refused(model):
    with pytest.raises(ConfigurationError, match="`model`"):
        config(base_url="https://host/v1").url_for(model)


@pytest.mark.parametrize("model", ["openai/gpt-oss-120b", "/mnt/models", "a?b", "a#b", "..", "a%2Fb", "é"])
def test_a_name_that_would_change_the_url_is_refused_for_a_hosted_model(model):
    with pytest.raises(ConfigurationError, match="`endpoint_id`"):
        config(project_id=1).url_for(model)


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("openai/gpt-oss-120b", r"did you mean `gpt_oss_120b`\?"),
        ("my/own", r"it becomes part of the URL, as 'gpt_oss_120b' does\."),
    ],
)
def test_the_error_about_a_hugging_face_id_has_the_slug(model, hint):
    with pytest.raises(ConfigurationError, match=f"is not the slug of a GenAI model: {hint} A Hugging Face id"):
        config(project_id=1).url_for(model)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "host/v1",
            "ftp://host",
            "https://",
            "http://[::1",
            "https://host:99999/v1",
            "https://a b/v1",
            "https:///v1",
            5,
        ),
        *("https://host/a b", "https://host/\x00", "https://h\u00f6st/v1", "https://a_.b-/v1", "https://host:0/v1"),
    ],
)
def test_a_malformed_url_is_refused_with_its_variable(url):
    with pytest.raises(ConfigurationError, match=r"`base_url` \(or TIR_BASE_URL\)"):
        config(base_url=url)


@pytest.mark.parametrize("host", ["host", ""])
def test_a_malformed_host_is_refused_with_its_own_variable(host):
    with pytest.raises(
        ConfigurationError,
        match=r"^`host` \(or MODEL_API_CLIENT_HOST\) must be a URL such as "
        rf"'https://infer\.e2enetworks\.net'; it is '{host}'\.$",
    ):
        config(project_id=1, host=host)


def test_a_malformed_host_in_the_environment_is_ignored_if_base_url_is_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "nonsense")

    assert config(base_url="https://example.com/v1").url_for("m") == "https://example.com/v1/chat/completions"


def test_a_url_is_kept_without_trailing_slashes():
    assert config(base_url="https://host/X/").base_url == "https://host/X"
    assert config(base_url="https://host/X/embeddings").base_url == "https://host/X"


@pytest.mark.parametrize("url", ["https://me@host/v1", "https://:hunter2@host/v1", "https://me:hunter2@host/v1"])
def test_a_user_or_a_password_in_a_url_is_refused(url):
    with pytest.raises(ConfigurationError, match="has a user or password in it"):
        config(base_url=url)


def test_a_malformed_url_with_a_user_is_not_repeated():
    with pytest.raises(ConfigurationError, match="it is with a user in it") as caught:
        config(base_url="me:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_secrets_and_parameters_in_a_url_are_refused():
    with pytest.raises(ConfigurationError, match="pass the token as `api_key`") as caught:
        config(base_url="https://me:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="`default_query`"):
        config(base_url="https://host/v1?apikey=hunter2")


def test_plain_http_is_for_this_machine_only():
    for url in ("http://localhost:1/v1", "http://127.0.0.1/v1", "http://[::1]:80/v1", "http://a.localhost/v1"):
        assert config(base_url=url).base_url == url
    with pytest.raises(ConfigurationError, match="allow_http=True"):
        config(base_url="http://10.0.0.1/v1")
    with pytest.raises(ConfigurationError, match="allow_http=True"):
        config(project_id=1, host="http://localhost.example")
    assert config(base_url="http://10.0.0.1/v1", allow_http=True).base_url == "http://10.0.0.1/v1"


def test_base_url_and_endpoint_id_together_are_refused():
    with pytest.raises(ConfigurationError, match="not both"):
        config(base_url="https://host/v1", endpoint_id=4)


@pytest.mark.parametrize(
    "headers", [{"Authorization": "x"}, {"a b": "x"}, {"X": "a\nb"}, {"X": "é"}, {"": "x"}, {"X": 1}]
)
def test_headers_that_cannot_be_sent_are_refused_without_their_value(headers):
    with pytest.raises(ConfigurationError, match="`default_headers`"):
        config(project_id=1, default_headers=headers)


def test_the_repr_has_no_secret():
    shown = repr(config(project_id=1, default_headers={"X-Key": "hunter2"}, default_query={"apikey": "hunter2"}))

    assert "hunter2" not in shown
    assert JWT not in shown


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "NoneType"), (["x"], "list"), ({"a": 1}, "dict"), (object(), "object")]
)
def test_a_query_parameter_that_is_not_text_is_refused(value, kind):
    with pytest.raises(ConfigurationError, match=f"`default_query`: 'q' must be a string or a number, not {kind}"):
        config(project_id=1, default_query={"q": value})


@pytest.mark.parametrize(
    ("value", "sent"), [(True, "true"), (False, "false"), ("True", "True"), (1.5, "1.5"), (0, "0")]
)
def test_a_query_parameter_is_sent_as_text(value, sent):
    assert config(project_id=1, default_query={"q": value}).params()["q"] == sent


@pytest.mark.parametrize(
    ("token", "given", "hint"),
    [
        (
            JWT,
            {"project_id": 1},
            "Check the Auth Token in `api_key` or E2E_TIR_ACCESS_TOKEN: it may have expired",
        ),
        ("tir-key-7", {"project_id": 1}, "does not look like an Auth Token"),
        ("eyJ.short", {"project_id": 1}, "does not look like an Auth Token"),
        (f"x{JWT}", {"project_id": 1}, "does not look like an Auth Token"),
        ("tir-key-7", {"base_url": "https://host/v1"}, "Check the Auth Token"),
    ],
)
def test_advice_for_a_401_follows_the_shape_of_the_token(token, given, hint):
    found = Config.resolve(api_key=token, **given)

    assert hint in found.token_hint(found.secret())
    assert token not in found.token_hint(found.secret())


def test_everything_that_may_be_secret_is_masked_in_errors():
    found = config(project_id=1, default_headers={"X-Key": "one"}, default_query={"key": "two"})

    assert found.secrets(found.secret()) == [JWT, "one", "two"]


def token_of_a_vault() -> str:
    return JWT


def test_a_pickle_has_everything_but_the_token(monkeypatch):
    found = config(project_id=1, endpoint_id=2, host="https://h")
    restored = pickle.loads(pickle.dumps(found))

    assert JWT.encode() not in pickle.dumps(found)
    assert (restored.project_id, restored.endpoint_id, restored.host) == ("1", "2", "https://h")
    with pytest.raises(ConfigurationError, match=r"^No token: set `api_key` or E2E_TIR_ACCESS_TOKEN.*a token\.$"):
        restored.secret()
    monkeypatch.setenv("TIR_API_TOKEN", "new")
    assert restored.secret().get_secret_value() == "new"
    function = pickle.loads(pickle.dumps(config(project_id=1, api_key=token_of_a_vault)))
    assert function.secret().get_secret_value() == JWT


@pytest.mark.parametrize("given", [{"default_headers": {"X-Key": "hunter2"}}, {"default_query": {"key": "hunter2"}}])
def test_headers_and_parameters_are_not_pickled(given):
    with pytest.raises(TypeError, match="may be secret: such a client cannot be pickled"):
        pickle.dumps(config(project_id=1, **given))


def test_a_copy_is_the_same_object():
    found = config(project_id=1)

    assert copy.copy(found) is found
    assert copy.deepcopy(found) is found
