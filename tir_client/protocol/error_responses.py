"""What a server says about an error: found in a body of any shape, cut to a length, and without the token. Pure."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic_core import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable

BODY_LIMIT = 2_000
"""Characters of an error body that are kept: enough to read, too little to flood a log."""

MASK = "**********"

_WORD = string.ascii_letters + string.digits + "_.~+/=-"
"""Characters of a token, or of a word."""

MARKUP_LIMIT = 16 * BODY_LIMIT
"""Characters of a text that are searched for words between markup."""

TAG_LIMIT = 500
"""Characters of a tag: a longer one is taken for text."""

SHORTEST_SECRET = 8
"""A shorter secret is not masked: it would black out ordinary words, and no real token is that short."""


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
    text = text[:MARKUP_LIMIT]
    return " ".join((_title(text) or _without_tags(text)).split())


def _title(text: str) -> str:
    lower = text.lower()
    start = lower.find(">", lower.find("<title")) + 1 if "<title" in lower else 0
    end = lower.find("</title", start) if start else -1
    return "" if end < 0 else text[start:end]


def _without_tags(text: str) -> str:
    before, *pieces = text.split("<")
    return " ".join([before, *(_behind_tag(piece) for piece in pieces)])


def _behind_tag(piece: str) -> str:
    end = piece.find(">", 0, TAG_LIMIT)
    return "<" + piece if end < 0 else piece[end + 1 :]


def cut(text: str) -> str:
    """`text`, or its first `BODY_LIMIT` characters without the word at their end, which may be half a token."""
    return text if len(text) <= BODY_LIMIT else text[:BODY_LIMIT].rstrip(_WORD) + "… (cut)"


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """`value`, any JSON, with each of `secrets` blacked out, also in its URL-encoded form.

    Secrets shorter than `SHORTEST_SECRET` characters are left alone.
    """
    forms = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in (secret, quote(secret, safe=""))}
    return _masked(value, sorted(forms, key=len, reverse=True))


def _masked(value: Any, forms: list[str]) -> Any:
    match value:
        case str():
            for form in forms:
                value = value.replace(form, MASK)
            return value
        case dict():
            return {_masked(key, forms): _masked(inner, forms) for key, inner in value.items()}
        case list():
            return [_masked(inner, forms) for inner in value]
        case _:
            return value
