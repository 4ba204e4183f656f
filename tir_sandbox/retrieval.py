"""Embeddings and reranking without a model: texts that share words are similar."""

import base64
import hashlib
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from tir_sandbox import checks, errors, tokenizer

_DIMENSIONS = {"bge-large-en-v1_5": 1024, "e5-mistral-7b-instruct": 4096}
_DEFAULT_DIMENSIONS = 256
_LONG = 4
_SHORT_WEIGHT = 0.1


def embeddings(body: Mapping[str, Any], window: int) -> dict[str, Any]:
    """Answer a request for embeddings."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    usage = _usage(body, [tokenizer.count(text) for text in texts], window)
    size = body.get("dimensions") or _DIMENSIONS.get(body["model"], _DEFAULT_DIMENSIONS)
    vectors: list[Any] = [vector_of(text, size) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() for vector in vectors]
    data = [{"index": index, "object": "embedding", "embedding": vector} for index, vector in enumerate(vectors)]
    details = dict.fromkeys(["prompt_tokens_details", "completion_tokens_details"])
    return {"model": body["model"], "data": data, "usage": usage | {"completion_tokens": 0} | details}


def rerank(body: Mapping[str, Any], window: int) -> dict[str, Any]:
    """Answer a rerank request, the best document first."""
    query, documents = body["query"], body["documents"]
    texts = [documents] if isinstance(documents, str) else documents
    if not texts:
        raise errors.bad_request("At least one text_pair element must be given")
    usage = _usage(body, [tokenizer.count(query) + tokenizer.count(text) for text in texts], window)
    results: list[dict[str, Any]] = [
        {"index": index, "document": {"text": text, "multi_modal": None}, "relevance_score": score(query, text)}
        for index, text in enumerate(texts)
    ]
    results.sort(key=lambda result: -result["relevance_score"])
    return {"model": body["model"], "usage": usage, "results": results[: body.get("top_n") or None]}


def vector_of(text: str, dimensions: int) -> list[float]:
    """Return a unit vector. Each word adds to two positions chosen by its hash; short words have less weight."""
    vector = [0.0] * dimensions
    for stem in _stems(text) or [""]:
        digest = hashlib.blake2b(stem.encode(), digest_size=16).digest()
        for start in (0, 8):
            place, sign = struct.unpack_from("<IB", digest, start)
            vector[place % dimensions] += _weight(stem) if sign % 2 else -_weight(stem)
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def score(query: str, document: str) -> float:
    """Return the share of the query's words in a document, from 0 to 1; short words have less weight."""
    wanted, found = set(_stems(query)), set(_stems(document))
    total = sum(map(_weight, wanted)) or 1.0
    return round(sum(map(_weight, wanted & found)) / total, 6)


def _stems(text: str) -> list[str]:
    """Return the words of a text without a plural `s`."""
    return [word.rstrip("s") for word in re.findall(r"\w+", text.lower())]


def _weight(stem: str) -> float:
    """Return the weight of a word: little for short words, which occur in most texts."""
    return 1.0 if len(stem) >= _LONG else _SHORT_WEIGHT


def _usage(body: Mapping[str, Any], counts: Sequence[int], window: int) -> dict[str, Any]:
    """Count the tokens; refuse texts that exceed the context window, unless the request truncates them."""
    if body.get("truncate_prompt_tokens") is None:
        checks.check_prompt(max(counts, default=0), window, body["model"])
    return {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
