"""Errors belong to `tir_client` and to LangChain, and carry all details but secrets."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core import exceptions as lc
from langchain_core.messages import AIMessage

import tir_client as tir
from langchain_tir import ChatTIR, TIREmbeddings, _errors
from tests.waiting import auntil
from tir_sandbox import Fault, Reply, Sandbox

ALL = sorted((cls for cls in _errors._COMBINED.values()), key=lambda cls: cls.__name__)

OF_STATUS = [
    (400, tir.BadRequestError, lc.ModelInvalidRequestError, False),
    (401, tir.AuthenticationError, lc.ModelAuthenticationError, False),
    (403, tir.PermissionDeniedError, lc.ModelPermissionDeniedError, False),
    (404, tir.NotFoundError, lc.ModelNotFoundError, False),
    (408, tir.ServerError, lc.ModelAPIError, True),
    (409, tir.ServerError, lc.ModelAPIError, True),
    (413, tir.BadRequestError, lc.ModelInvalidRequestError, False),
    (422, tir.BadRequestError, lc.ModelInvalidRequestError, False),
    (429, tir.RateLimitError, lc.ModelRateLimitError, True),
    (500, tir.ServerError, lc.ModelAPIError, True),
    (503, tir.ServerError, lc.ModelAPIError, True),
    (302, tir.APIStatusError, lc.ModelAPIError, False),
]

OVERFLOWS = [
    (
        "This model's maximum context length is 2048 tokens. However, your prompt contains at least 2049 input tokens, "
        "which exceeds this limit even without any output tokens. Please reduce the length of the input prompt."
    ),
    "Input length (140068) exceeds model's maximum context length (131072).",
    (
        "This model's maximum context length is 10 tokens. However, your request has 12 input tokens. Please reduce "
        "the length of the input messages."
    ),
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 9. This model's maximum context length is 10 tokens and "
        "your request has 8 input tokens (9 > 10 - 8)."
    ),
    "max_tokens must be at least 1, got -8996.",
]


async def four_ways(model: ChatTIR) -> list[BaseException]:
    """The errors of the four methods, each of which has to fail."""

    async def stream() -> None:
        async for _ in model.astream("Hi"):
            pass

    results = [
        await asyncio.gather(asyncio.to_thread(model.invoke, "Hi"), return_exceptions=True),
        await asyncio.gather(asyncio.to_thread(lambda: list(model.stream("Hi"))), return_exceptions=True),
        await asyncio.gather(model.ainvoke("Hi"), return_exceptions=True),
        await asyncio.gather(stream(), return_exceptions=True),
    ]
    return [error for (error,) in results if isinstance(error, BaseException)]


def test_every_error_of_the_core_has_a_class_in_langchain():
    def tree(cls: type[tir.TIRError]) -> set[type[tir.TIRError]]:
        below = {sub for sub in cls.__subclasses__() if sub.__module__.startswith("tir_client")}
        return below.union(*map(tree, below))

    assert tree(tir.TIRError) == _errors._COMBINED.keys()
    assert all(issubclass(both, (lc.ModelError, lc.OutputParserException)) for both in _errors._COMBINED.values())
    assert all(issubclass(both, base) and both.__doc__ for base, both in _errors._COMBINED.items())
    assert all(both.__name__ == base.__name__ for base, both in _errors._COMBINED.items())


def test_a_combined_class_has_the_name_and_words_of_the_core_and_the_module_where_pickle_finds_it():
    cls = _errors._combine(tir.ServerError, _errors._Traced, lc.ModelAPIError)

    assert (cls.__name__, cls.__doc__, cls.__module__) == ("ServerError", tir.ServerError.__doc__, _errors.__name__)
    assert cls.__bases__ == (_errors._Traced, tir.ServerError, lc.ModelAPIError)


@pytest.mark.parametrize(("status", "ours", "theirs", "retryable"), OF_STATUS)
async def test_a_status_code_has_its_class_in_both_hierarchies(  # noqa: PLR0913 - the columns of a table
    *, model: ChatTIR, sandbox: Sandbox, status: int, ours: Any, theirs: Any, retryable: bool
):
    sandbox.script(*[Fault(status=status, headers={"set-cookie": "secret=1"})] * 4)

    errors = await four_ways(model)

    assert len(errors) == 4
    for error in errors:
        assert isinstance(error, ours)
        assert isinstance(error, theirs)
        assert error.is_retryable is retryable
        assert (error.status_code, error.response.status_code) == (status, status)
        assert error.response.json() == error.body
        assert error.request_id == error.response.headers["x-request-id"]
        assert "set-cookie" not in error.response.headers
        assert sandbox.token not in repr(error.__dict__) + str(error)


@pytest.mark.parametrize(("phase", "retryable"), [("connect", True), ("certificate", False)])
def test_a_rejected_certificate_is_not_retryable(phase: str, retryable: bool):
    error = _errors.to_model_error(tir.APIConnectionError("No.", phase=phase))

    assert pickle.loads(pickle.dumps(error)).is_retryable is retryable
    assert isinstance(error, lc.ModelConnectionError)


@pytest.mark.parametrize("message", OVERFLOWS)
async def test_every_wording_of_an_overflow_is_recognised(model: ChatTIR, sandbox: Sandbox, message: str):
    sandbox.script(*[Fault(status=400, body={"error": {"message": message, "code": 400}})] * 4)

    errors = await four_ways(model)

    assert [type(error).__mro__[0] for error in errors] == [_errors.ContextOverflowError] * 4
    assert all(isinstance(error, lc.ContextOverflowError) for error in errors)
    assert all(isinstance(error, tir.ContextOverflowError) for error in errors)


@pytest.mark.parametrize(
    ("fault", "ours", "theirs"),
    [
        (Fault(after=Reply(text=["a", "b"]), error_chunk=True), tir.StreamServerError, lc.ModelAPIError),
        (Fault(after=Reply(text=["a", "b"]), cut_after=3), tir.StreamInterruptedError, lc.ModelConnectionError),
        (Fault(after=Reply(text=["a", "b"]), no_finish=True), tir.ResponseError, lc.ModelAPIError),
        (Fault(after=Reply(text=["a", "b"]), garbage="{half"), tir.StreamError, lc.ModelConnectionError),
    ],
)
async def test_an_interrupted_stream_raises_an_error_with_the_partial_answer(
    model: ChatTIR, sandbox: Sandbox, fault: Fault, ours: Any, theirs: Any
):
    sandbox.script(fault, fault)
    texts: list[str] = []

    with pytest.raises(tir.TIRError) as sync:
        texts.extend(chunk.text for chunk in model.stream("Hi"))
    with pytest.raises(tir.TIRError) as in_async:
        texts.extend([chunk.text async for chunk in model.astream("Hi")])

    for error in (sync.value, in_async.value):
        assert isinstance(error, lc.ModelError)
        assert "a" in error.partial.choice.text
        if not isinstance(error, tir.StreamError):
            assert isinstance(error, tir.ResponseError)
    assert isinstance(sync.value, (ours, tir.StreamError))
    assert isinstance(sync.value, (theirs, lc.ModelConnectionError))


async def test_a_failed_connection_is_a_connection_error_without_a_response():
    model = ChatTIR(api_key="t", base_url="http://127.0.0.1:9/v1", max_retries=0)

    for error in await four_ways(model):
        assert isinstance(error, tir.APIConnectionError)
        assert isinstance(error, lc.ModelConnectionError)
        assert not hasattr(error, "response")


async def test_a_slow_answer_is_a_timeout(make: Callable[..., ChatTIR], sandbox: Sandbox):
    sandbox.script(*[Reply(text="late", delay=5)] * 4)

    errors = await four_ways(make(timeout={"first_byte": 0.1}))

    assert len(errors) == 4
    assert await auntil(lambda: len(sandbox.requests) == 4)  # which it may read only after the timeouts
    for error in errors:
        assert isinstance(error, tir.APITimeoutError)
        assert isinstance(error, lc.ModelTimeoutError)
        assert isinstance(error, TimeoutError)


async def test_an_html_page_with_status_200_is_a_response_error(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(*[Fault(status=200, body="<html><title>Hello</title></html>", content_type="text/html")] * 4)

    for error in await four_ways(model):
        assert isinstance(error, tir.ResponseError)
        assert isinstance(error, lc.ModelAPIError)
        assert "Hello" in str(error)


async def test_content_that_cannot_be_sent_is_an_invalid_request(model: ChatTIR, sandbox: Sandbox):
    message = {"role": "user", "content": [{"type": "file", "file_id": "x"}]}

    with pytest.raises(lc.ModelInvalidRequestError, match=r"messages\[0\]"):
        model.invoke([message])
    with pytest.raises(lc.ModelInvalidRequestError):
        [chunk async for chunk in model.astream([message])]
    assert not sandbox.requests


def test_embeddings_raise_the_same_errors(endpoint: dict[str, Any], sandbox: Sandbox):
    sandbox.script(Fault(status=429, headers={"Retry-After": "7"}))

    with pytest.raises(lc.ModelRateLimitError) as raised:
        TIREmbeddings(**endpoint).embed_query("Hi")
    assert isinstance(raised.value, tir.RateLimitError)
    assert raised.value.retry_after == 7


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_an_error_can_be_pickled(cls: type[tir.TIRError]):
    error = cls("What was wrong.", status_code=418, request_id="r", body={"a": 1}, headers={"b": "c"}, retry_after=2.0)

    loaded = pickle.loads(pickle.dumps(error))

    assert type(loaded) is cls
    assert str(loaded) == str(error)
    assert str(loaded).startswith("What was wrong.")
    assert loaded.details() == error.details()
    assert loaded.response == error.response


def test_a_refused_output_error_is_pickled_with_its_message():
    error = _errors.RefusedOutputError("No.", text="I will not.", raw_message=AIMessage("I will not."))

    loaded = pickle.loads(pickle.dumps(error))

    assert (loaded.text, loaded.llm_output, loaded.raw_message) == ("I will not.", "I will not.", error.raw_message)


def test_an_error_keeps_its_traceback(model: ChatTIR, sandbox: Sandbox):
    sandbox.script(Fault(status=500))

    with pytest.raises(tir.ServerError) as raised:
        model.invoke("Hi")
    assert any(entry.path.name == "client.py" for entry in raised.traceback)
    assert _errors.to_model_error(raised.value) is raised.value
