"""Replaces images, audio and video in tool results with placeholders, for text-only models. Pure.

vLLM silently drops images for gpt-oss. For other text-only models it answers with HTTP 400, so after a tool has
returned an image, each later turn of the conversation would fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.protocol.messages import join_content, text_part
from tir_client.protocol.placeholders import data_size, file_placeholder

if TYPE_CHECKING:
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.responses import Json


def for_text_only(request: ChatRequest) -> ChatRequest:
    """A copy of a request in which placeholders replace the media in tool results.

    The media of users are sent unchanged.
    """
    messages = [_readable(message) for message in request.messages]
    return request if messages == request.messages else request.model_copy(update={"messages": messages})


def has_media_of_user(request: ChatRequest) -> bool:
    """Whether a user message has an image, audio or a video."""
    contents = [message.get("content") for message in request.messages if message.get("role") == "user"]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return any(isinstance(part, dict) and part.get("type") != "text" for part in parts)


def _readable(message: Json) -> Json:
    content = message["content"]
    if message["role"] != "tool" or not isinstance(content, list):
        return message
    return {**message, "content": join_content([_as_text(part) for part in content], "tool")}


def _as_text(part: Json) -> Json:
    if part["type"] == "text":
        return part
    fields = part[part["type"]]
    head, _, data = str(fields.get("url") or "").partition(",")
    if "data" in fields:
        head, data = f"data:audio/{fields.get('format')}", fields["data"]
    is_inside = head.startswith("data:")
    media_type = head.removeprefix("data:").partition(";")[0] if is_inside else ""
    size = data_size(data) if is_inside else 0
    return text_part(
        file_placeholder(_kind(part), media_type=media_type, url="" if is_inside else fields.get("url"), size=size)
    )


def _kind(part: Json) -> str:
    """The kind of media in a part: `image` for `image_url`, `audio` for `input_audio`."""
    return str(part["type"]).removesuffix("_url").removeprefix("input_")
