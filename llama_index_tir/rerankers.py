"""TIRRerank: a node postprocessor that sorts nodes by their relevance to the query."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle
from llama_index_instrumentation import get_dispatcher
from pydantic import Field

from llama_index_tir._settings import ModelSettings
from tir_client import InvalidRequestError
from tir_client.rerankers import RerankSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Unpack

    from llama_index_tir._settings import RerankArguments
    from tir_client.protocol.responses import RerankResult

dispatcher = get_dispatcher(__name__)

RETRIEVAL_SCORE = "retrieval_score"
"""The key of the retriever's score in a node's metadata, as in LlamaIndex's other rerankers."""


class TIRRerank(ModelSettings, RerankSettings, BaseNodePostprocessor, defer_build=False):
    r"""A reranker on TIR, or on any server with a rerank API: vLLM, SGLang, llama.cpp, text-embeddings-inference.

    Args:
        model: Slug of the model, or its name on your server.

    All other arguments are keywords, described in the fields (`TIRRerank.model_fields`).

    ```python
    from llama_index_tir import TIRRerank

    reranker = TIRRerank("BAAI/bge-reranker-v2-m3", endpoint_id=45, top_n=4)
    engine = index.as_query_engine(similarity_top_k=40, node_postprocessors=[reranker])
    response = engine.query("How are invoices corrected?")
    print(response.source_nodes[0].score)
    ```

    Without a query engine, `postprocess_nodes(nodes, query_str=...)` and `apostprocess_nodes` do the same.

    The returned nodes are new, with the reranker's scores, whose range depends on the model; `keep_retrieval_score`
    puts the retriever's score into their metadata. The scored text is the one that LlamaIndex embeds: metadata and
    content. Nodes are sent `batch_size` per request and `max_concurrency` requests at a time; `top_n` applies to all of
    them together.

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

    Each error of a call is a `tir_client.TIRError`. An answer without exactly one score for each node raises a
    `ResponseError`.
    """

    keep_retrieval_score: bool = Field(
        default=False, description="Put the retriever's score into the metadata, as `retrieval_score`."
    )

    def __init__(self, model: str | None = None, **fields: Unpack[RerankArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    @classmethod
    def class_name(cls) -> str:
        """The name in saved objects."""
        return "TIRRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes:
            return []
        query = _query(query_bundle)
        with self._reported(nodes, query) as ranked:
            ranked.extend(self._scored(nodes, self._rank(query.query_str, _texts(nodes))))
        return ranked

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if not nodes:
            return []
        query = _query(query_bundle)
        with self._reported(nodes, query) as ranked:
            ranked.extend(self._scored(nodes, await self._arank(query.query_str, _texts(nodes))))
        return ranked

    @contextmanager
    def _reported(self, nodes: list[NodeWithScore], query: QueryBundle) -> Iterator[list[NodeWithScore]]:
        """Report a call through LlamaIndex's callbacks and events. The body adds the result to the list."""
        top_n = min(self.top_n or len(nodes), len(nodes))
        dispatcher.event(ReRankStartEvent(query=query, nodes=nodes, top_n=top_n, model_name=self.model))
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query.query_str,
            EventPayload.TOP_K: top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            ranked: list[NodeWithScore] = []
            yield ranked
            event.on_end(payload={EventPayload.NODES: ranked})
        dispatcher.event(ReRankEndEvent(nodes=ranked))

    def _scored(self, nodes: list[NodeWithScore], results: list[RerankResult]) -> list[NodeWithScore]:
        ranked = [(nodes[result.index], result.score) for result in results]
        if self.keep_retrieval_score:
            return [NodeWithScore(node=_with_retrieval_score(node), score=score) for node, score in ranked]
        return [NodeWithScore(node=node.node, score=score) for node, score in ranked]


def _query(bundle: QueryBundle | None) -> QueryBundle:
    if bundle is None:
        raise InvalidRequestError("TIRRerank needs a query: pass `query_str` or `query_bundle`.")
    return bundle


def _texts(nodes: list[NodeWithScore]) -> list[str]:
    return [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes]


def _with_retrieval_score(node: NodeWithScore) -> Any:
    """A copy of the node with the retriever's score in its metadata, excluded from prompts and embeddings."""
    bare = node.node
    hidden = {
        name: [*getattr(bare, name), RETRIEVAL_SCORE]
        for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
    }
    return bare.model_copy(update={"metadata": {**bare.metadata, RETRIEVAL_SCORE: node.score}, **hidden})
