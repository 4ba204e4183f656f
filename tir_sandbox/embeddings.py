"""Embeddings without a model: hashed bags of words, so that texts which share words are near each other."""

import base64
import hashlib
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

_DIMENSIONS = {"bge-large-en-v1_5": 1024, "e5-mistral-7b-instruct": 4096}
_DEFAULT_DIMENSIONS = 256
_ENDINGS = ("ings", "ing", "edly", "ies", "ed", "es", "ly", "s", "e")
_SHORTEST_STEM = 3
_COMMON_WEIGHT = 0.1
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can do does for from has have how i if in is it its me my no not of on or our "
        "so that the their them there these they this to was we were what when where which who why will with you your",
    )
)


def stems(text: str) -> list[str]:
    """Return the words of a text in lower case, without their commonest endings."""
    return [_stem(word) for word in re.findall(r"\w+", text.lower())]


def significant(text: str) -> set[str]:
    """Return the stems that carry meaning."""
    return {_stem(word) for word in re.findall(r"\w+", text.lower()) if word not in _COMMON}


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_STEM:
            return word.removesuffix(ending) + ("y" if ending == "ies" else "")
    return word


def embed(text: str, dimensions: int) -> list[float]:
    """Embed a text: each stem adds to two places that its hash chooses; the vector has length one."""
    vector = [0.0] * dimensions
    for stem in stems(text) or [""]:
        digest = hashlib.blake2b(stem.encode(), digest_size=16).digest()
        weight = _COMMON_WEIGHT if stem in _COMMON else 1.0
        for start in (0, 8):
            place, sign = struct.unpack_from("<IB", digest, start)
            vector[place % dimensions] += weight if sign % 2 else -weight
    length = math.sqrt(sum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def dimensions_of(body: Mapping[str, Any]) -> int:
    """Return how long the vectors are: as long as the request or the model wants."""
    known = _DIMENSIONS.get(str(body.get("model", "")), _DEFAULT_DIMENSIONS)
    return int(body.get("dimensions") or known)


def encoded(vector: list[float], encoding: str | None) -> list[float] | str:
    """Write a vector as numbers, or as base64 of 32-bit floats, as the request wants it."""
    if encoding != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def inputs(value: Any) -> list[str]:
    """Return the texts of a request; token ids are read as words."""
    if isinstance(value, str):
        return [value]
    if value and all(isinstance(one, int) for one in value):
        return [" ".join(map(str, value))]
    return [one if isinstance(one, str) else " ".join(map(str, one)) for one in value]
