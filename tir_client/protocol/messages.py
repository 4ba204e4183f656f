"""Builds the messages of a request, for both integrations. Pure.

They suit old and new servers: reasoning is sent under both of its names, a tool message has its tool's name, an
assistant's content is never null, and the arguments of a call are always a JSON object.

A user's content that cannot be sent raises an error with its position. A model's or a tool's content never does: parts
that cannot be sent are replaced by placeholders (`placeholders`).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote_to_bytes

from tir_client.errors import InvalidRequestError
from tir_client.protocol.call_ids import match_calls_and_results
from tir_client.protocol.json_text import (
    escape_controls,
    escape_surrogates,
    parse_json,
    quote_constants,
    replace_surrogates,
)
from tir_client.protocol.media import audio_format
from tir_client.protocol.placeholders import value_placeholder
from tir_client.protocol.responses import NO_ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tir_client.protocol.responses import Json

Message = TypeVar("Message")

TEXT_ONLY = frozenset({"system", "developer", "assistant"})
"""Roles whose messages may contain only text."""
MACHINES = frozenset({"assistant", "tool"})
"""Roles whose content comes from a model or a tool."""

INVALID_ARGUMENTS = "invalid_arguments"
"""The name of the argument for a model's text that is not a JSON object."""


def convert_messages(messages: Iterable[Message], convert: Callable[[Message], Iterable[Json]]) -> list[Json]:
    """Convert messages to the wire form, in order.

    Args:
        messages: A framework's messages.
        convert: Returns the wire messages for one of them.

    Raises:
        InvalidRequestError: A message cannot be sent; the error begins with its position.
    """
    wire: list[Json] = []
    for position, message in enumerate(messages):
        try:
            wire += convert(message)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error.message}") from None
    match_calls_and_results(wire)
    return wire


def chat_message(role: str, content: str | list[Json], *, name: str | None = None) -> Json:
    """A user or system message, or one of another role without special fields.

    Raises:
        InvalidRequestError: A text has a lone surrogate, which cannot be encoded.
    """
    for text in (*_texts(content), name or ""):
        if replace_surrogates(text) != text:
            raise InvalidRequestError(f"a text has a lone surrogate, which cannot be sent: {_around_surrogate(text)}")
    return _message({"role": role, "content": content}, name)


def assistant_message(
    content: str | list[Json], *, reasoning: str = "", tool_calls: Sequence[Json] = (), name: str | None = None
) -> Json:
    """A past answer with its reasoning, which gpt-oss needs between two tool calls."""
    message = _message({"role": "assistant", "content": _encodable(content)}, name)
    if reasoning:
        message |= dict.fromkeys(("reasoning", "reasoning_content"), replace_surrogates(reasoning))
    return {**message, "tool_calls": list(tool_calls)} if tool_calls else message


def tool_message(call_id: str | None, content: str | list[Json], *, name: str | None = None) -> Json:
    """The result of a tool call. `match_calls_and_results` adds a missing id."""
    call_id = None if call_id is None else replace_surrogates(call_id)
    return _message({"role": "tool", "tool_call_id": call_id, "content": _encodable(content)}, name)


def tool_call(call_id: str | None, name: str | None, arguments: object) -> Json:
    """A tool call in a past answer. `match_calls_and_results` adds a missing id."""
    function = {"name": replace_surrogates(name or ""), "arguments": sendable_arguments(arguments)}
    return {"id": replace_surrogates(call_id) if call_id else None, "type": "function", "function": function}


def _message(message: Json, name: str | None) -> Json:
    return {**message, "name": replace_surrogates(name)} if name else message


def _texts(content: str | list[Json]) -> list[str]:
    return [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]


def _encodable(content: str | list[Json]) -> str | list[Json]:
    """A model's or tool's content, with lone surrogates in texts and URLs replaced."""
    return replace_surrogates(content) if isinstance(content, str) else [_encodable_part(part) for part in content]


def _encodable_part(part: Json) -> Json:
    fields = part[part["type"]]
    if isinstance(fields, str):
        return text_part(replace_surrogates(fields))
    return {**part, part["type"]: {name: replace_surrogates(value) for name, value in fields.items()}}


def _around_surrogate(text: str) -> str:
    position = next(place for place, character in enumerate(text) if "\ud800" <= character <= "\udfff")
    return ascii(text[max(0, position - 20) : position + 20])


def sendable_arguments(arguments: object) -> str:
    """The arguments of a past call as JSON. The server parses them to render the prompt.

    Args:
        arguments: An object, or the model's text. None and `NO_ARGUMENTS` become `{}`. Text that is not a JSON object
            is sent inside one, so the model sees what it wrote. Values that JSON cannot express, such as dates and
            NaN, become strings.
    """
    text = arguments if isinstance(arguments, str) else _arguments_text(arguments)
    if text.strip() in NO_ARGUMENTS:
        return "{}"
    try:
        value = parse_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        text = json.dumps({INVALID_ARGUMENTS: text}, ensure_ascii=False)
    return escape_surrogates(quote_constants(escape_controls(text)))


def _arguments_text(arguments: object) -> str:
    try:
        return json.dumps(arguments, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # keys that are not strings, or a circular reference
        return value_placeholder("arguments", arguments)


def join_content(parts: Sequence[Json], role: str) -> str | list[Json]:
    """The `content` of a message: a string if there is only text, which every server accepts, else the parts.

    Texts are joined with a line break, as vLLM joins text parts.

    Raises:
        InvalidRequestError: The role allows only text, and a part is something else.
    """
    other = next((part["type"] for part in parts if part["type"] != "text"), None)
    if other is None:
        return "\n".join(part["text"] for part in parts)
    if role in TEXT_ONLY:
        raise InvalidRequestError(
            f"a part of type {other!r} cannot be sent in a {role} message: it may have only text."
        )
    return list(parts)


# Message parts: text, and media by URL, which vLLM calls `image_url`, `video_url` and `audio_url`


def text_part(text: str) -> Json:
    """A text."""
    return {"type": "text", "text": text}


def media_part(kind: str, url: str, *, detail: str | None = None) -> Json:
    """An "image", a "video" or "audio" at a URL, or in a `data:` URL."""
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


def audio_part(data: str, media_type: str) -> Json:
    """Audio in Base64. `media_type` is one such as `audio/mpeg` or a format such as `mp3`; an empty one is detected."""
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format(data, media_type)}}


def data_url(data: str, media_type: str) -> str:
    """A `data:` URL for data in Base64."""
    return f"data:{media_type};base64,{data}"


def read_data_url(url: str) -> bytes:
    """The data in a `data:` URL.

    Raises:
        ValueError: The URL declares Base64, but the data are not.
    """
    head, _, data = url.partition(",")
    raw = unquote_to_bytes(data)
    return base64.b64decode(raw, validate=True) if head.lower().endswith(";base64") else raw
