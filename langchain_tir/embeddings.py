"""TIREmbeddings: LangChain's embeddings for TIR."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from langchain_tir._connection import Connection
from langchain_tir._errors import model_errors
from tir_client import EmbeddingRequest


class TIREmbeddings(Connection, Embeddings):
    """An embedding model on TIR."""

    model: str = "e5-mistral-7b-instruct"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents."""
        with model_errors():
            return self.client.embed(EmbeddingRequest.of(model=self.model, input=texts)).vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a query."""
        return self.embed_documents([text])[0]
