"""Embeddings without a model: texts that share words have similar vectors."""

import base64
import hashlib
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

from tir_sandbox import checks, tokenizer

_DIMENSIONS = {"bge-large-en-v1_5": 1024, "e5-mistral-7b-instruct": 4096}
_DEFAULT_DIMENSIONS = 256
_LONG = 4
_SHORT_WEIGHT = 0.1


def embeddings(body: Mapping[str, Any], window: int) -> dict[str, Any]:
    """Return the answer to a request; refuse texts that do not fit the context window and must not be cut."""
    model, texts = body["model"], [body["input"]] if isinstance(body["input"], str) else body["input"]
    counts = [tokenizer.count(text) for text in texts]
    for tokens in counts if body.get("truncate_prompt_tokens") is None else ():
        checks.check_prompt(tokens, window, model)
    size, encoding = body.get("dimensions") or dimensions_of(model), body.get("encoding_format")
    data = [
        {"index": index, "object": "embedding", "embedding": encoded(embed(text, size), encoding)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts), "completion_tokens": 0}
    details = dict.fromkeys(["prompt_tokens_details", "completion_tokens_details"])
    return {"model": model, "data": data, "usage": usage | details}


def embed(text: str, dimensions: int) -> list[float]:
    """Return a vector of length one. Each word adds to two places that its hash chooses; short words count less."""
    vector = [0.0] * dimensions
    for stem in stems(text) or [""]:
        digest = hashlib.blake2b(stem.encode(), digest_size=16).digest()
        weight = weight_of(stem)
        for start in (0, 8):
            place, sign = struct.unpack_from("<IB", digest, start)
            vector[place % dimensions] += weight if sign % 2 else -weight
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def stems(text: str) -> list[str]:
    """Return the words of a text without the `s` of a plural."""
    return [word.rstrip("s") for word in re.findall(r"\w+", text.lower())]


def weight_of(stem: str) -> float:
    """Return how much a word counts: the short ones, which most texts have, little."""
    return 1.0 if len(stem) >= _LONG else _SHORT_WEIGHT


def dimensions_of(model: str) -> int:
    """Return the length of a model's vectors."""
    return _DIMENSIONS.get(model, _DEFAULT_DIMENSIONS)


def encoded(vector: list[float], encoding: str | None) -> list[float] | str:
    """Return a vector as numbers, or as base64 of 32-bit floats."""
    if encoding != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
