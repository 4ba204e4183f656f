"""Reranking without a model: a document is relevant if it has the words of the query."""

from collections.abc import Mapping
from typing import Any

from tir_sandbox import tokenizer
from tir_sandbox.embeddings import stems, weight_of


def score(query: str, document: str) -> float:
    """Return the share of the query's words that a document has, from 0 to 1; short words count less."""
    wanted, found = set(stems(query)), set(stems(document))
    total = sum(map(weight_of, wanted)) or 1.0
    return round(sum(map(weight_of, wanted & found)) / total, 6)


def rerank(name: str, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, the best documents first."""
    query, texts = body["query"], texts_of(body)
    results: list[dict[str, Any]] = [
        {"index": index, "document": {"text": text, "multi_modal": None}, "relevance_score": score(query, text)}
        for index, text in enumerate(texts)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    tokens = sum(tokens_of(query, text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"id": name, "model": model, "usage": usage, "results": results[: body.get("top_n") or None]}


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """Return the documents of a request, which may be one text."""
    documents: str | list[str] = body["documents"]
    return [documents] if isinstance(documents, str) else documents


def tokens_of(query: str, document: str) -> int:
    """Count the tokens of a query and a document, which the model reads together."""
    return tokenizer.count(query) + tokenizer.count(document)
