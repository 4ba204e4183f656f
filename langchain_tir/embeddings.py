"""TIREmbeddings: LangChain's embeddings for TIR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field

from langchain_tir._errors import model_errors
from langchain_tir._settings import ModelSettings
from tir_client import DEFAULT_EMBEDDING_MODEL, EmbeddingRequest, ResponseError, model_info
from tir_client.transport.concurrency import arun_each, run_each

if TYPE_CHECKING:
    from typing import Unpack

    from langchain_tir._settings import EmbeddingArguments
    from tir_client import Embeddings as EmbeddingAnswer


class TIREmbeddings(ModelSettings, Embeddings):
    """Embeddings by a model on TIR, or on any server that speaks its protocol.

    Args:
        model: Slug of the model; by default "e5-mistral-7b-instruct".

    All other arguments are keywords, and are described at their fields (`TIREmbeddings.model_fields`).

    ```python
    from langchain_tir import TIREmbeddings

    embeddings = TIREmbeddings("e5-mistral-7b-instruct")
    vector = embeddings.embed_query("What is a vector index?")
    vectors = embeddings.embed_documents(["First text.", "Second text."])
    ```

    Texts are sent as they are, `chunk_size` per request and `max_concurrency` requests at a time; the vectors come
    back in the order of the texts. `embed_query` puts `query_instruction` before its text, which models such as
    e5-mistral want for queries and not for documents.

    Each error is both a `tir_client.TIRError` and one of LangChain's `ModelError`s. Too few vectors, or vectors of
    different lengths, raise a `ResponseError`.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=()
    )

    model: str = Field(
        default=DEFAULT_EMBEDDING_MODEL, description="Slug of the model, or the name that your server has for it."
    )
    dimensions: int | None = Field(default=None, ge=1, description="Length of the vectors, for models that can choose.")
    chunk_size: int = Field(default=64, ge=1, description="Maximum number of texts in one request.")
    max_concurrency: int = Field(default=4, ge=1, description="Maximum number of requests at a time.")
    query_instruction: str | None = Field(
        default=None,
        description="What to put before a query. Default: what is known of the model. An empty string puts nothing.",
    )
    extra_body: dict[str, Any] | None = Field(
        default=None, description="Further parameters of the deployment; put into the body as they are."
    )

    def __init__(self, model: str | None = None, **fields: Unpack[EmbeddingArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts; one vector for each, in their order."""
        with model_errors():
            return _joined(run_each(self.client.embed, self._requests(texts), self.max_concurrency))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """`embed_documents` for async code. A request that fails ends the others."""
        with model_errors():
            return _joined(await arun_each(self.client.aembed, self._requests(texts), self.max_concurrency))

    def embed_query(self, text: str) -> list[float]:
        """Embed a query, with the model's instruction before it."""
        return self.embed_documents([self._query(text)])[0]

    async def aembed_query(self, text: str) -> list[float]:
        """`embed_query` for async code."""
        return (await self.aembed_documents([self._query(text)]))[0]

    def _query(self, text: Any) -> Any:
        instruction = self.query_instruction
        known = model_info(self.model).query_instruction if instruction is None else instruction
        return known + text if isinstance(text, str) else text  # what is none is refused with the request

    def _requests(self, texts: list[str]) -> list[EmbeddingRequest]:
        fields = {"model": self.model, "dimensions": self.dimensions, "extra_body": self.extra_body}
        starts = range(0, len(texts), self.chunk_size)
        return [EmbeddingRequest.of(input=texts[start : start + self.chunk_size], **fields) for start in starts]


def _joined(answers: list[EmbeddingAnswer]) -> list[list[float]]:
    """Join the vectors of all batches, and check that their lengths agree across batches."""
    vectors = [vector for answer in answers for vector in answer.vectors]
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        raise ResponseError(f"The server returned vectors of different lengths: {sorted(lengths)}.")
    return vectors
