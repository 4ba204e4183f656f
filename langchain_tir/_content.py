"""Converts content blocks of all LangChain providers to message parts. Pure.

Supported are strings, OpenAI's parts (Chat Completions and Responses), LangChain's content blocks (v1, and v0 with
`source_type`), and the blocks of Anthropic, Google, Bedrock and MCP.

A block in a user's message that cannot be sent raises an error. In an answer or a tool result a placeholder replaces it
(`_placeholders`), because the history is sent again with each turn, so an error would end the conversation.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from langchain_tir._placeholders import all_text, file_problem, file_text, placeholder
from tir_client import InvalidRequestError
from tir_client.protocol.media import NO_SCHEME, checked_part, media_type_of_base64
from tir_client.protocol.messages import MACHINES, audio_part, data_url, join_content, media_part, text_part
from tir_client.protocol.placeholders import decoded_text
from tir_client.protocol.responses import Json

if TYPE_CHECKING:
    from collections.abc import Callable

Block = Json
Part = Json

CALLS = frozenset(
    {
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "tool_use",
        "input_json_delta",
        "function_call",
        "custom_tool_call",
    }
)
"""Types of tool call blocks of LangChain, Anthropic, OpenAI and Google."""
REASONING = frozenset({"reasoning", "thinking", "redacted_thinking", "reasoning_content"})
"""Types of reasoning blocks, the last one Bedrock's. Anthropic's encrypted `redacted_thinking` is dropped."""

_MARKS = frozenset({"cache_point", "cachePoint"})
"""Types of blocks without content, which are cache markers of other providers."""


def to_blocks(content: object) -> list[Block]:
    """Return a message's content as a list of blocks, each a dict with a `type`."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks = map(_to_block, content if isinstance(content, list) else [content])
    return [block for block in blocks if block["type"] not in _MARKS]


def _to_block(item: object) -> Block:
    """Return a block whose type is a string. Values that are neither text nor dict get their class name as the type."""
    if isinstance(item, str):
        return {"type": "text", "text": item}
    if not isinstance(item, dict):
        return {"type": type(item).__name__, "value": item}
    if item.get("type") == "non_standard" and isinstance(item.get("value"), dict):
        return _to_block(item["value"])
    if "type" in item:
        return item if isinstance(item["type"], str) else {**item, "type": str(item["type"])}
    if "text" in item:
        return {"type": "text", **item}
    return _of_bedrock(*next(iter(item.items()))) if len(item) == 1 else {"type": "None", **item}


def _of_bedrock(kind: object, value: object) -> Block:
    """Return the block for Bedrock's form `{kind: value}`."""
    fields = {str(name): part for name, part in value.items()} if isinstance(value, dict) else {}
    match kind:
        case "toolUse":
            return {**fields, "type": "tool_use", "id": fields.get("toolUseId")}
        case "toolResult":
            return {**fields, "type": "tool_result", "tool_use_id": fields.get("toolUseId")}
        case "reasoningContent":
            return {"type": "reasoning_content", "reasoning_content": fields.get("reasoningText")}
        case "guardContent":
            return {"type": "text", "text": all_text(fields.get("text"))}
        case "image" | "audio" | "video" | "document":
            return {**fields, "type": kind}
        case _:
            return {"type": str(kind), str(kind): value}


def to_content(content: object, role: str) -> str | list[Part]:
    """Return the `content` of a message: a string if there is only text, which every server accepts, else parts.

    Raises:
        InvalidRequestError: A block of a user's message cannot be sent; the error describes it.
    """
    if isinstance(content, str):
        return content
    blocks = to_blocks(content)
    if role == "assistant":
        return answer_text(blocks)
    return join_content([_to_part(block, role) for block in blocks], role)


def answer_text(blocks: list[Block]) -> str:
    """Return the text of an answer. Texts are joined as in LangChain's `text`; each placeholder is on its own line."""
    lines = [""]
    for block in blocks:
        part, _ = _sendable(block)
        if part is not None and part["type"] == "text":
            lines[-1] += part["text"]
        else:
            lines += [placeholder(block), ""]
    return "\n".join(filter(None, lines))


def _to_part(block: Block, role: str) -> Part:
    part, problem = _sendable(block)
    if part is not None:
        return part
    if role in MACHINES:
        return text_part(placeholder(block))
    text = file_text(block)
    if text is None:
        raise InvalidRequestError(_why_not(block, role, problem or file_problem(block)))
    return text_part(text)


def _sendable(block: Block) -> tuple[Part | None, str]:
    """Return the part for a block, or None and the problem, if known."""
    make = _PARTS.get(block["type"])
    part = make(block) if make else None
    if part is None:
        return None, ""
    data, media_type = _base64(block)
    try:
        return checked_part(part, None if data is None else media_type), ""
    except ValueError as error:
        advice = "; `media_block(path)` reads a file" if str(error) == NO_SCHEME else ""
        return None, f"{error}{advice}"


def _why_not(block: Block, role: str, problem: str) -> str:
    if not isinstance(block.get("value", ""), str | dict):
        return f"Content of type {block['type']} cannot be sent: it is neither text nor a block."
    keys = ", ".join(sorted(map(str, block)))
    reason = f": {problem}." if problem else "."
    return f"A content block of type {block['type']!r} (keys: {keys}) cannot be sent in a {role} message{reason}"


def reasoning_of(block: Block) -> str:
    """Return the text of a reasoning block.

    Its field is `thinking` for Anthropic and Gemini, and `reasoning_content` for Bedrock. Mistral has a list of texts
    in it, OpenAI a list of summaries.
    """
    reasoning = block.get("reasoning") or block.get("thinking") or block.get("reasoning_content")
    return all_text(reasoning) or all_text([block.get("summary"), block.get("content")])


# One function for each kind of block. None: the block has no content that can be sent.


def _text(block: Block) -> Part | None:
    text = block.get("text")
    return text_part(text) if isinstance(text, str) else None


def _plain_text(block: Block) -> Part | None:
    text = decoded_text(block.get("base64"), block.get("mime_type") or "text/plain")
    return _text(block) or (None if text is None else text_part(text))


def _document(block: Block) -> Part | None:
    """A plain text document of Anthropic or Bedrock."""
    match block.get("source"):
        case {"type": "text", "data": str(text)} | {"text": str(text)}:
            return text_part(text)
    return None


def _refusal(block: Block) -> Part:
    return text_part(all_text(block.get("refusal")))


def _image_url(block: Block) -> Part | None:
    image = block.get("image_url")
    if isinstance(image, str) and image:
        return _wire_form("image_url")({"image_url": {"url": image, **_detail(block)}})
    return _wire_form("image_url")(block) if isinstance(image, dict) and image.get("url") else None


def _detail(block: Block) -> Json:
    return {"detail": block["detail"]} if isinstance(block.get("detail"), str) else {}


def _media(kind: str) -> Callable[[Block], Part | None]:
    """Return a converter for blocks of images, videos or audio with a URL."""

    def make(block: Block) -> Part | None:
        url = _url(block)
        return media_part(kind, url) if url else None

    return make


def _audio(block: Block) -> Part | None:
    data, media_type = _base64(block)
    return _media("audio")(block) if data is None else audio_part(data, media_type)


def _google_media(block: Block) -> Part | None:
    """Google's `media` block, whose kind follows from its media type."""
    kind = str(block.get("mime_type")).partition("/")[0]
    make = {"image": _media("image"), "video": _media("video"), "audio": _audio}.get(kind)
    return make({**block, "url": block.get("file_uri")}) if make else None


def _wire_form(kind: str) -> Callable[[Block], Part | None]:
    """Return a converter for a part in wire form."""

    def make(block: Block) -> Part | None:
        fields = block.get(kind)
        is_wire = isinstance(fields, dict) and fields and all(isinstance(value, str) for value in fields.values())
        return {"type": kind, kind: fields} if is_wire else None

    return make


def _url(block: Block) -> str | None:
    """Return the URL of a block's data, or a `data:` URL with the data."""
    data, media_type = _base64(block)
    if data is not None and (media_type or not data or (media_type := media_type_of_base64(data))):
        return data_url(data, media_type)  # empty data are refused later
    url = _source(block).get("url")
    return url if isinstance(url, str) else None


def _base64(block: Block) -> tuple[str | None, str]:
    """Return the Base64 data and the media type of a block of LangChain (v1 or v0), Anthropic, Bedrock or MCP.

    Bedrock's data are bytes, the others' Base64.
    """
    source = _source(block)
    found = [source[name] for name in ("base64", "data", "bytes") if isinstance(source.get(name), str)]
    data = next(filter(None, found), "" if found and not source.get("url") else None)
    media_type = source.get("mime_type") or source.get("media_type") or source.get("mimeType")
    if isinstance(source.get("bytes"), bytes):
        data, media_type = base64.b64encode(source["bytes"]).decode(), f"{block['type']}/{block.get('format')}"
    return data, media_type if isinstance(media_type, str) else ""


def _source(block: Block) -> Json:
    source = block.get("source")
    return source if isinstance(source, dict) else block


_PARTS: dict[str, Callable[[Block], Part | None]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "text-plain": _plain_text,
    "document": _document,
    "refusal": _refusal,
    "image_url": _image_url,
    "input_image": _image_url,
    "image": _media("image"),
    "video": _media("video"),
    "audio": _audio,
    "media": _google_media,
    "input_audio": _wire_form("input_audio"),
    "audio_url": _wire_form("audio_url"),
    "video_url": _wire_form("video_url"),
}
