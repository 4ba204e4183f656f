"""The settings and the requests that the rerankers of both integrations share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from tir_client.aliases import ALIASES
from tir_client.protocol.requests import RerankRequest
from tir_client.protocol.rerank import join_rerankings
from tir_client.settings import Connection, ConnectionArguments
from tir_client.transport.concurrency import arun_each, run_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.responses import RerankResult


class RerankSettings(Connection):
    """The settings of a reranker: model, number of documents to keep, templates and requests."""

    model_config = ConfigDict(extra="forbid")
    aliases: ClassVar[Mapping[str, str]] = {
        **ALIASES,
        "top_k": "top_n",
        "max_batch_size": "batch_size",
    }

    model: str = Field(description="Slug of the model, or its name on your server.")
    top_n: int | None = Field(
        default=None, ge=1, description="Number of most relevant documents to return. Default: all."
    )
    batch_size: int = Field(default=64, ge=1, description="Maximum number of documents in one request.")
    max_concurrency: int = Field(default=4, ge=1, description="Maximum number of requests at a time.")
    query_template: str | None = Field(
        default=None,
        pattern=r"\{query\}",
        description="Template for the query, with `{query}`, for models that need an instruction.",
    )
    document_template: str | None = Field(
        default=None, pattern=r"\{document\}", description="Template for each document, with `{document}`."
    )
    truncate_prompt_tokens: int | None = Field(
        default=None,
        ge=-1,
        description="Tokens to which vLLM cuts a query and its document; -1 for the model's context window.",
    )
    path: str = Field(
        default="rerank",
        description="Path of the rerank API: below `/v1`, or in place of it with a leading slash, such as `/rerank`.",
    )
    documents_field: Literal["documents", "texts"] = Field(
        default="documents",
        description="Name of the request's field for the documents; `texts` for text-embeddings-inference.",
    )
    extra_body: dict[str, Any] | None = Field(
        default=None, description="Further fields of the request body, sent unchanged."
    )

    def _rank(self, query: str, documents: Sequence[str]) -> list[RerankResult]:
        """Score documents, the best first. Without documents nothing is sent."""
        requests = self._requests(query, documents)
        parts = run_each(self.client.rerank, requests, self.max_concurrency)
        return join_rerankings(parts, self.batch_size, self.top_n)

    async def _arank(self, query: str, documents: Sequence[str]) -> list[RerankResult]:
        """`_rank` for async code. If a request fails, the others are cancelled."""
        requests = self._requests(query, documents)
        parts = await arun_each(self.client.arerank, requests, self.max_concurrency)
        return join_rerankings(parts, self.batch_size, self.top_n)

    def _requests(self, query: str, documents: Sequence[str]) -> list[RerankRequest]:
        fields = {
            "model": self.model,
            "query": _filled(self.query_template, "{query}", query),
            "truncate_prompt_tokens": self.truncate_prompt_tokens,
            "path": self.path,
            "documents_field": self.documents_field,
            "extra_body": self.extra_body,
        }
        texts = [_filled(self.document_template, "{document}", document) for document in documents]
        batches = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        top_n = self.top_n or len(texts)
        return [
            RerankRequest.of(**fields, documents=batch, top_n=top_n if top_n < len(batch) else None)
            for batch in batches
        ]


def _filled(template: str | None, place: str, text: Any) -> Any:
    """Insert a text into a template. Other values are returned unchanged; the request reports them as errors."""
    return text if template is None or not isinstance(text, str) else template.replace(place, text)


class RerankArguments(ConnectionArguments, total=False):
    """The fields of `RerankSettings` except `model`, for type checkers."""

    top_n: int | None
    batch_size: int
    max_concurrency: int
    query_template: str | None
    document_template: str | None
    truncate_prompt_tokens: int | None
    path: str
    documents_field: Literal["documents", "texts"]
    extra_body: dict[str, Any] | None
