"""Estimates token counts, for servers that do not count tokens. Pure."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.responses import Json

BYTES_PER_TOKEN = 4
PER_MESSAGE = 3
PER_MEDIUM = 1_000


def estimate_text(text: str) -> int:
    """Estimate the tokens of a text: one per four bytes of UTF-8.

    It is close for English, and too high for scripts with several bytes per character, such as Devanagari, which is the
    safe side for prompts that must fit.
    """
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN)


def estimate(messages: Sequence[Json], tools: Sequence[Json] = ()) -> int:
    """Estimate the tokens of messages in wire form: their texts, three per message, a thousand per image.

    Reasoning counts, because it is sent; tools count with their schemas.
    """
    total = sum(PER_MESSAGE + _estimate_message(message) for message in messages)
    return total + sum(estimate_text(json.dumps(tool, ensure_ascii=False)) for tool in tools)


def _estimate_message(message: Json) -> int:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    tokens = sum(estimate_text(part["text"]) if part["type"] == "text" else PER_MEDIUM for part in parts)
    tokens += estimate_text(message.get("reasoning", "")) + estimate_text(message.get("name", ""))
    calls = [call["function"] for call in message.get("tool_calls", ())]
    return tokens + sum(estimate_text(call["name"]) + estimate_text(call["arguments"]) for call in calls)
