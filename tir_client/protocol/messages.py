"""Messages as they go over the wire, the same from both integrations. Pure.

Servers of several generations read them: reasoning goes back under both of its names, a tool message carries its
tool's name, an assistant's content is never null, and the arguments of a call are always a JSON object.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from tir_client.errors import InvalidRequestError
from tir_client.protocol.json_text import escape_controls, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tir_client.protocol.responses import Json

Message = TypeVar("Message")

TEXT_ONLY = frozenset({"system", "developer", "assistant"})
"""Roles whose messages hold nothing but text."""


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
    _name_tool_results(wire)
    return wire


def _name_tool_results(messages: Iterable[Json]) -> None:
    """Set the tool's name in each tool message without one: servers before 0.13 do not find it through the id."""
    names: dict[str, str] = {}
    for message in messages:
        for call in message.get("tool_calls", ()):
            names[call["id"]] = call["function"]["name"]
        name = names.get(str(message.get("tool_call_id")))
        if message["role"] == "tool" and name:
            message.setdefault("name", name)


def chat_message(role: str, content: str | list[Json], *, name: str | None = None) -> Json:
    """A message of the user, the system, or any role without fields of its own."""
    message: Json = {"role": role, "content": content}
    return {**message, "name": name} if name else message


def assistant_message(
    content: str | list[Json], *, reasoning: str = "", tool_calls: Sequence[Json] = (), name: str | None = None
) -> Json:
    """A past answer, with its reasoning, which gpt-oss needs between two calls of a tool."""
    message = chat_message("assistant", content, name=name)
    if reasoning:
        message |= {"reasoning": reasoning, "reasoning_content": reasoning}
    return {**message, "tool_calls": list(tool_calls)} if tool_calls else message


def tool_message(call_id: str, content: str | list[Json], *, name: str | None = None) -> Json:
    """The result of a tool call."""
    message: Json = {"role": "tool", "tool_call_id": call_id, "content": content}
    return {**message, "name": name} if name else message


def tool_call(call_id: str | None, name: str | None, arguments: object) -> Json:
    """A tool call in a past answer.

    Raises:
        InvalidRequestError: It has no id, or arguments that JSON cannot express.
    """
    if not call_id:
        raise InvalidRequestError(f"the call of {name!r} has no id to match its result with.")
    try:
        text = sendable_arguments(arguments)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"the arguments of the call of {name!r} cannot be written as JSON: {error}") from None
    return {"id": call_id, "type": "function", "function": {"name": name or "", "arguments": text}}


def sendable_arguments(arguments: object) -> str:
    """The arguments of a past call as they go back to the server, which parses them to render the prompt.

    Args:
        arguments: An object, or the model's own text. None and an empty text become `{}`, and a text that is not a
            JSON object goes back inside one, so that the model sees what it wrote.
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    try:
        value = parse_json(text) if text.strip() else None
    except ValueError:
        value = text
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        return json.dumps({"invalid_arguments": text}, ensure_ascii=False)
    return escape_controls(text)


def join_content(parts: Sequence[Json], role: str, *, separator: str = "\n") -> str | list[Json]:
    """The `content` of a message: a string where there is only text, which every server takes, else the parts.

    Args:
        parts: The parts, in their order.
        role: Of the message.
        separator: What to put between texts. vLLM puts a line break between text parts, too.

    Raises:
        InvalidRequestError: The role allows only text, and a part is something else.
    """
    other = next((part["type"] for part in parts if part["type"] != "text"), None)
    if other is None:
        return separator.join(part["text"] for part in parts)
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
