"""Placeholders for content blocks of models and tools that cannot be sent. Pure."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from llama_index.core.base.llms.types import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from pydantic import BaseModel

from tir_client.protocol.stand_ins import data_size, file_stand_in, value_stand_in

FILES: dict[type[Any], tuple[str, str]] = {
    ImageBlock: ("image", "image_mimetype"),
    AudioBlock: ("audio", "format"),
    VideoBlock: ("video", "video_mimetype"),
    DocumentBlock: ("data", "document_mimetype"),
}
"""Block classes for files, with the names of their fields for data and media type."""


def stand_in(block: Any) -> str:
    """Return the placeholder for a block: a line that describes a file, or has the block's fields."""
    fields = next((fields for cls, fields in FILES.items() if isinstance(block, cls)), None)
    if fields is not None:
        return _file(block, *(getattr(block, field) for field in fields))
    match block:
        case ThinkingBlock():
            return value_stand_in("thinking", block.content)
        case ToolCallBlock():
            return value_stand_in(f"tool_call {block.tool_name}", block.tool_kwargs)
    value = dict(block) if isinstance(block, BaseModel) else block
    return value_stand_in(str(getattr(block, "block_type", type(block).__name__)), value)


def _file(block: Any, data: object, media_type: object) -> str:
    name = getattr(block, "title", None) or PurePath(block.path or "").name
    url = None if block.url is None else str(block.url)
    # Blocks store bytes as Base64.
    size = data_size(data.decode("latin-1")) if isinstance(data, bytes) else 0
    return file_stand_in(block.block_type, name=name, media_type=media_type, url=url, size=size)
