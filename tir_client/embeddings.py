"""The settings and the requests that the embeddings of both integrations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field

from tir_client.errors import InvalidRequestError
from tir_client.models import model_info
from tir_client.protocol.requests import EmbeddingRequest
from tir_client.settings import Connection, ConnectionArguments

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["query_instruction", "text_instruction"]


class EmbeddingSettings(Connection):
    """The settings of an embedding model: instructions, dimensions and truncation."""

    model_config = ConfigDict(extra="forbid")

    dimensions: int | None = Field(default=None, ge=1, description="Length of the vectors, for models that can choose.")
    query_instruction: str | None = Field(
        default=None,
        description="Text before each query. Default: depends on the model's name; an empty string adds none.",
    )
    text_instruction: str | None = Field(
        default=None,
        description="Text before each text that is not a query. Default: depends on the model's name, as for queries.",
    )
    truncate_prompt_tokens: int | None = Field(
        default=None,
        ge=-1,
        description="Tokens to which vLLM cuts each text; -1 for the model's context window. Default: long texts fail.",
    )
    extra_body: dict[str, Any] | None = Field(
        default=None, description="Further fields of the request body, sent unchanged."
    )

    def _instruction(self, kind: Kind) -> str:
        """The instruction for a query or a text: the user's, or else the model's default."""
        own: str | None = getattr(self, kind)
        return getattr(model_info(self.model), kind) if own is None else own

    def _instructed(self, texts: Sequence[object], kind: Kind) -> list[str]:
        """Prepend the instruction to each text.

        Raises:
            InvalidRequestError: A text is not a string, or `texts` is one.
        """
        if isinstance(texts, str):
            raise InvalidRequestError("The texts to embed are one string: pass a list of strings.")
        instruction = self._instruction(kind)
        for text in texts:
            if not isinstance(text, str):
                raise InvalidRequestError(f"A text to embed is a {type(text).__name__}, not a string.")
        return [f"{instruction}{text}" for text in texts]

    def _request(self, texts: list[str]) -> EmbeddingRequest:
        names = ("model", "dimensions", "truncate_prompt_tokens", "extra_body")
        return EmbeddingRequest.of(input=texts, **{name: getattr(self, name) for name in names})


class EmbeddingArguments(ConnectionArguments, total=False):
    """The fields of `EmbeddingSettings` for type checkers."""

    dimensions: int | None
    query_instruction: str | None
    text_instruction: str | None
    truncate_prompt_tokens: int | None
    extra_body: dict[str, Any] | None
