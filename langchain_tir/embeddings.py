"""TIREmbeddings: LangChain's embeddings for TIR."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_tir._errors import model_errors
from langchain_tir._settings import ModelSettings
from tir_client import EmbeddingRequest, ResponseError
from tir_client.aliases import ALIASES
from tir_client.config import DEFAULT_EMBEDDING_MODEL
from tir_client.embeddings import EmbeddingSettings
from tir_client.transport.concurrency import arun_each, run_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from langchain_tir._settings import EmbeddingArguments
    from tir_client.embeddings import Kind
    from tir_client.protocol.responses import Embeddings as EmbeddingAnswer

    Done = Callable[[EmbeddingAnswer], object]


class TIREmbeddings(ModelSettings, EmbeddingSettings, Embeddings, defer_build=False):
    """An embedding model on TIR, or on any compatible server.

    Args:
        model: Slug of the model; by default "e5-mistral-7b-instruct".

    All other arguments are keywords, described in the fields (`TIREmbeddings.model_fields`).

    ```python
    from langchain_tir import TIREmbeddings

    embeddings = TIREmbeddings("e5-mistral-7b-instruct")
    vector = embeddings.embed_query("What is a vector index?")
    vectors = embeddings.embed_documents(["First text.", "Second text."])
    ```

    Texts are sent `chunk_size` per request and `max_concurrency` requests at a time; vectors are returned in the order
    of the texts. Line breaks are kept.

    `embed_query` puts `query_instruction` before its text, and `embed_documents` puts `text_instruction` before each.
    For models named like those of the E5, BGE and Qwen3-Embedding families, the defaults come from the model cards:
    e5-mistral needs an instruction for queries and none for documents. Other models have none.

    Each error is both a `tir_client.TIRError` and a LangChain `ModelError`. Missing vectors, or vectors of different
    lengths, raise a `ResponseError`.
    """

    aliases: ClassVar[Mapping[str, str]] = {**ALIASES, "embed_instruction": "text_instruction"}
    model: str = Field(default=DEFAULT_EMBEDDING_MODEL, description="Slug of the model, or its name on your server.")
    chunk_size: int = Field(default=64, ge=1, description="Maximum number of texts in one request.")
    max_concurrency: int = Field(default=4, ge=1, description="Maximum number of requests at a time.")
    show_progress_bar: bool = Field(default=False, description="Show the progress of `embed_documents`; needs tqdm.")

    def __init__(self, model: str | None = None, **fields: Unpack[EmbeddingArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; return one vector per text, in order."""
        with _progress(len(texts), shown=self.show_progress_bar) as done:
            return self._embed(texts, "text_instruction", done)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """`embed_documents` for async code. If a request fails, the others are cancelled."""
        with _progress(len(texts), shown=self.show_progress_bar) as done:
            return await self._aembed(texts, "text_instruction", done)

    def embed_query(self, text: str) -> list[float]:
        """Embed a query, with the model's instruction before it."""
        return self._embed([text], "query_instruction")[0]

    async def aembed_query(self, text: str) -> list[float]:
        """`embed_query` for async code."""
        return (await self._aembed([text], "query_instruction"))[0]

    def _embed(self, texts: list[str], kind: Kind, done: Done = lambda _: None) -> list[list[float]]:
        with model_errors():
            return _joined(run_each(self.client.embed, self._requests(texts, kind), self.max_concurrency, done))

    async def _aembed(self, texts: list[str], kind: Kind, done: Done = lambda _: None) -> list[list[float]]:
        with model_errors():
            requests = self._requests(texts, kind)
            return _joined(await arun_each(self.client.aembed, requests, self.max_concurrency, done))

    def _requests(self, texts: list[str], kind: Kind) -> list[EmbeddingRequest]:
        sent = self._instructed(texts, kind)
        return [self._request(sent[start : start + self.chunk_size]) for start in range(0, len(sent), self.chunk_size)]


@contextmanager
def _progress(number: int, *, shown: bool) -> Iterator[Done]:
    """Show a progress bar for `number` texts if `shown`. The body calls the yielded function with each answer.

    Raises:
        ImportError: tqdm is not installed.
    """
    if not shown:
        yield lambda _: None
        return
    try:
        from tqdm.auto import tqdm  # type: ignore[import-untyped]  # noqa: PLC0415 - an optional package
    except ImportError as error:
        raise ImportError("`show_progress_bar` needs tqdm. Install it with: pip install tqdm") from error
    with tqdm(total=number, desc="Embedding texts", unit="text") as bar:
        yield lambda answer: bar.update(len(answer.vectors))


def _joined(answers: list[EmbeddingAnswer]) -> list[list[float]]:
    """Join the vectors of all batches, and check that their lengths agree."""
    vectors = [vector for answer in answers for vector in answer.vectors]
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        raise ResponseError(f"The server returned vectors of different lengths: {sorted(lengths)}.")
    return vectors
