"""Both rerankers, sync and async, send the same requests and return the same documents, scores and errors."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from itertools import product
from typing import Any

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_tir
import llama_index_tir
from tests.waiting import auntil, most_under_way
from tir_client import (
    BadRequestError,
    ContextOverflowError,
    InvalidRequestError,
    NotFoundError,
    ResponseError,
    TIRError,
)
from tir_sandbox import Fault, Reply

MODEL = "bge-reranker-v2-m3"
QUERY = "rockets that fly to the moon"
TEXTS = [
    "Cats sleep all day.",
    "The moon is round.",
    "Bread is baked.",
    "Rockets fly to the moon.",
    "Rockets are fast.",
]
LANGCHAIN, LLAMA_INDEX = langchain_tir.TIRRerank, llama_index_tir.TIRRerank

Ranked = list[tuple[str, float]]
Path = Callable[..., Awaitable[Ranked]]
RUN = ContextVar("RUN", default="none")


async def langchain(reranker: Any, texts: list[str], query: str = QUERY) -> Ranked:
    documents = [Document(text) for text in texts]
    return _documents(reranker.compress_documents(documents, query))


async def alangchain(reranker: Any, texts: list[str], query: str = QUERY) -> Ranked:
    return _documents(await reranker.acompress_documents([Document(text) for text in texts], query))


def _documents(documents: list[Document]) -> Ranked:
    return [(document.page_content, document.metadata["relevance_score"]) for document in documents]


def _nodes(texts: list[str]) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text)) for text in texts]


async def llama_index(reranker: Any, texts: list[str], query: str = QUERY) -> Ranked:
    return _scores(reranker.postprocess_nodes(_nodes(texts), query_str=query))


async def allama_index(reranker: Any, texts: list[str], query: str = QUERY) -> Ranked:
    return _scores(await reranker.apostprocess_nodes(_nodes(texts), query_str=query))


def _scores(nodes: list[NodeWithScore]) -> Ranked:
    return [(node.node.get_content(), float(node.score or 0)) for node in nodes]


EVERY = pytest.mark.parametrize(
    ("cls", "rerank"),
    [(LANGCHAIN, langchain), (LANGCHAIN, alangchain), (LLAMA_INDEX, llama_index), (LLAMA_INDEX, allama_index)],
    ids=["LangChain", "LangChain async", "LlamaIndex", "LlamaIndex async"],
)
ASYNC = pytest.mark.parametrize(("cls", "rerank"), [(LANGCHAIN, alangchain), (LLAMA_INDEX, allama_index)])
SYNC = pytest.mark.parametrize(("cls", "rerank"), [(LANGCHAIN, langchain), (LLAMA_INDEX, llama_index)])
BOTH = pytest.mark.parametrize("cls", [LANGCHAIN, LLAMA_INDEX])


@pytest.fixture
def endpoint(endpoint):
    return {**endpoint, "model": MODEL}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "query": QUERY, "documents": TEXTS, **fields}


@EVERY
async def test_the_most_relevant_come_first_and_the_body_is_the_same(cls, rerank, sandbox, endpoint):
    ranked = await rerank(cls(**endpoint), TEXTS)

    assert [text for text, _ in ranked] == [TEXTS[3], TEXTS[1], TEXTS[4], TEXTS[0], TEXTS[2]]
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    (request,) = sandbox.requests
    assert request.path == f"/project/p-{sandbox.project_id}/genai/{MODEL}/v1/rerank"
    assert request.body == body()


@EVERY
async def test_everything_that_is_set_is_sent(cls, rerank, sandbox, endpoint):
    reranker = cls(
        **endpoint,
        top_n=2,
        truncate_prompt_tokens=64,
        extra_body={"instruction": "Find facts."},
        query_template="<Query>: {query}",
        document_template="<Document>: {document}{}",
    )

    ranked = await rerank(reranker, TEXTS)

    assert [text for text, _ in ranked] == [TEXTS[3], TEXTS[1]]
    assert sandbox.requests[-1].body == body(
        query=f"<Query>: {QUERY}",
        documents=[f"<Document>: {text}{{}}" for text in TEXTS],
        top_n=2,
        truncate_prompt_tokens=64,
        instruction="Find facts.",
    )


@EVERY
async def test_top_n_counts_over_all_batches(cls, rerank, sandbox, endpoint):
    whole = await rerank(cls(**endpoint), TEXTS)
    for top_n, size in product((None, 1, 3, 9), (1, 2, 5)):
        sandbox.reset()

        ranked = await rerank(cls(**endpoint, top_n=top_n, batch_size=size), TEXTS)

        batches = [request.body for request in sandbox.requests]
        assert ranked == whole[:top_n]
        assert sorted(text for batch in batches for text in batch["documents"]) == sorted(TEXTS)
        assert max(len(batch["documents"]) for batch in batches) == size
        sent = {batch.get("top_n") for batch in batches if len(batch["documents"]) == size}
        assert sent == {top_n if top_n is not None and top_n < size else None}


@EVERY
async def test_without_documents_nothing_is_sent(cls, rerank, sandbox, endpoint):
    assert await rerank(cls(**endpoint), []) == []
    assert not sandbox.requests


@EVERY
async def test_another_rerank_server_is_called_in_its_own_form(cls, rerank, sandbox, endpoint):
    """text-embeddings-inference answers with an array."""
    sandbox.script(Reply(body='[{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}]'))
    fields = {"model": "BAAI/bge-reranker-v2-m3", "base_url": sandbox.base_url, "api_key": sandbox.token}
    reranker = cls(**fields, path="/rerank", documents_field="texts", max_retries=0)

    with pytest.raises(BadRequestError):  # the sandbox speaks vLLM's protocol, which has `documents`
        await rerank(reranker, TEXTS[:2])

    assert sandbox.requests[-1].path == "/rerank"
    assert sandbox.requests[-1].body == {"model": "BAAI/bge-reranker-v2-m3", "query": QUERY, "texts": TEXTS[:2]}
    reranker.documents_field = "documents"
    assert await rerank(reranker, TEXTS[:2]) == [(TEXTS[1], 0.9), (TEXTS[0], 0.1)]


@EVERY
async def test_wrong_answers_are_errors(cls, rerank, sandbox, endpoint):
    sandbox.script(Reply(body={"results": [{"index": 0, "relevance_score": 1.0}]}))

    with pytest.raises(ResponseError, match="2 documents were sent"):
        await rerank(cls(**endpoint), TEXTS[:2])


@EVERY
async def test_refusals_have_their_class_and_advice(cls, rerank, sandbox, endpoint):
    long = ["word " * 200_000]
    for fields, texts, error, advice in (
        ({}, long, ContextOverflowError, "truncate_prompt_tokens"),
        ({"path": "/nowhere/rerank"}, TEXTS, NotFoundError, "Check the `path`"),
        ({"extra_body": {"query": "x"}}, TEXTS, InvalidRequestError, "must not have 'query'"),
    ):
        with pytest.raises(error, match=advice) as raised:
            await rerank(cls(**endpoint, **fields), texts)
        assert isinstance(raised.value, TIRError)


@EVERY
async def test_a_query_is_needed(cls, rerank, sandbox, endpoint):
    for template in (None, "Query: {query}"):
        with pytest.raises(InvalidRequestError, match="query"):
            await rerank(cls(**endpoint, query_template=template), TEXTS, None)
    assert not sandbox.requests


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"top_n": 0},
        {"batch_size": 0},
        {"max_concurrency": 0},
        {"query_template": "no"},
        {"document_template": "{query}"},
    ],
    ids=str,
)
def test_invalid_settings_are_refused_by_name(cls, fields, endpoint):
    with pytest.raises(ValueError, match=next(iter(fields))):
        cls(**endpoint, **fields)


@BOTH
def test_names_of_other_rerankers_are_accepted(cls, endpoint):
    del endpoint["model"]
    reranker = cls(model_name=MODEL, top_k=3, max_batch_size=5, **endpoint)

    assert (reranker.model, reranker.top_n, reranker.batch_size) == (MODEL, 3, 5)


@BOTH
def test_a_reranker_has_a_model(cls, endpoint):
    del endpoint["model"]
    with pytest.raises(ValueError, match="model"):
        cls(**endpoint)


@ASYNC
async def test_the_number_of_concurrent_requests_is_limited(cls, rerank, sandbox, endpoint):
    sandbox.script(*[Reply(delay=30)] * 4)
    call = rerank(cls(**endpoint, batch_size=1, max_concurrency=3), TEXTS)
    assert await most_under_way(sandbox, call, 3) == 3
    sandbox.reset()


@SYNC
async def test_the_number_of_concurrent_requests_in_threads_is_limited(
    cls, rerank, sandbox, endpoint, monkeypatch: pytest.MonkeyPatch
):
    reranker = cls(**endpoint, batch_size=1, max_concurrency=2)
    send, two = reranker.client.rerank, threading.Barrier(2, timeout=20)
    seen: list[str] = []
    busy: list[Any] = []
    most: list[int] = []

    def counted(request: Any) -> Any:
        """Two calls wait for each other here; the fifth is alone."""
        seen.append(RUN.get())
        busy.append(request)
        most.append(len(busy))
        if request.documents != TEXTS[-1:]:
            two.wait()
        try:
            return send(request)
        finally:
            busy.remove(request)

    monkeypatch.setattr(reranker.client, "rerank", counted)
    token = RUN.set("mine")
    try:
        ranked = await rerank(reranker, TEXTS)
    finally:
        RUN.reset(token)

    assert len(ranked) == 5
    assert seen == ["mine"] * 5
    assert max(most) == 2


@ASYNC
async def test_a_request_that_fails_ends_the_others(cls, rerank, endpoint, monkeypatch: pytest.MonkeyPatch):
    reranker, ended = cls(**endpoint, batch_size=1, max_concurrency=5), []

    async def fail_or_wait(request: Any) -> Any:
        if request.documents == TEXTS[:1]:
            raise BadRequestError("No.", status_code=400)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request)

    monkeypatch.setattr(reranker.client, "arerank", fail_or_wait)
    with pytest.raises(BadRequestError):
        await rerank(reranker, TEXTS)
    await asyncio.sleep(0)  # the iteration of the loop in which cancelled tasks end

    assert len(ended) == 4


@ASYNC
async def test_a_call_that_is_cancelled_disconnects(cls, rerank, sandbox, endpoint):
    sandbox.script(Reply(delay=30), Reply(delay=30))
    call = asyncio.ensure_future(rerank(cls(**endpoint, batch_size=3), TEXTS))
    assert await auntil(lambda: len(sandbox.requests) == 2)

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await auntil(lambda: all(request.disconnected for request in sandbox.requests))
    sandbox.reset()


@EVERY
async def test_temporary_failures_are_retried(cls, rerank, sandbox, endpoint):
    sandbox.script(Fault(status=503, headers={"retry-after": "0"}))

    assert len(await rerank(cls(**{**endpoint, "max_retries": 1}), TEXTS)) == 5
    assert len(sandbox.requests) == 2


@EVERY
async def test_a_silent_server_is_a_timeout(cls, rerank, sandbox, endpoint):
    sandbox.script(Reply(delay=30))

    with pytest.raises(TimeoutError):
        await rerank(cls(**endpoint, timeout={"first_byte": 0.1}), TEXTS)
    assert await auntil(lambda: sandbox.requests)  # which it may read only after the timeout


@BOTH
async def test_copies_and_pickles_work_and_have_no_token(cls, sandbox, endpoint, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)
    del endpoint["api_key"]
    reranker = cls(**endpoint, top_n=1, extra_body={"instruction": "Find facts."})
    rerank = langchain if cls is LANGCHAIN else llama_index
    pickled = pickle.dumps(reranker)

    assert sandbox.token.encode() not in pickled + repr(reranker).encode()
    for copied in (pickle.loads(pickled), copy.deepcopy(reranker), copy.copy(reranker), reranker.model_copy()):
        assert [text for text, _ in await rerank(copied, TEXTS)] == [TEXTS[3]]


@BOTH
async def test_a_closed_reranker_can_be_used_again(cls, endpoint):
    rerank, arerank = (langchain, alangchain) if cls is LANGCHAIN else (llama_index, allama_index)
    with cls(**endpoint) as reranker:
        await rerank(reranker, TEXTS)
    async with reranker:
        await arerank(reranker, TEXTS)

    assert await rerank(reranker, TEXTS) == await arerank(reranker, TEXTS)
    await reranker.aclose()
