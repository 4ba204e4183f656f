"""TIREmbedding: the embedding model. Batches, caches, events and rate limits come from LlamaIndex's base class."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from pydantic import Field

from llama_index_tir._aliases import EMBEDDING_ALIASES
from llama_index_tir._settings import ModelSettings
from tir_client.config import DEFAULT_EMBEDDING_MODEL
from tir_client.embeddings import EmbeddingSettings

if TYPE_CHECKING:
    from typing import Unpack

    from llama_index_tir._settings import EmbeddingArguments
    from tir_client.embeddings import Kind

BATCHES_AT_ONCE = 4
"""Default number of concurrent requests of one async call; LlamaIndex's default is no limit."""


# LlamaIndex wraps each override of these methods in a span, so these call the unwrapped methods of the base class.
_get_query: Any = inspect.unwrap(BaseEmbedding.get_query_embedding)
_aget_query: Any = inspect.unwrap(BaseEmbedding.aget_query_embedding)
_aget_texts: Any = inspect.unwrap(BaseEmbedding.aget_text_embedding_batch)


class _RequestLimit(asyncio.Semaphore):
    """Limits the concurrent requests of one async call. If one fails, the others are cancelled."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._under_way: set[asyncio.Task[Any] | None] = set()
        self._is_over = False

    async def __aenter__(self) -> None:
        await super().__aenter__()
        if self._is_over:
            self.release()
            raise asyncio.CancelledError
        self._under_way.add(asyncio.current_task())

    async def __aexit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._under_way.discard(asyncio.current_task())
        if error is not None:
            self.end()
        self.release()

    def end(self) -> None:
        """Cancel the running requests; waiting ones are not sent."""
        if self._is_over:
            return
        self._is_over = True
        for task in self._under_way:
            if task is not None:
                task.cancel()


_request_limit: ContextVar[_RequestLimit | None] = ContextVar("request_limit", default=None)
"""The limit of the current async call."""


class TIREmbedding(ModelSettings, EmbeddingSettings, BaseEmbedding, defer_build=False):
    """An embedding model on TIR, or any compatible server.

    Args:
        model: Slug of the model; by default "e5-mistral-7b-instruct". LlamaIndex's name for it, `model_name`, is
            accepted, too.

    All other arguments are keywords, described in the fields (`TIREmbedding.model_fields`).

    ```python
    from llama_index_tir import TIREmbedding

    embedding = TIREmbedding("e5-mistral-7b-instruct")
    vector = embedding.get_query_embedding("What is a vector index?")
    vectors = embedding.get_text_embedding_batch(["First text.", "Second text."])
    ```

    Line breaks are kept. `query_instruction` is put before queries, and `text_instruction` before other texts. For
    models named like those of the E5, BGE and Qwen3-Embedding families, the defaults come from the model cards:
    e5-mistral needs an instruction for queries and none for documents. Other models have none. If the instructions
    differ, only texts use the `embeddings_cache`.

    Each error of a call is a `tir_client.TIRError`.
    """

    aliases: ClassVar[Mapping[str, str]] = EMBEDDING_ALIASES

    model_name: str = Field(
        default=DEFAULT_EMBEDDING_MODEL, description="Slug of the model, or its name on your server."
    )
    embed_batch_size: int = Field(default=32, gt=0, le=2048, description="Maximum number of texts in one request.")
    num_workers: int | None = Field(
        default=None, ge=1, description="Maximum number of concurrent requests of one async call. Default: 4."
    )

    def __init__(self, model: str | None = None, **fields: Unpack[EmbeddingArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    @property
    def model(self) -> str:
        """The model, under the name of the field in `TIR`."""
        return self.model_name

    @model.setter
    def model(self, name: str) -> None:
        self.model_name = name

    @classmethod
    def class_name(cls) -> str:
        """The name in saved objects."""
        return "TIREmbedding"

    async def aget_text_embedding_batch(
        self, texts: list[str], show_progress: bool = False, **kwargs: Any
    ) -> list[Embedding]:
        """Embed texts in concurrent batches, and return the vectors in the order of the texts.

        If a batch fails, running ones are cancelled, and waiting ones are not sent.
        """
        own = _RequestLimit(self.num_workers or BATCHES_AT_ONCE)
        token = _request_limit.set(own)
        try:
            vectors: list[Embedding] = await _aget_texts(self, texts, show_progress, **kwargs)
        finally:
            own.end()
            _request_limit.reset(token)
        return vectors

    def get_query_embedding(self, query: str) -> Embedding:
        """Embed a query, prefixed with the model's instruction."""
        vector: Embedding = _get_query(self._for_queries(), query)
        return vector

    async def aget_query_embedding(self, query: str) -> Embedding:
        """`get_query_embedding` for async code."""
        vector: Embedding = await _aget_query(self._for_queries(), query)
        return vector

    def _for_queries(self) -> TIREmbedding:
        """Return this model, without its cache if instructions differ: the cache key is only the text."""
        same = self.embeddings_cache is None or self._instruction("query_instruction") == self._instruction(
            "text_instruction"
        )
        return self if same else self.model_copy(update={"embeddings_cache": None})

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._embed([query], "query_instruction")[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._aembed([query], "query_instruction"))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._embed(texts, "text_instruction")

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._aembed(texts, "text_instruction")

    def _embed(self, texts: list[str], kind: Kind) -> list[Embedding]:
        return self.client.embed(self._request(self._instructed(texts, kind))).vectors

    async def _aembed(self, texts: list[str], kind: Kind) -> list[Embedding]:
        async with _request_limit.get() or nullcontext():
            return (await self.client.aembed(self._request(self._instructed(texts, kind)))).vectors
