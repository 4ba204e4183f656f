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


def rerank(body: Mapping[str, Any], window: int) -> dict[str, Any]:
    """Return the answer to a request, the best documents first.

    Raises:
        ApiError: 400, without documents, and if one does not fit the context window and must not be cut.
    """
    query, documents = body["query"], body["documents"]
    texts = [documents] if isinstance(documents, str) else documents
    if not texts:
        raise errors.bad_request("At least one text_pair element must be given")
    counts = [tokenizer.count(query) + tokenizer.count(text) for text in texts]
    for tokens in counts if body.get("truncate_prompt_tokens") is None else ():
        checks.check_prompt(tokens, window, body["model"])
    results: list[dict[str, Any]] = [
        {"index": index, "document": {"text": text, "multi_modal": None}, "relevance_score": score(query, text)}
        for index, text in enumerate(texts)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
    return {"model": body["model"], "usage": usage, "results": results[: body.get("top_n") or None]}
