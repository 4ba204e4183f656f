"""Converts content blocks to message parts. Pure, except for reading local files.

A block in a user's message that cannot be sent raises an error. In an answer or a tool result a placeholder replaces it
(`_placeholders`), because the history is sent again with each turn, so an error would end the conversation.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    CachePoint,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    VideoBlock,
)

from llama_index_tir._placeholders import placeholder
from tir_client import InvalidRequestError
from tir_client.protocol.media import LIMIT, checked_part, is_text_type, media_type_of_base64, too_large_message
from tir_client.protocol.messages import (
    MACHINES,
    audio_part,
    data_url,
    join_content,
    media_part,
    read_data_url,
    text_part,
)
from tir_client.protocol.responses import Json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from io import IOBase

Part = Json


def to_content(blocks: Sequence[ContentBlock], role: str) -> str | list[Part]:
    """Return the `content` of a message: a string if there is only text, which every server accepts, else parts.

    Raises:
        InvalidRequestError: A block of a user's message cannot be sent; the error describes it.
    """
    texts = [block.text for block in blocks if isinstance(block, TextBlock)]
    if len(texts) == len(blocks):  # the usual case; the general one takes several times as long
        return "\n".join(texts)
    return join_content(_to_parts(blocks, role), role)


def _to_parts(blocks: Iterable[ContentBlock], role: str) -> list[Part]:
    return [part for block in blocks for part in _block_parts(block, role)]


def _block_parts(block: ContentBlock, role: str) -> list[Part]:
    match block:
        case CitableBlock():
            return [text_part(f"{block.title} ({block.source}):"), *_to_parts(block.content, role)]
        case CitationBlock():
            return _block_parts(block.cited_content, role)
        case CachePoint():
            return []  # a hint for servers that bill for caching; vLLM caches automatically
    return [_machines_part(block, role) if role in MACHINES else _part(block, role)]


def _machines_part(block: ContentBlock, role: str) -> Part:
    """Return the part for a block of a model or tool. An assistant message has only text."""
    try:
        part = _part(block, role)
    except InvalidRequestError:
        return text_part(placeholder(block))
    return text_part(placeholder(block)) if role == "assistant" and part["type"] != "text" else part


def _part(block: ContentBlock, role: str) -> Part:
    make = next((make for cls, make in _PARTS.items() if isinstance(block, cls)), None)
    if make is None:
        raise InvalidRequestError(f"A block of type {type(block).__name__} cannot be sent in a {role} message.")
    part = make(block)
    try:
        return checked_part(part, _stated_type(block))
    except ValueError as error:
        raise InvalidRequestError(f"The {type(block).__name__} cannot be sent: {error}.") from None


def _stated_type(block: Any) -> str | None:
    """The stated media type of a block's data; None if the part already has it, as in a `data:` URL."""
    if getattr(block, "url", None) is not None:
        return None
    names = ("image_mimetype", "video_mimetype", "format")
    return next((getattr(block, name) for name in names if getattr(block, name, None)), "")


# One function for each kind of block


def _text(block: TextBlock) -> Part:
    return text_part(block.text)


def _image(block: ImageBlock) -> Part:
    url = str(block.url) if block.url is not None else _inline(block, block.resolve_image, block.image_mimetype)
    return media_part("image", url, detail=block.detail)


def _video(block: VideoBlock) -> Part:
    if block.fps is not None:
        advice = "`extra_body={'mm_processor_kwargs': {'fps': ...}}`"
        raise InvalidRequestError(f"The `fps` of a VideoBlock cannot be sent in a message: pass {advice}.")
    url = str(block.url) if block.url is not None else _inline(block, block.resolve_video, block.video_mimetype)
    return media_part("video", url, detail=block.detail)


def _audio(block: AudioBlock) -> Part:
    if block.url is not None:
        return media_part("audio", str(block.url))
    return audio_part(_base64(block, block.resolve_audio), block.format or "")


def _document(block: DocumentBlock) -> Part:
    return text_part(f"{block.title}:\n{_document_text(block)}")


def _document_text(block: DocumentBlock) -> str:
    media_type = block.document_mimetype
    name = f"The DocumentBlock {block.title!r}"
    if not (block.data or block.path or (block.url or "").startswith("data:")):
        raise InvalidRequestError(f"{name} has only a URL. Load the document and pass its text.")
    if media_type and not is_text_type(media_type):
        advice = "Extract its text with a LlamaIndex reader first."
        raise InvalidRequestError(f"{name} has media type {media_type!r}, which cannot be sent. {advice}")
    try:
        data = _document_data(block)
        return data if isinstance(data, str) else bytes(data).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{name} is not text in UTF-8: {error}.") from None
    except (ValueError, TypeError, OSError) as error:
        raise InvalidRequestError(f"{name} cannot be read: {error}.") from None


def _document_data(block: DocumentBlock) -> Any:
    if not (block.data or block.path) and block.url:
        return read_data_url(block.url)
    return block.resolve_document().read()


_PARTS: dict[type[Any], Callable[[Any], Part]] = {
    TextBlock: _text,
    ImageBlock: _image,
    VideoBlock: _video,
    AudioBlock: _audio,
    DocumentBlock: _document,
}

_DEFAULT_TYPES: dict[type[Any], str] = {ImageBlock: "image/png", VideoBlock: "video/mp4"}


def _inline(block: ContentBlock, resolve: Callable[[], IOBase], media_type: str | None) -> str:
    """Return a `data:` URL with the data of a block, which may be in a local file."""
    data = _base64(block, resolve)
    return data_url(data, media_type or media_type_of_base64(data) or _DEFAULT_TYPES[type(block)])


def _base64(block: Any, resolve: Callable[[], IOBase]) -> str:
    """Return the data of a block in Base64.

    Raises:
        InvalidRequestError: They cannot be read, are empty, or are too large.
    """
    try:
        size = block.path.stat().st_size if block.path is not None else 0
        data = "" if size > LIMIT else base64.b64encode(resolve().read()).decode()
    except (ValueError, TypeError, OSError) as error:
        name = type(block).__name__
        if "returned zero bytes" in str(error):
            raise InvalidRequestError(f"The {name} cannot be sent: its data are empty.") from None
        raise InvalidRequestError(f"The data of the {name} cannot be read: {error}.") from None
    if size > LIMIT:
        raise InvalidRequestError(f"The {type(block).__name__} cannot be sent: {too_large_message(size)}.")
    return data
