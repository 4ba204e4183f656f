"""TIRRerank: a document compressor that sorts documents by their relevance to a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document

from langchain_tir._errors import model_errors
from langchain_tir._settings import ModelSettings
from tir_client.rerankers import RerankSettings

if TYPE_CHECKING:
    from typing import Unpack

    from tir_client.protocol.responses import RerankResult
    from tir_client.rerankers import RerankArguments

SCORE = "relevance_score"
"""The key of the score in a document's metadata, as in LangChain's other rerankers."""


class TIRRerank(ModelSettings, RerankSettings, BaseDocumentCompressor, defer_build=False):
    r"""A reranker on TIR, or on any server with a rerank API: vLLM, SGLang, llama.cpp, text-embeddings-inference.

    Args:
        model: Slug of the model, or its name on your server.

    All other arguments are keywords, described in the fields (`TIRRerank.model_fields`).

    ```python
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_tir import TIRRerank

    reranker = TIRRerank("BAAI/bge-reranker-v2-m3", endpoint_id=45, top_n=4)
    retriever = ContextualCompressionRetriever(
        base_compressor=reranker,
        base_retriever=store.as_retriever(search_kwargs={"k": 40}),
    )
    documents = retriever.invoke("How are invoices corrected?")
    print(documents[0].metadata["relevance_score"])
    ```

    Without a retriever, `compress_documents(documents, query)` and `acompress_documents` do the same.

    The returned documents are copies, with the score in `metadata["relevance_score"]`; its range depends on the model.
    Documents are sent `batch_size` per request and `max_concurrency` requests at a time; `top_n` applies to all of them
    together.

    `query_template` and `document_template` add the instructions that some model cards require, if the server does not:

    ```python
    task = "Given a web search query, retrieve relevant passages that answer the query"
    reranker = TIRRerank(
        "Qwen/Qwen3-Reranker-8B",
        endpoint_id=45,
        query_template=f"<Instruct>: {task}\n<Query>: {{query}}\n",  # with the system message of the model's card
        document_template="<Document>: {document}",
    )
    ```

    For text-embeddings-inference, pass `base_url="https://host", path="/rerank", documents_field="texts"`.

    Each error is both a `tir_client.TIRError` and a LangChain `ModelError`. An answer without exactly one score per
    document raises a `ResponseError`.
    """

    def __init__(self, model: str | None = None, **fields: Unpack[RerankArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return copies of the most relevant documents, the best first, with their scores.

        Args:
            documents: The documents; their `page_content` is scored.
            query: The query.
            callbacks: Unused: LangChain has no events for rerankers.
        """
        del callbacks
        with model_errors():
            return _scored(documents, self._rank(query, [document.page_content for document in documents]))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """`compress_documents` for async code. If a request fails, the others are cancelled."""
        del callbacks
        with model_errors():
            return _scored(documents, await self._arank(query, [document.page_content for document in documents]))


def _scored(documents: Sequence[Document], results: list[RerankResult]) -> list[Document]:
    ranked = [(documents[result.index], result.score) for result in results]
    return [document.model_copy(update={"metadata": {**document.metadata, SCORE: score}}) for document, score in ranked]
