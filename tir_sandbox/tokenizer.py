"""Splits text into tokens, without a model's tokenizer."""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

_PIECE = re.compile(r"\s*(?:\w{1,12}|[^\w\s])|\s+")


def pieces(text: str) -> list[str]:
    """Split a text into words and punctuation marks, each with its leading space."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Count the tokens of a text."""
    return len(pieces(text))


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, a list of parts, or None."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping) and "text" in part)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Count the tokens of a chat request: its texts and tools, and a few per message."""
    total = 3
    for message in body.get("messages") or []:
        calls = message.get("tool_calls") or []
        total += 4 + count(text_of(message.get("content"))) + (count(str(calls)) if calls else 0)
    tools = body.get("tools") or []
    return total + (count(str(tools)) if tools else 0)


def token_id(piece: str) -> int:
    """Return the id of a token, the same in every run."""
    return zlib.crc32(piece.encode()) % 200_000
