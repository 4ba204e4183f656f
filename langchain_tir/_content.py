"""Content blocks, in any shape LangChain knows, as parts of a message on the wire. Pure.

The shapes: strings, OpenAI's chat parts, LangChain's content blocks (v1, and v0 with `source_type`), Anthropic's
blocks. What has no place on the wire raises and names itself: a part that is left out silently is an answer to
another question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from tir_client import InvalidRequestError

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


def blocks_of(content: object) -> list[Block]:
    """The blocks of a message's content, each a dict with a `type`.

    Raises:
        InvalidRequestError: The content has a member that is neither text nor a block.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        _refuse(content)
    return [_block(item) for item in content]


def _block(item: object) -> Block:
    if isinstance(item, str):
        return {"type": "text", "text": item}
    if not isinstance(item, dict):
        _refuse(item)
    value = item.get("value")
    if item.get("type") == "non_standard" and isinstance(value, dict):
        return _block(value)
    return item if "type" in item or "text" not in item else {"type": "text", **item}


def _refuse(item: object) -> NoReturn:
    raise InvalidRequestError(
        f"Content of the type {type(item).__name__} cannot be sent: it is neither text nor a block."
    )


def text_of(blocks: list[Block], role: str) -> str:
    """The text of blocks, for a role whose messages hold nothing else.

    Raises:
        InvalidRequestError: A block is not text; the message names it.
    """
    texts = []
    for block in blocks:
        part = to_part(block, role)
        if part["type"] != "text":
            raise InvalidRequestError(f"A {role} message cannot hold a block of type {block['type']!r}: only text.")
        texts.append(part["text"])
    return "".join(texts)


def parts_of(content: object, role: str) -> str | list[Part]:
    """The content to send: text alone as a string, which every server understands, else parts.

    Raises:
        InvalidRequestError: The content has a part that cannot be sent; the message names it.
    """
    if isinstance(content, str):
        return content
    parts = [to_part(block, role) for block in blocks_of(content)]
    if all(part["type"] == "text" for part in parts) and (role != "user" or len(parts) <= 1):
        return "".join(part["text"] for part in parts)
    return parts


def to_part(block: Block, role: str) -> Part:
    """One content block as a part of a message on the wire.

    Raises:
        InvalidRequestError: The wire has no such part; the message names the type.
    """
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
    told = block.get("reasoning") or block.get("thinking") or block.get("reasoning_content")
    return _all_text(told) or _all_text([*(block.get("summary") or ()), *(block.get("content") or ())])


def _all_text(told: object) -> str:
    match told:
        case str():
            return told
        case {"text": str(text)}:
            return text
        case list():
            return "\n".join(filter(None, map(_all_text, told)))
        case _:
            return ""


def _text(block: Block) -> Part | None:
    text = block.get("text")
    return {"type": "text", "text": text} if isinstance(text, str) else None


def _document(block: Block) -> Part | None:
    """Anthropic's document, if it is plain text."""
    match block.get("source"):
        case {"type": "text", "data": str(text)}:
            return {"type": "text", "text": text}
    return None


def _refusal(block: Block) -> Part:
    return {"type": "text", "text": str(block.get("refusal") or "")}


def _image_url(block: Block) -> Part | None:
    image = block.get("image_url")
    image = {"url": image} if isinstance(image, str) else image
    return {"type": "image_url", "image_url": image} if isinstance(image, dict) and image.get("url") else None


def _media(name: str) -> Callable[[Block], Part | None]:
    """A part that refers to its data by a URL: `image_url`, `video_url`, and `audio_url` of vLLM."""

    def make(block: Block) -> Part | None:
        url = _url(block)
        return {"type": f"{name}_url", f"{name}_url": {"url": url}} if url else None

    return make


def _audio(block: Block) -> Part | None:
    data, mime = _base64(block)
    if not data:
        return _media("audio")(block)
    return {"type": "input_audio", "input_audio": {"data": data, "format": mime.rpartition("/")[2] or "wav"}}


def _url(block: Block) -> str | None:
    """Where a block's data is: its URL, or the data itself as one."""
    source = block["source"] if isinstance(block.get("source"), dict) else block
    data, mime = _base64(block)
    if data and mime:
        return f"data:{mime};base64,{data}"
    return source.get("url")


def _base64(block: Block) -> tuple[str | None, str]:
    """Data and MIME type of a block of LangChain v1 (`base64`), v0 (`data`) or Anthropic (`source`).

    Bytes are no data here: LangChain has them in Base64.
    """
    source = block["source"] if isinstance(block.get("source"), dict) else block
    mime = source.get("mime_type") or source.get("media_type") or ""
    data = source.get("base64") or source.get("data")
    return (data if isinstance(data, str) else None), mime


def _given(name: str) -> Callable[[Block], Part | None]:
    """A part that has its wire form already."""
    return lambda block: {"type": name, name: block[name]} if isinstance(block.get(name), dict) else None


_PARTS: dict[str, Callable[[Block], Part | None]] = {
    "text": _text,
    "text-plain": _text,
    "document": _document,
    "refusal": _refusal,
    "image_url": _image_url,
    "image": _media("image"),
    "video": _media("video"),
    "audio": _audio,
    "input_audio": _given("input_audio"),
    "audio_url": _given("audio_url"),
    "video_url": _given("video_url"),
}
