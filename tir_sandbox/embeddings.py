"""Embeddings without a model: texts that share words have similar vectors."""

import base64
import hashlib
import math
import re
import struct

_DIMENSIONS = {"bge-large-en-v1_5": 1024, "e5-mistral-7b-instruct": 4096}
_DEFAULT_DIMENSIONS = 256
_LONG = 4
_SHORT_WEIGHT = 0.1


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
