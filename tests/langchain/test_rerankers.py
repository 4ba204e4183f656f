"""`TIRRerank` in LangChain: documents, retrievers, errors."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.exceptions import ModelError
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_tir import TIREmbeddings, TIRRerank
from tests.retrieval import ANSWER, PASSAGES, QUESTION
from tir_client import ConfigurationError, NotFoundError
from tir_sandbox import Sandbox


@pytest.fixture
def reranker(endpoint: dict[str, Any]) -> TIRRerank:
    return TIRRerank("bge-reranker-v2-m3", **endpoint, top_n=2)


async def test_reranking_brings_the_answer_to_the_top(reranker: TIRRerank, endpoint: dict[str, Any], sandbox: Sandbox):
    store = InMemoryVectorStore(TIREmbeddings(**endpoint))
    store.add_texts(PASSAGES)
    plain = store.as_retriever(search_kwargs={"k": len(PASSAGES)})
    better = ContextualCompressionRetriever(base_compressor=reranker, base_retriever=plain)

    before = [document.page_content for document in plain.invoke(QUESTION)]
    assert before.index(ANSWER) > 2
    for after in (better.invoke(QUESTION), await better.ainvoke(QUESTION)):
        assert after[0].page_content == ANSWER
        assert len(after) == 2
        assert after[0].metadata["relevance_score"] > after[1].metadata["relevance_score"]
    assert [request.path.rpartition("/")[2] for request in sandbox.requests].count("rerank") == 2


async def test_documents_are_copied_with_all_that_they_have(reranker: TIRRerank):
    documents = [Document(text, id=f"id-{text[:3]}", metadata={"page": text[:3]}) for text in PASSAGES]
    before = [document.model_copy(deep=True) for document in documents]

    for ranked in (
        reranker.compress_documents(tuple(documents), QUESTION),
        await reranker.acompress_documents(documents, QUESTION),
    ):
        assert documents == before
        assert ranked[0].id == f"id-{ANSWER[:3]}"
        assert ranked[0].metadata == {"page": ANSWER[:3], "relevance_score": pytest.approx(0.94, abs=0.01)}


async def test_an_earlier_score_is_replaced(reranker: TIRRerank):
    (first,) = reranker.compress_documents([Document("moon", metadata={"relevance_score": 7})], "moon")

    assert first.metadata == {"relevance_score": 1.0}


def test_it_is_a_document_compressor_of_langchain(reranker: TIRRerank):
    assert isinstance(reranker, BaseDocumentCompressor)


async def test_errors_are_those_of_langchain_too(endpoint: dict[str, Any]):
    reranker = TIRRerank("m", **endpoint, path="nowhere")

    with pytest.raises(NotFoundError) as raised:
        reranker.compress_documents([Document("x")], "x")
    with pytest.raises(NotFoundError) as araised:
        await reranker.acompress_documents([Document("x")], "x")

    assert isinstance(raised.value, ModelError)
    assert isinstance(araised.value, ModelError)
    with pytest.raises(ConfigurationError) as missing:
        TIRRerank("m", base_url="nonsense", api_key="x")
    assert isinstance(missing.value, ModelError)
