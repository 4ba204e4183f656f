"""Content blocks as parts of a message on the wire. Pure, but for files that a block names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from tir_client import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]

TEXT_TYPES = ("json", "xml", "yaml", "csv", "javascript", "toml", "sql")
"""What a media type that is not `text/...` ends with, if it is text all the same."""


def to_content(blocks: Iterable[ContentBlock]) -> str | list[Json]:
    """The `content` of a message: a string where there is only text, which every server takes, else parts.

    Raises:
        InvalidRequestError: A block cannot be sent; the message names it.
    """
    parts = [part for block in blocks for part in _parts(block)]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _parts(block: ContentBlock) -> list[Json]:
    match block:
        case TextBlock():
            return [_text(block.text)]
        case ImageBlock():
            return [_image(block)]
        case DocumentBlock():
            return [_text(f"{block.title}:\n{_document(block)}")]
        case CitableBlock():
            return [_text(f"{block.title} ({block.source}):"), *_all_parts(block.content)]
        case CitationBlock():
            return _parts(block.cited_content)
        case CachePoint():
            return []  # a hint for servers that bill their cache; vLLM's works by itself
        case AudioBlock() | VideoBlock() | ThinkingBlock() | ToolCallBlock():
            raise InvalidRequestError(f"{_A[type(block)]} cannot be sent in this message; leave the block out.")
        case _:
            assert_never(block)


_A = {
    AudioBlock: "Audio (an AudioBlock)",
    VideoBlock: "Video (a VideoBlock)",
    ThinkingBlock: "A ThinkingBlock, which belongs to the assistant,",
    ToolCallBlock: "A ToolCallBlock, which belongs to the assistant,",
}


def _all_parts(blocks: Iterable[ContentBlock]) -> list[Json]:
    return [part for block in blocks for part in _parts(block)]


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _image(block: ImageBlock) -> Json:
    url = str(block.url) if block.url is not None else _inline(block)
    detail = {} if block.detail is None else {"detail": block.detail}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _inline(block: ImageBlock) -> str:
    try:
        data = block.resolve_image(as_base64=True).read().decode()
    except (ValueError, OSError) as error:
        raise InvalidRequestError(f"An ImageBlock has no image that can be sent: {error}.") from None
    return f"data:{block.image_mimetype or 'image/png'};base64,{data}"


def _document(block: DocumentBlock) -> str:
    kind = (block.document_mimetype or "").lower()
    if block.data is None and block.path is None:
        raise InvalidRequestError(f"The DocumentBlock {block.title!r} names only a URL: load it and pass its text.")
    if kind and not kind.startswith("text/") and not kind.endswith(TEXT_TYPES):
        raise InvalidRequestError(f"The DocumentBlock {block.title!r} is {kind}: extract its text with a reader first.")
    try:
        return bytes(block.resolve_document().read()).decode()
    except ValueError as error:
        raise InvalidRequestError(f"The DocumentBlock {block.title!r} is not text in UTF-8: {error}.") from None
    except OSError as error:
        raise InvalidRequestError(f"The DocumentBlock {block.title!r} cannot be read: {error}.") from None
