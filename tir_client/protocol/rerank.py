"""Parses the answers of rerankers, and joins the results of several requests. Pure."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from tir_client.errors import ResponseError
from tir_client.protocol.json_answers import read_json, usage_of
from tir_client.protocol.responses import Reranking, RerankResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tir_client.protocol.requests import RerankRequest


def read_reranking(request: RerankRequest, content: bytes, request_id: str | None) -> Reranking:
    """Parse the scores of the documents of `request`, the best first.

    There are two formats: an object with `results`, each with a `relevance_score` (vLLM, llama.cpp), or an array of
    results, each with a `score` (SGLang, text-embeddings-inference).

    Raises:
        ResponseError: The number of results is not that of the documents or `top_n`; an index is repeated or out of
            range; or a score is not a finite number.
    """
    answer = read_json(content, request_id, arrays=True)
    fields = {} if isinstance(answer, list) else answer
    number = len(request.documents)
    try:
        scores = _scores(fields.get("results") if fields else answer, number)
    except (KeyError, TypeError, ValueError, OverflowError):
        scores = {}
    if len(scores) not in {number, min(request.top_n or number, number)}:
        raise ResponseError(
            f"{number} documents were sent, but the answer does not have one numeric score for each.",
            request_id=request_id,
        )
    return Reranking(ranked_results(scores, request.top_n), str(fields.get("model") or request.model), usage_of(fields))


def _scores(rows: Any, number: int) -> dict[int, float]:
    """The scores by document index.

    Raises:
        ValueError: A row is not a result for one of `number` documents, or an index is repeated.
    """
    scores = {row["index"]: row.get("relevance_score", row.get("score")) for row in rows}
    wrong = [index for index in scores if type(index) is not int or not 0 <= index < number]
    if wrong or len(scores) != len(rows) or not {type(score) for score in scores.values()} <= {int, float}:
        raise ValueError
    if not all(map(isfinite, scores.values())):
        raise ValueError
    return {index: float(score) for index, score in scores.items()}


def ranked_results(scores: dict[int, float], top_n: int | None) -> list[RerankResult]:
    """The results with the highest scores, the best first; equal scores in document order."""
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [RerankResult(index, score) for index, score in ranked[:top_n]]


def join_rerankings(parts: Iterable[Reranking], size: int, top_n: int | None) -> list[RerankResult]:
    """Join the results of several requests, each for the next `size` documents; return the best `top_n`."""
    joined = [
        (number * size + result.index, result.score) for number, part in enumerate(parts) for result in part.results
    ]
    return ranked_results(dict(joined), top_n)
