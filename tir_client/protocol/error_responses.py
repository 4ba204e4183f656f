"""What a server says about an error: found in a body of any shape, cut to a length, and without the token. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json

BODY_LIMIT = 2_000
"""Characters of an error body that are kept: enough to read, too little to flood a log."""

MASK = "**********"

_END_OF_WORD = re.compile(r"[\w.~+/=-]{0,5000}\Z", re.ASCII)


def read_body(content: bytes) -> Any:
    """Parse an error body: JSON where it is, else text without white space around it, cut to `BODY_LIMIT`."""
    try:
        return from_json(content[: 16 * BODY_LIMIT])
    except ValueError:
        text = content[: 16 * BODY_LIMIT].decode("utf-8", "replace")
        return cut(text.strip())


def describe_body(body: Any) -> str:
    """Find the human sentence in an error body of any known shape.

    Known: vLLM old and new, `{"error": "..."}`, `{"detail": ...}`, E2E's management envelope, HTML and text.
    """
    if isinstance(body, str):
        return cut(_text_of_html(body))
    if not isinstance(body, dict):
        return "" if body is None else cut(str(body))
    said = [describe_body(body[key]) for key in ("error", "message", "detail", "errors") if body.get(key)]
    return cut("; ".join(dict.fromkeys(said)) or (str(body) if body else ""))


def _text_of_html(text: str) -> str:
    if not text.lstrip().startswith("<"):
        return text
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    plain = title.group(1) if title else re.sub(r"<[^>]{0,500}>", " ", text)
    return " ".join(plain.split())


def cut(text: str) -> str:
    """`text`, or its first `BODY_LIMIT` characters without the word they end in: half a token is one, too."""
    return text if len(text) <= BODY_LIMIT else _END_OF_WORD.sub("", text[:BODY_LIMIT]) + "… (cut)"


def without(value: Any, secret: str) -> Any:
    """`value`, any JSON, with `secret` blacked out, also where it is written as in a URL."""
    match value:
        case str():
            return value.replace(secret, MASK).replace(quote(secret, safe=""), MASK)
        case dict():
            return {without(key, secret): without(inner, secret) for key, inner in value.items()}
        case list():
            return [without(inner, secret) for inner in value]
        case _:
            return value
