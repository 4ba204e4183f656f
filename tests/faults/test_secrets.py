"""Only the configured server receives the token and the values of headers and query."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import vcr
from IPython.core.formatters import DisplayFormatter
from langchain_core.load import dumpd, dumps

from langchain_tir import ChatTIR, TIREmbeddings
from langchain_tir import TIRRerank as LangChainRerank
from llama_index_tir import TIR, TIREmbedding
from llama_index_tir import TIRRerank as LlamaIndexRerank
from tests.faults.drivers import OURS, QUESTION, TOKEN, Way, ways
from tests.faults.matrix import PATIENT, hasty
from tests.faults.response_bytes import answer, as_json, chunk, completion, head, refusal, stream
from tests.faults.secret_markers import HEADER, MARKS, QUERY, SECRETS, error_texts, found, object_texts
from tests.faults.servers import Servers
from tests.waiting import until
from tests.wire_server import CLOSE, RESET, STALL, WireServer
from tir_client import AuthenticationError, ConfigurationError, TIRError
from tir_client.protocol.error_responses import BODY_LIMIT

WHOLE = answer(as_json(completion()))
ECHO = {"error": {"message": f"The token {TOKEN} is not known.", "code": 401}}
TROUBLE: dict[str, list[Any]] = {
    "a whole answer": [WHOLE, CLOSE],
    "a server that repeats the token": [refusal(401, ECHO), CLOSE],
    "refusals": [refusal(503), CLOSE],
    "reset": [RESET],
    "reset in the answer": [head(content_length="500") + b"{", 0.02, RESET],
    "silence": [STALL],
    "silence in the answer": [head(content_length="500") + b"{", STALL],
    "garbage": [stream(chunk({"content": "x"}), b"<garbage>"), CLOSE],
    "not HTTP": [b"hello\r\n\r\n", CLOSE],
    "a redirect": [refusal(307, location="http://127.0.0.1:9/elsewhere"), CLOSE],
}
LOGGERS = ("aiohttp", "httpx", "httpcore", "tir_client", "asyncio", "langchain_core", "llama_index")
CHATS: list[Callable[..., Any]] = [ChatTIR, TIR]
MAKERS: list[Callable[..., Any]] = [*CHATS, TIREmbeddings, TIREmbedding, LangChainRerank, LlamaIndexRerank]
OF_DRIVER = {"LangChain": ChatTIR, "LlamaIndex": TIR}


def made(maker: Callable[..., Any], **fields: Any) -> Any:
    """A model with all secrets and other fields."""
    return maker(**{"base_url": "https://host.invalid/v1", **SECRETS, **fields})


# Calls


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("way", ways(OURS), ids=str)
@pytest.mark.usefixtures("pauses")
def test_no_log_and_no_error_has_a_secret(
    way: Way, trouble: str, servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    """All loggers at DEBUG; errors with all their locals, chained and pickled.

    The query is left out of the search in logs: httpx logs the URL of each request.
    """
    for name in (None, *LOGGERS):
        caplog.set_level(logging.DEBUG, name)
    servers.play(TROUBLE[trouble])
    timeout = {**hasty("chunk"), "first_byte": 0.25} if "silence" in trouble else PATIENT
    model = made(OF_DRIVER[way.driver.name], base_url=servers.address("{line}/v1"), timeout=timeout)

    outcome = way.call(model)
    model.close()

    # a slow server reads a request after its client has left
    assert until(lambda: all(mark.encode() in servers.received for mark in MARKS))
    assert [mark for mark in found(caplog.text) if mark != QUERY] == []
    assert {"httpcore", "httpx", "tir_client"} & {record.name.partition(".")[0] for record in caplog.records}
    assert (outcome.error is None) == (trouble == "a whole answer")
    if outcome.error is not None:
        assert [words for words in error_texts(outcome.error) if found(words)] == []


@pytest.mark.parametrize("way", ways(OURS), ids=str)
def test_a_token_in_a_response_header_is_masked(way: Way, servers: Servers) -> None:
    """A server may send back what it was sent, as it was or as it is written in a URL."""
    token = f"{TOKEN}/+="
    servers.play([refusal(401, x_echo=f"Bearer {token}", x_url=quote(token, safe="")), CLOSE])
    model = OF_DRIVER[way.driver.name](model=SECRETS["model"], api_key=token, base_url=servers.address("{line}/v1"))
    outcome = way.call(model)
    model.close()

    assert isinstance(outcome.error, AuthenticationError)
    assert outcome.error.headers["x-url"] == "**********"
    assert "**" in outcome.error.headers["x-echo"]
    assert [words for words in error_texts(outcome.error) if found(words)] == []


@pytest.mark.parametrize("form", ["text", "json", "html", "event"])
@pytest.mark.parametrize("way", ways(OURS), ids=str)
@pytest.mark.usefixtures("pauses")
def test_a_truncated_error_has_no_half_of_a_token(way: Way, form: str, servers: Servers) -> None:
    """A long body is cut, perhaps in the middle of the token."""
    for length in range(BODY_LIMIT - 60, BODY_LIMIT + 20, 7):
        words = f"{'x ' * (length // 2)} key={TOKEN} {'y ' * 99}"
        body = {"text": words.encode(), "json": as_json({"detail": words}), "html": f"<p>{words}".encode()}
        servers.play([stream(words.encode()) if form == "event" else answer(body[form], 400), CLOSE])

        outcome = way.call(way.driver.model(servers.address("{line}/v1"), PATIENT))

        assert isinstance(outcome.error, TIRError)
        assert TOKEN[:5] not in str(outcome.error) + repr(outcome.error.body)


@pytest.mark.parametrize("way", ways(OURS), ids=str)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_is_not_sent_to_the_target_of_a_redirect(way: Way, status: int, servers: Servers) -> None:
    """A redirect to another host is not followed."""
    with WireServer([WHOLE, CLOSE]) as other:
        servers.play([refusal(status, location=f"{other.host}/v1/chat/completions"), CLOSE])
        outcome = way.call(way.driver.model(servers.address("{line}/v1"), PATIENT))

        assert isinstance(outcome.error, TIRError)
        assert outcome.error.status_code == status
        assert servers.requests == 1
        assert other.connections == []


@pytest.mark.parametrize("maker", CHATS)
def test_no_redirect_is_followed_with_a_users_client(maker: Callable[..., Any], servers: Servers) -> None:
    """Not even with a client that is set to follow redirects."""
    with WireServer([WHOLE, CLOSE]) as other, httpx.Client(follow_redirects=True) as client:
        servers.play([refusal(307, location=f"{other.host}/v1/chat/completions"), CLOSE])
        model = made(maker, base_url=servers.address("{line}/v1"), http_client=client)

        with pytest.raises(TIRError, match="redirects"):
            ask(model)
        assert other.connections == []


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("field", ["base_url", "host"])
def test_plain_http_to_another_machine_is_refused(maker: Callable[..., Any], field: str) -> None:
    """It is refused before anything is sent, unless it is allowed by name."""
    fields = {"model": SECRETS["model"], "api_key": TOKEN, "project_id": 1, field: "http://example.com"}

    with pytest.raises(ConfigurationError, match="allow_http"):
        maker(**fields)
    assert maker(**fields, allow_http=True).client.config.url_for("x").startswith("http://example.com/")


# Models


@pytest.mark.parametrize("maker", MAKERS)
def test_no_representation_of_a_model_has_a_secret(maker: Callable[..., Any]) -> None:
    """Representations, dumps, copies, and what a notebook shows."""
    model = made(maker)
    views = [
        *object_texts(model),
        *object_texts(model.client),
        *object_texts(model.client.config),
        *object_texts(copy.deepcopy(model)),
    ]
    views += [
        *object_texts(copy.copy(model)),
        *object_texts(model.model_copy()),
        *object_texts(model.model_copy(deep=True)),
    ]
    views += [repr(model.model_dump()), model.model_dump_json(), repr(model.client.timeouts), repr(model.client.retry)]
    data, metadata = DisplayFormatter().format(model)

    assert [view for view in [*views, repr(data), repr(metadata)] if found(view)] == []


@pytest.mark.parametrize("maker", [ChatTIR, TIREmbeddings])
def test_no_serialised_form_of_langchain_has_a_secret(maker: Callable[..., Any]) -> None:
    """`dumps` names the variable that holds the token."""
    model = made(maker)

    assert found(dumps(model) + dumps(model, pretty=True) + repr(dumpd(model))) == []


def test_nothing_that_langchain_stores_or_traces_has_a_secret() -> None:
    """Cache keys, parameters of a call, and what a bound or configured model shows."""
    model = made(ChatTIR)
    bound = model.bind_tools([{"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}])
    views = [model._get_llm_string(), model._get_invocation_params(), model._identifying_params]
    views += [model._get_ls_params(), model.lc_attributes, model.lc_secrets, dumps(bound), bound, bound.get_graph()]

    assert [view for view in views if found(repr(view))] == []


@pytest.mark.parametrize("maker", [TIR, TIREmbedding, LlamaIndexRerank])
def test_no_serialised_form_of_llama_index_has_a_secret(maker: Callable[..., Any]) -> None:
    """What pipelines store and events carry."""
    model = made(maker)

    payload = model.to_payload() if maker is not LlamaIndexRerank else {}  # rerankers have none
    assert found(json.dumps(model.to_dict()) + model.to_json() + repr(payload)) == []


@pytest.mark.parametrize("maker", MAKERS)
def test_no_pickle_has_a_secret(maker: Callable[..., Any]) -> None:
    """Neither the token nor headers are in a pickle; a model that needs them cannot be pickled."""
    bare = maker(model=SECRETS["model"], api_key=TOKEN, base_url="https://host.invalid/v1")
    for secretive in (bare, made(maker)):
        try:
            pickled = pickle.dumps(secretive)
        except TypeError as refused:
            pickled = str(refused).encode()
        assert found(pickled) == []


@pytest.mark.parametrize("maker", CHATS)
def test_an_unpickled_model_calls_with_the_token_of_the_environment(
    maker: Callable[..., Any], servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is not pickled; each process has its own."""
    servers.play([WHOLE, CLOSE])
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", TOKEN)
    pickled = pickle.dumps(maker(model=SECRETS["model"], base_url=servers.address("{line}/v1")))
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "another-token-0123456789")

    model = pickle.loads(pickled)
    ask(model)
    model.close()

    assert b"Bearer another-token-0123456789" in servers.received
    assert TOKEN.encode() not in servers.received


@pytest.mark.parametrize("maker", CHATS)
def test_a_model_with_a_token_given_in_code_is_not_pickled(
    maker: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the environment's token would be sent to the server of the other token."""
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "another-token-0123456789")
    model = maker(model=SECRETS["model"], api_key=TOKEN, base_url="https://host.invalid/v1")

    with pytest.raises(TypeError, match=r"with `api_key` cannot be pickled.*E2E_TIR_ACCESS_TOKEN") as refused:
        pickle.dumps(model)
    assert found(str(refused.value).encode()) == []


# Mistakes


MISTAKES: dict[str, dict[str, Any]] = {
    "a token with a space": {"api_key": f"{TOKEN} {TOKEN}"},
    "a token with a line break": {"api_key": f"{TOKEN}\n{TOKEN}"},
    "a token that is a list": {"api_key": [TOKEN]},
    "a token as the URL": {"base_url": TOKEN},
    "a token as the project": {"project_id": TOKEN, "base_url": None},
    "a token in the URL": {"base_url": f"https://user:{TOKEN}@host/v1"},
    "a token in the query of the URL": {"base_url": f"https://host/v1?key={TOKEN}"},
    "a project that is not a number": {"project_id": "ours", "base_url": None},
    "a header that cannot be sent": {"default_headers": {"x-key": f"{HEADER}\n"}},
    "a timeout that makes no sense": {"timeout": -1},
    "a number of tries that makes no sense": {"max_retries": "many"},
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("maker", CHATS)
def test_no_error_about_a_mistake_has_a_secret(maker: Callable[..., Any], mistake: str) -> None:
    """Errors about mistakes do not repeat secrets."""
    with pytest.raises((ValueError, TypeError)) as caught:
        made(maker, **MISTAKES[mistake])

    assert found(repr(caught.value) + str(caught.value)) == []


BAD_TOKENS = {"a space": f"{TOKEN} x", "an accent": f"{TOKEN}é", "lines": f"\n{TOKEN}\n!"}


@pytest.mark.parametrize("flaw", BAD_TOKENS)
def test_an_invalid_token_is_not_in_the_locals_of_the_error(flaw: str, servers: Servers) -> None:
    """A function may return a token that cannot be sent."""
    model = ChatTIR(api_key=lambda: BAD_TOKENS[flaw], base_url=servers.address("{line}/v1"))

    for call in (lambda: model.invoke(QUESTION), lambda: asyncio.run(model.ainvoke(QUESTION))):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert [words for words in error_texts(caught.value) if found(words)] == []


# Cassettes


@pytest.mark.parametrize("maker", CHATS)
def test_a_cassette_has_the_token_only_in_the_header_that_is_filtered(
    maker: Callable[..., Any], tmp_path: Path, servers: Servers
) -> None:
    """The settings that LangChain's standard tests use are enough."""
    servers.play([WHOLE, CLOSE])
    cassette = tmp_path / "cassette.yaml"
    recorder = vcr.VCR(filter_headers=["authorization"])
    with recorder.use_cassette(str(cassette), allow_playback_repeats=True):
        ask(maker(model=SECRETS["model"], api_key=TOKEN, base_url=servers.address("{line}/v1")))

    assert QUESTION.split()[0] in cassette.read_text("utf-8")
    assert found(cassette.read_text("utf-8")) == []


def ask(model: Any) -> Any:
    """Ask a model of either integration for a whole answer."""
    return model.invoke(QUESTION) if isinstance(model, ChatTIR) else model.complete(QUESTION)
