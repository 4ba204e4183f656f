"""Reranking without a model: a document is relevant if it has the words of the query."""

from collections.abc import Mapping
from typing import Any

from tir_sandbox import checks, errors, tokenizer
from tir_sandbox.embeddings import stems, weight_of


def score(query: str, document: str) -> float:
    """Return the share of the query's words that a document has, from 0 to 1; short words count less."""
    wanted, found = set(stems(query)), set(stems(document))
    total = sum(map(weight_of, wanted)) or 1.0
    return round(sum(map(weight_of, wanted & found)) / total, 6)


def check_documents(body: Mapping[str, Any], window: int, model: str) -> None:
    """Refuse a request without documents, and one that does not fit the context window and must not be cut."""
    if not body["documents"]:
        raise errors.bad_request("At least one text_pair element must be given")
    if body.get("truncate_prompt_tokens") is None:
        for text in _documents(body):
            checks.check_prompt(_tokens(body["query"], text), window, model)


def rerank(name: str, model: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, the best documents first."""
    query, documents = body["query"], _documents(body)
    results: list[dict[str, Any]] = [
        {"index": index, "document": {"text": text, "multi_modal": None}, "relevance_score": score(query, text)}
        for index, text in enumerate(documents)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    tokens = sum(_tokens(query, text) for text in documents)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"id": name, "model": model, "usage": usage, "results": results[: body.get("top_n") or None]}


def _documents(body: Mapping[str, Any]) -> list[str]:
    documents: str | list[str] = body["documents"]
    return [documents] if isinstance(documents, str) else documents


def _tokens(query: str, document: str) -> int:
    """Count the tokens of a query and a document, which a model reads together."""
    return tokenizer.count(query) + tokenizer.count(document)
