"""Placeholders for content that cannot be sent, from a model or a tool. Pure.

The same content in a user's message is an error, because the user can change it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from tir_client.protocol.media import is_text_type

MOST = 2_000
"""Maximum characters of a placeholder; each text in it is cut after a quarter of them."""

_HIDDEN = frozenset({"type", "id", "index", "signature", "cache_control", "caller", "extras"})
"""Fields without information for a model."""
_DEPTH = 6


def file_placeholder(kind: str, *, name: object = "", media_type: object = "", url: object = "", size: int = 0) -> str:
    """A line that describes a file: kind, name, media type, URL and size in bytes, as far as known."""
    details = [text for text in (name, media_type, url) if isinstance(text, str) and text and text[:5] != "data:"]
    return f"[{': '.join(filter(None, (kind, ', '.join([*details, *([f'{size:,} bytes'] if size else [])]))))}]"


def value_placeholder(kind: str, value: object) -> str:
    """A line with a value as JSON; long texts are cut, encrypted and binary data and those of `data:` URLs left out."""
    shown = _shown(value)
    text = "" if shown in (None, "", [], {}) else f": {json.dumps(shown, ensure_ascii=False)}"
    return f"[{kind}{_cut(text, MOST)}]"


def decoded_text(data: object, media_type: object) -> str | None:
    """The text in Base64 data, or None if it is not text."""
    if not isinstance(data, str) or not isinstance(media_type, str) or not is_text_type(media_type):
        return None
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        return None


def data_size(data: object) -> int:
    """The size in bytes of bytes or of Base64 text."""
    if isinstance(data, bytes):
        return len(data)
    return len(data.rstrip("=")) * 3 // 4 if isinstance(data, str) else 0


def _shown(value: object, depth: int = 0) -> Any:
    if depth > _DEPTH:
        return "…"
    match value:
        case dict():
            parts = {str(key): _shown(part, depth + 1) for key, part in value.items() if _is_shown(key)}
            return {key: part for key, part in parts.items() if part not in (None, "", [], {})}
        case list() | tuple():
            return [_shown(part, depth + 1) for part in value]
        case bytes():
            return f"{len(value):,} bytes"
        case int() | float() | None:
            return value
        case _:
            text = str(value)
            return _cut(text, _data_start(text) or MOST // 4)


def _data_start(text: str) -> int:
    """The position of the data in a `data:` URL; 0 for other text."""
    head = text[: MOST // 4]
    return head.index(",") + 1 if head.startswith("data:") and ";base64," in head else 0


def _is_shown(key: object) -> bool:
    return str(key) not in _HIDDEN and not str(key).startswith("encrypted")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
