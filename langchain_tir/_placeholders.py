"""Placeholders for content blocks that cannot be sent, from a model or a tool.

Text files, JSON and search results become text; other files and media a line that describes them; tool steps on another
provider's servers, and all other blocks, a line with their fields. Pure, but for the system's list of media types.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from typing import Any

from langchain_core.utils.utils import LC_AUTO_PREFIX

from tir_client.protocol.placeholders import data_size, decoded_text, file_placeholder, value_placeholder

Block = dict[str, Any]

_FILES = frozenset(
    {
        "file",
        "image",
        "audio",
        "video",
        "document",
        "media",
        "file_data",
        "image_url",
        "audio_url",
        "video_url",
        "input_image",
        "input_audio",
        "input_file",
        "container_upload",
        "image_generation_call",
        "resource",
        "resource_link",
    }
)
"""Types of file and media blocks of LangChain, OpenAI, Anthropic, Google, Bedrock and MCP."""

_TEXT_FILES = frozenset({"file", "input_file", "document", "text-plain", "media"})
"""Types of file blocks that users may send if they are text."""

_NAMES = ("name", "filename", "title")
_MEDIA_TYPES = ("mime_type", "media_type", "mimeType", "format")
_URLS = ("url", "file_url", "file_uri", "uri", "file_id", "fileId", "id")
_DATA = ("base64", "data", "file_data", "bytes", "blob", "result")


def placeholder(block: Block) -> str:
    """The placeholder for a block; empty if the block has no information."""
    kind: str = block["type"]
    if kind in {"text", "input_text", "output_text"}:
        return ""
    if kind == "json":
        return _json(block.get("json"))
    if kind == "search_result":
        return _search_result(block)
    if kind in _FILES or kind == "text-plain":
        return _file(block)
    name = block.get("name") if isinstance(block.get("name"), str) else ""
    fields = {key: value for key, value in block.items() if key != "name"}
    return value_placeholder(f"{kind} {name}".rstrip(), fields.get("value", fields))


def file_text(block: Block) -> str | None:
    """The text of a user's text file or search result; None for other blocks."""
    if block["type"] == "search_result":
        return _search_result(block) if _is_text(block.get("content")) else None
    if block["type"] not in _TEXT_FILES:
        return None
    facts = _facts(block)
    inner = facts.get("text") or facts.get("content")
    if inner:
        return all_text(inner) if _is_text(inner) else None
    return decoded_text(*_users_data(facts))


def file_problem(block: Block) -> str:
    """Why a user's file cannot be sent as text; empty if its media type is unknown or it is not a file."""
    facts = _facts(block) if block["type"] in _TEXT_FILES else {}
    data, media_type = _users_data(facts)
    if not media_type:
        return ""
    name = _first(facts, _NAMES)
    subject = f"{name!r} is of type {media_type}" if name else f"its type is {media_type}"
    if data is None:
        return f"{subject}, and it has no data: load the file and pass its text"
    if decoded_text("", media_type) is None:
        return f"{subject}, which is not text: extract its text and pass that"
    return f"{subject}, but its data are not UTF-8 text in Base64"


def _users_data(facts: Block) -> tuple[str | None, str]:
    """The Base64 data and the media type of a file. Bedrock's are bytes, and a `format` such as `txt`."""
    data, media_type = _data(facts, _first(facts, _URLS))
    if media_type and "/" not in media_type:
        media_type = mimetypes.guess_type(f"a.{media_type}")[0] or media_type
    return base64.b64encode(data).decode() if isinstance(data, bytes) else data, media_type


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return value_placeholder("json", value)


def _search_result(block: Block) -> str:
    """Anthropic's search result: title, source and text."""
    head = ", ".join(text for text in (block.get("title"), block.get("source")) if isinstance(text, str) and text)
    return "\n".join(filter(None, (f"[search_result: {head}]", all_text(block.get("content")))))


def _file(block: Block) -> str:
    facts = _facts(block)
    url = _first(facts, _URLS)
    data, media_type = _data(facts, url)
    text = all_text(facts.get("text") or facts.get("content")) or decoded_text(data, media_type)
    if text is not None:
        return text
    name = _first(facts, _NAMES)
    return file_placeholder(block["type"], name=name, media_type=media_type, url=url, size=data_size(data))


def _data(facts: Block, url: str) -> tuple[str | bytes | None, str]:
    """The data of a file and their media type; a `data:` URL contains both."""
    data = next((facts[name] for name in _DATA if isinstance(facts.get(name), str | bytes)), url)
    media_type = _first(facts, _MEDIA_TYPES)
    if isinstance(data, str) and data.startswith("data:"):
        head, _, data = data.removeprefix("data:").partition(",")
        return data, media_type or head.partition(";")[0]
    return (None if data is url else data), media_type


def _facts(block: Block) -> Block:
    """The fields of a file block, merged with those of a nested object that some providers use."""
    facts = dict(block)
    for name in ("source", block["type"], "resource", "file"):
        if isinstance(inner := block.get(name), dict):
            facts |= inner
        elif name == block["type"] and isinstance(inner, str):
            facts["url"] = inner
    if str(facts.get("id")).startswith(LC_AUTO_PREFIX):  # LangChain's own id, which says nothing of the file
        del facts["id"]
    return facts


def _first(facts: Block, names: tuple[str, ...]) -> str:
    return next((facts[name] for name in names if isinstance(facts.get(name), str) and facts[name]), "")


def all_text(value: object) -> str:
    """Return the texts in a value, joined with newlines: a string, or the texts of its parts."""
    match value:
        case str():
            return value
        case {"text": text}:
            return all_text(text)
        case {"summary": summary}:
            return all_text(summary)
        case list():
            return "\n".join(filter(None, map(all_text, value)))
        case _:
            return ""


def _is_text(value: object) -> bool:
    """Whether a value is a string, or consists of text blocks only."""
    match value:
        case str():
            return True
        case {"text": str(), **fields}:
            return fields.get("type", "text") == "text"
        case list():
            return all(map(_is_text, value))
        case _:
            return False
