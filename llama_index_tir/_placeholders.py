"""Placeholders for content blocks that cannot be sent, from a model or a tool. Pure."""

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

from tir_client.protocol.placeholders import data_size, file_placeholder, value_placeholder

FILES: dict[type[Any], tuple[str, str]] = {
    ImageBlock: ("image", "image_mimetype"),
    AudioBlock: ("audio", "format"),
    VideoBlock: ("video", "video_mimetype"),
    DocumentBlock: ("data", "document_mimetype"),
}
"""Block classes for files, with the names of their fields for data and media type."""


def placeholder(block: Any) -> str:
    """Return the placeholder for a block: a line that describes a file, or has the block's fields."""
    fields = next((fields for cls, fields in FILES.items() if isinstance(block, cls)), None)
    if fields is not None:
        return _file(block, *(getattr(block, field) for field in fields))
    match block:
        case ThinkingBlock():
            return value_placeholder("thinking", block.content)
        case ToolCallBlock():
            return value_placeholder(f"tool_call {block.tool_name}", block.tool_kwargs)
    value = dict(block) if isinstance(block, BaseModel) else block
    return value_placeholder(str(getattr(block, "block_type", type(block).__name__)), value)


def _file(block: Any, data: object, media_type: object) -> str:
    name = getattr(block, "title", None) or PurePath(block.path or "").name
    url = None if block.url is None else str(block.url)
    # Blocks store bytes as Base64.
    size = data_size(data.decode("latin-1")) if isinstance(data, bytes) else 0
    return file_placeholder(block.block_type, name=name, media_type=media_type, url=url, size=size)
