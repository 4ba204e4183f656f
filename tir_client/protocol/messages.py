"""Builds the messages of a request, for both integrations. Pure.

Servers of several generations read them: reasoning goes back under both of its names, a tool message carries its
tool's name, an assistant's content is never null, and the arguments of a call are always a JSON object.

What a person wrote is sent whole or refused with its position. What a model or a tool wrote never makes a request
fail: what cannot be sent of it is replaced (`stand_ins`).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote_to_bytes

from tir_client.errors import InvalidRequestError
from tir_client.protocol.call_ids import match_results
from tir_client.protocol.json_text import (
    escape_controls,
    escape_surrogates,
    parse_json,
    quote_constants,
    replace_surrogates,
)
from tir_client.protocol.responses import NO_ARGUMENTS
from tir_client.protocol.stand_ins import value_stand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tir_client.protocol.responses import Json

Message = TypeVar("Message")

TEXT_ONLY = frozenset({"system", "developer", "assistant"})
"""Roles whose messages hold nothing but text."""
MACHINES = frozenset({"assistant", "tool"})
"""Roles whose content a model or a program wrote."""

INVALID_ARGUMENTS = "invalid_arguments"
"""The argument that holds a model's text where that is not a JSON object."""


def convert_messages(messages: Iterable[Message], convert: Callable[[Message], Iterable[Json]]) -> list[Json]:
    """The messages to send, in their order.

    Args:
        messages: A framework's messages.
        convert: Makes wire messages of one of them.

    Raises:
        InvalidRequestError: One cannot be sent; the error begins with its position.
    """
    wire: list[Json] = []
    for position, message in enumerate(messages):
        try:
            wire += convert(message)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"messages[{position}]: {error.message}") from None
    match_results(wire)
    return wire


def chat_message(role: str, content: str | list[Json], *, name: str | None = None) -> Json:
    """A message of the user, the system, or any role without fields of its own.

    Raises:
        InvalidRequestError: A text has a lone surrogate, which cannot be sent.
    """
    for text in (*_texts(content), name or ""):
        if replace_surrogates(text) != text:
            raise InvalidRequestError(f"a text has a lone surrogate, which cannot be sent: {_around_surrogate(text)}")
    return _message({"role": role, "content": content}, name)


def assistant_message(
    content: str | list[Json], *, reasoning: str = "", tool_calls: Sequence[Json] = (), name: str | None = None
) -> Json:
    """A past answer, with its reasoning, which gpt-oss needs between two calls of a tool."""
    message = _message({"role": "assistant", "content": _encodable(content)}, name)
    if reasoning:
        message |= dict.fromkeys(("reasoning", "reasoning_content"), replace_surrogates(reasoning))
    return {**message, "tool_calls": list(tool_calls)} if tool_calls else message


def tool_message(call_id: str | None, content: str | list[Json], *, name: str | None = None) -> Json:
    """The result of a tool call; without an id, of the call before it that has no other result."""
    call_id = None if call_id is None else replace_surrogates(call_id)
    return _message({"role": "tool", "tool_call_id": call_id, "content": _encodable(content)}, name)


def tool_call(call_id: str | None, name: str | None, arguments: object) -> Json:
    """A tool call in a past answer; without an id, it gets that of its result."""
    function = {"name": replace_surrogates(name or ""), "arguments": sendable_arguments(arguments)}
    return {"id": replace_surrogates(call_id) if call_id else None, "type": "function", "function": function}


def _message(message: Json, name: str | None) -> Json:
    return {**message, "name": replace_surrogates(name)} if name else message


def _texts(content: str | list[Json]) -> list[str]:
    return [content] if isinstance(content, str) else [part["text"] for part in content if part["type"] == "text"]


def _encodable(content: str | list[Json]) -> str | list[Json]:
    """Content of a model or a tool, with the lone surrogates of its texts and URLs replaced."""
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
    """The arguments of a past call as they go back to the server, which parses them to render the prompt.

    Args:
        arguments: An object, or the model's own text. None and `NO_ARGUMENTS` become `{}`, and another text that is
            not a JSON object is sent inside one, so that the model sees what it wrote. Values that JSON cannot
            express, such as dates and NaN, are sent as their text.
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
    except (TypeError, ValueError, RecursionError):  # keys that are no strings, or an object inside itself
        return value_stand_in("arguments", arguments)


def join_content(parts: Sequence[Json], role: str) -> str | list[Json]:
    """The `content` of a message: a string where there is only text, which every server takes, else the parts.

    A line break is put between texts, as vLLM does between text parts.

    Raises:
        InvalidRequestError: The role allows only text, and a part is something else.
    """
    other = next((part["type"] for part in parts if part["type"] != "text"), None)
    if other is None:
        return "\n".join(part["text"] for part in parts)
    if role in TEXT_ONLY:
        raise InvalidRequestError(f"a part of type {other!r} cannot be sent in a {role} message: it holds only text.")
    return list(parts)


# Parts of a message: text, and media by URL, which vLLM names `image_url`, `video_url` and `audio_url`


def text_part(text: str) -> Json:
    """A text."""
    return {"type": "text", "text": text}


def media_part(kind: str, url: str, *, detail: str | None = None) -> Json:
    """An "image", a "video" or "audio" at a URL, or in a `data:` URL."""
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url} if detail is None else {"url": url, "detail": detail}}


def audio_part(data: str, media_type: str) -> Json:
    """Audio in Base64; of a media type such as `audio/mpeg`, or a format such as `mp3`. Default: `wav`."""
    return {"type": "input_audio", "input_audio": {"data": data, "format": media_type.rpartition("/")[2] or "wav"}}


def data_url(data: str, media_type: str) -> str:
    """A URL that holds the data itself, which is in Base64."""
    return f"data:{media_type};base64,{data}"


def read_data_url(url: str) -> bytes:
    """The data in a `data:` URL.

    Raises:
        ValueError: They are not in Base64, although the URL says so.
    """
    head, _, data = url.partition(",")
    raw = unquote_to_bytes(data)
    return base64.b64decode(raw, validate=True) if head.lower().endswith(";base64") else raw
