"""Content blocks, in any form that LangChain knows, to parts of a message on the wire. Pure.

The forms: strings, OpenAI's chat parts, LangChain's content blocks (v1, and v0 with `source_type`), Anthropic's blocks.
A block that cannot be sent raises an error that names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from tir_client import InvalidRequestError
from tir_client.protocol.messages import audio_part, data_url, join_content, media_part, text_part

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
Block = Json
Part = Json

CALLS = frozenset(
    {"tool_call", "tool_call_chunk", "invalid_tool_call", "tool_use", "input_json_delta", "function_call"}
)
"""Blocks that repeat a message's tool calls, in LangChain's forms, Anthropic's and OpenAI's."""
REASONING = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})
"""Blocks of reasoning, the last one Bedrock's. Anthropic's `redacted_thinking` is encrypted for its maker alone, so it
has no text to send: it is left out."""


def to_blocks(content: object) -> list[Block]:
    """The blocks of a message's content, each a dict with a `type`.

    Raises:
        InvalidRequestError: The content has a member that is neither text nor a block.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        _refuse(content)
    return [_to_block(item) for item in content]


def _to_block(item: object) -> Block:
    if isinstance(item, str):
        return {"type": "text", "text": item}
    if not isinstance(item, dict):
        _refuse(item)
    value = item.get("value")
    if item.get("type") == "non_standard" and isinstance(value, dict):
        return _to_block(value)
    return item if "type" in item or "text" not in item else {"type": "text", **item}


def _refuse(item: object) -> NoReturn:
    raise InvalidRequestError(
        f"Content of the type {type(item).__name__} cannot be sent: it is neither text nor a block."
    )


def to_content(content: object, role: str) -> str | list[Part]:
    """The `content` of a message: a string where there is only text, which every server takes, else parts.

    An assistant's texts are pieces of one answer, and so are joined without a line break, as in LangChain's `text`.

    Raises:
        InvalidRequestError: A block cannot be sent; the message names it.
    """
    if isinstance(content, str):
        return content
    parts = [_to_part(block, role) for block in to_blocks(content)]
    return join_content(parts, role, separator="" if role == "assistant" else "\n")


def _to_part(block: Block, role: str) -> Part:
    kind = block.get("type")
    make = _PARTS.get(str(kind))
    part = make(block) if make else None
    if part is None:
        raise InvalidRequestError(
            f"A content block of type {kind!r} (keys: {', '.join(sorted(map(str, block)))}) cannot be sent in a {role} "
            "message."
        )
    return part


def reasoning_of(block: Block) -> str:
    """The text of a reasoning block.

    Anthropic and Gemini call it `thinking`, Bedrock `reasoning_content`; Mistral has a list of texts in it, OpenAI one
    of summaries.
    """
    reasoning = block.get("reasoning") or block.get("thinking") or block.get("reasoning_content")
    return _all_text(reasoning) or _all_text([*(block.get("summary") or ()), *(block.get("content") or ())])


def _all_text(value: object) -> str:
    match value:
        case str():
            return value
        case {"text": str(text)}:
            return text
        case list():
            return "\n".join(filter(None, map(_all_text, value)))
        case _:
            return ""


# One function for each kind of block; None if the block has nothing that can be sent


def _text(block: Block) -> Part | None:
    text = block.get("text")
    return text_part(text) if isinstance(text, str) else None


def _document(block: Block) -> Part | None:
    """Anthropic's document, if it is plain text."""
    match block.get("source"):
        case {"type": "text", "data": str(text)}:
            return text_part(text)
    return None


def _refusal(block: Block) -> Part:
    return text_part(str(block.get("refusal") or ""))


def _image_url(block: Block) -> Part | None:
    image = block.get("image_url")
    if isinstance(image, str):
        return media_part("image", image)
    return {"type": "image_url", "image_url": image} if isinstance(image, dict) and image.get("url") else None


def _media(kind: str) -> Callable[[Block], Part | None]:
    """A part that refers to its data by a URL."""

    def make(block: Block) -> Part | None:
        url = _url(block)
        return media_part(kind, url) if url else None

    return make


def _audio(block: Block) -> Part | None:
    data, media_type = _base64(block)
    return audio_part(data, media_type) if data else _media("audio")(block)


def _wire_form(kind: str) -> Callable[[Block], Part | None]:
    """A part that has its wire form already."""
    return lambda block: {"type": kind, kind: block[kind]} if isinstance(block.get(kind), dict) else None


def _url(block: Block) -> str | None:
    """Where a block's data is: its URL, or a URL that holds the data."""
    data, media_type = _base64(block)
    return data_url(data, media_type) if data and media_type else _source(block).get("url")


def _base64(block: Block) -> tuple[str | None, str]:
    """Data and media type of a block of LangChain v1 (`base64`), v0 (`data`) or Anthropic (`source`).

    Bytes are no data here: LangChain has them in Base64.
    """
    source = _source(block)
    data = source.get("base64") or source.get("data")
    return (data if isinstance(data, str) else None), source.get("mime_type") or source.get("media_type") or ""


def _source(block: Block) -> Json:
    source = block.get("source")
    return source if isinstance(source, dict) else block


_PARTS: dict[str, Callable[[Block], Part | None]] = {
    "text": _text,
    "text-plain": _text,
    "document": _document,
    "refusal": _refusal,
    "image_url": _image_url,
    "image": _media("image"),
    "video": _media("video"),
    "audio": _audio,
    "input_audio": _wire_form("input_audio"),
    "audio_url": _wire_form("audio_url"),
    "video_url": _wire_form("video_url"),
}
