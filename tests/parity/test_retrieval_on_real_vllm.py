"""Embeddings and rerankers of both integrations, sync and async, on real vLLM servers."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

from langchain_tir import TIREmbeddings
from langchain_tir import TIRRerank as LangChainRerank
from llama_index_tir import TIREmbedding
from llama_index_tir import TIRRerank as LlamaIndexRerank
from tests.retrieval import ANSWER, PASSAGES, QUESTION
from tir_client import BadRequestError, ContextOverflowError, NotFoundError

pytestmark = pytest.mark.real

LONG = "word " * 600


async def embedded(fields, query, texts):
    """The vectors of a query and of texts: of both integrations, sync and async."""
    one, other = TIREmbeddings(**fields, chunk_size=2), TIREmbedding(**fields, embed_batch_size=2)
    return [
        (one.embed_query(query), one.embed_documents(texts)),
        (await one.aembed_query(query), await one.aembed_documents(texts)),
        (other.get_query_embedding(query), other.get_text_embedding_batch(texts)),
        (await other.aget_query_embedding(query), await other.aget_text_embedding_batch(texts)),
    ]


async def reranked(fields, query, texts):
    """The texts in order, with their scores."""
    one, other = LangChainRerank(**fields), LlamaIndexRerank(**fields)
    documents = [Document(text) for text in texts]
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in texts]
    return [
        *(
            [(document.page_content, document.metadata["relevance_score"]) for document in found]
            for found in (one.compress_documents(documents, query), await one.acompress_documents(documents, query))
        ),
        *(
            [(node.node.get_content(), node.score) for node in found]
            for found in (
                other.postprocess_nodes(nodes, query_str=query),
                await other.apostprocess_nodes(nodes, query_str=query),
            )
        ),
    ]


def nearest(query, vectors):
    products = [sum(a * b for a, b in zip(query, vector, strict=True)) for vector in vectors]
    return sorted(range(len(products)), key=lambda place: -products[place])


async def test_vectors_are_in_the_order_of_the_texts_and_similar_texts_are_near(embedding_server):
    fields = embedding_server.endpoint()

    ways = await embedded(fields, QUESTION, list(PASSAGES))

    for query, vectors in ways:
        assert (len(query), len(vectors)) == (128, len(PASSAGES))
        assert PASSAGES[nearest(query, vectors)[0]] == "An invoice for a customer."
        assert query == pytest.approx(ways[0][0], abs=1e-5)
        assert vectors == [pytest.approx(vector, abs=1e-5) for vector in ways[0][1]]


async def test_vectors_can_be_shortened_and_long_texts_cut(embedding_server):
    fields = {**embedding_server.endpoint(), "dimensions": 8, "truncate_prompt_tokens": -1}

    for query, vectors in await embedded(fields, LONG, ["a", LONG]):
        assert [len(vector) for vector in (query, *vectors)] == [8, 8, 8]


async def test_refusals_of_texts_and_dimensions_have_their_classes(embedding_server):
    fields = embedding_server.endpoint()
    for error, more in ((ContextOverflowError, {}), (BadRequestError, {"dimensions": 999})):
        with pytest.raises(error):
            TIREmbeddings(**fields, **more).embed_documents([LONG])
        with pytest.raises(error):
            await TIREmbedding(**fields, **more).aget_text_embedding(LONG)


@pytest.mark.parametrize("path", ["rerank", "/rerank", "/v2/rerank"])
@pytest.mark.parametrize("size", [1, 4, 64])
async def test_the_most_relevant_document_is_first_on_every_path_and_in_any_batches(reranker_server, path, size):
    fields = {**reranker_server.endpoint(), "path": path, "batch_size": size, "top_n": 3}

    ways = await reranked(fields, QUESTION, PASSAGES)

    for ranked in ways:
        assert ranked[0][0] == ANSWER
        assert [text for text, _ in ranked] == [text for text, _ in ways[0]]
        assert [score for _, score in ranked] == pytest.approx([score for _, score in ways[0]], abs=1e-5)
        assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
        assert len(ranked) == 3


async def test_an_embedding_model_reranks_too(embedding_server):
    """vLLM compares the vectors of query and document."""
    for ranked in await reranked({**embedding_server.endpoint(), "top_n": 1}, QUESTION, PASSAGES):
        ((text, score),) = ranked
        assert text == "An invoice for a customer."
        assert 0 < score <= 1.001


async def test_templates_and_limits_take_effect(reranker_server):
    fields = reranker_server.endpoint()
    plain = await reranked(fields, "invoice", ["payment", LONG[:50]])
    with_template = await reranked(
        {**fields, "document_template": "An invoice: {document}"}, "invoice", ["payment", "x"]
    )
    truncated = await reranked({**fields, "truncate_prompt_tokens": -1}, "word", [LONG])

    assert all(ranked[0][1] < 0.1 for ranked in plain)
    assert all(ranked[0][1] > 0.1 for ranked in with_template)
    assert all(len(ranked) == 1 for ranked in truncated)


async def test_refusals_of_documents_have_their_classes(reranker_server):
    fields = reranker_server.endpoint()
    for error, more in (
        (ContextOverflowError, {}),
        (NotFoundError, {"model": "another"}),
        (NotFoundError, {"path": "nowhere"}),
        (BadRequestError, {"documents_field": "texts"}),
    ):
        with pytest.raises(error):
            LangChainRerank(**{**fields, **more}).compress_documents([Document(LONG)], "x")
        with pytest.raises(error):
            await LlamaIndexRerank(**{**fields, **more}).apostprocess_nodes(
                [NodeWithScore(node=TextNode(text=LONG))], query_str="x"
            )


async def test_the_models_are_listed(reranker_server):
    for model in (LangChainRerank(**reranker_server.endpoint()), LlamaIndexRerank(**reranker_server.endpoint())):
        for cards in (model.list_models(), await model.alist_models()):
            assert [(card.id, card.max_model_len) for card in cards] == [(reranker_server.model, 512)]
