"""Checks inline images, audio and video in messages before they are sent.

Media at a URL are not checked, because only the server loads them. `data:` URLs are inline. No I/O, except that Python
reads the system's table of media types once.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json

LIMIT = 64 * 2**20
"""Maximum size of one inline image, audio or video in bytes. Larger ones need a URL: requests are kept in memory."""

NO_SCHEME = "its URL has no scheme, such as `https:`"
"""The error text for a URL that is a path, or Base64 without `data:`."""

_HEAD = 32
_SIGNATURES = (
    (rb"\x89PNG", "image/png"),
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"GIF8", "image/gif"),
    (rb"II\*\x00|MM\x00\*", "image/tiff"),
    (rb"RIFF.{4}WEBP", "image/webp"),
    (rb"RIFF.{4}WAVE", "audio/wav"),
    (rb"RIFF.{4}AVI ", "video/x-msvideo"),
    (rb"ID3|\xff[\xfb\xf3\xf2]", "audio/mpeg"),
    (rb"fLaC", "audio/flac"),
    (rb"OggS", "audio/ogg"),
    (rb".{4}ftyp(avif|heic|heix|mif1)", "image/heic"),
    (rb".{4}ftypM4A", "audio/mp4"),
    (rb".{4}ftyp", "video/mp4"),
    (rb"\x1aE\xdf\xa3", "video/webm"),
    (rb"%PDF-", "application/pdf"),
    (rb"PK\x03\x04", "application/zip"),
    (rb"\s*(<!DOCTYPE html|<html)", "text/html"),
)
"""The first bytes of well-known file types."""

_TEXT_TYPES = ("json", "xml", "yaml", "csv", "javascript", "toml", "sql")
"""Endings of media types that are text, although they do not begin with `text/`."""
_UNKNOWN = "application/octet-stream"
_CONTAINERS = {"video/mp4", "video/webm", "audio/ogg"}
"""Types whose files may hold audio as well as video."""
_AUDIO_FORMATS = {"mpeg": "mp3", "mp4": "m4a", "x-m4a": "m4a", "wave": "wav", "x-wav": "wav", "x-flac": "flac"}
"""Subtypes of audio media types, and the names of OpenAI's API."""
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\f\r\x1b")
"""Control characters that do not occur in text."""


def media_type_of(head: bytes, name: str = "") -> str:
    """The media type of a file by its first bytes, or else by its name; empty if unknown."""
    found = next((kind for pattern, kind in _SIGNATURES if re.match(pattern, head, re.DOTALL | re.IGNORECASE)), "")
    return found or mimetypes.guess_type(name)[0] or ""


def media_type_of_base64(data: str) -> str:
    """The media type of Base64 data by their first bytes; empty if unknown."""
    start = "".join(data[: 4 * _HEAD].split())[: _HEAD // 3 * 4]
    try:
        return media_type_of(base64.b64decode(start))
    except ValueError:
        return ""


def audio_format(data: str, stated: str) -> str:
    """The format of audio in the words of OpenAI's API, such as `mp3` for `audio/mpeg`.

    Args:
        data: The audio in Base64.
        stated: Its media type or format. If empty, it is detected from the data.
    """
    media_type = stated.lower().partition(";")[0].strip() or media_type_of_base64(data) or "wav"
    subtype = media_type.rpartition("/")[2]
    return _AUDIO_FORMATS.get(subtype, subtype)


def is_text_type(media_type: str) -> bool:
    """Whether a media type is text."""
    kind = media_type.lower().partition(";")[0].strip()
    return kind.startswith("text/") or kind.endswith(_TEXT_TYPES)


def checked_part(part: Json, media_type: str | None = None) -> Json:
    """Check the data in a message part, and remove white space from its Base64.

    Args:
        part: Any part. Parts other than images, audio and video are returned unchanged.
        media_type: The stated media type. Default: the one in the part.

    Raises:
        ValueError: It cannot be sent; the message is the reason.
    """
    name = part["type"]
    fields = part[name] if name == "input_audio" or name.endswith("_url") else {}
    if name == "input_audio":
        stated = "audio/wav" if media_type is None else media_type
        return {**part, name: {**fields, "data": _checked("audio", fields.get("data", ""), stated)}}
    if not fields:
        return part
    url = fields.get("url", "")
    if not _has_scheme(url):
        raise ValueError(NO_SCHEME)
    if url[:5].lower() != "data:":
        return part
    head, _, data = url.partition(",")
    stated, *options = head[5:].split(";")
    if not options or options[-1].strip().lower() != "base64":
        raise ValueError("its `data:` URL is not in Base64")
    data = _checked(name.removesuffix("_url"), data, stated if media_type is None else media_type)
    return {**part, name: {**fields, "url": f"{head},{data}"}}


def _checked(kind: str, data: str, media_type: str) -> str:
    data = "".join(data.split())  # encoders insert line breaks
    if problem := media_problem(kind, data, media_type):
        raise ValueError(problem)
    return data


def media_problem(kind: str, data: str, media_type: str = "") -> str:
    """The reason why an image, audio or video cannot be sent; empty if it can.

    Args:
        kind: "image", "audio" or "video".
        data: The data in Base64, without white space.
        media_type: The stated media type. It is trusted, unless the data are a document or text.
    """
    if not data:
        return "its data are empty"
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError:
        return "its data are not Base64"
    if len(raw) > LIMIT:
        return too_large_message(len(raw))
    found = media_type_of(raw[:_HEAD]) or ("text/plain" if _is_text(raw) else "")
    is_trusted = "/" in media_type and found.partition("/")[0] in {"", "image", "audio", "video"}
    actual = media_type if is_trusted else found
    return f"its data are {actual}, not {kind}" if actual and not _is_kind(actual, kind) else ""


def too_large_message(size: int) -> str:
    """The error text for data of `size` bytes, which is over the limit."""
    return f"its data have {size / 2**20:.0f} MB, and at most {LIMIT // 2**20} MB can be sent: pass a URL"


def _is_kind(media_type: str, kind: str) -> bool:
    if media_type in _CONTAINERS:
        return kind in {"audio", "video"}
    return media_type.startswith(f"{kind}/") or media_type == _UNKNOWN


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return len(data.translate(None, _CONTROLS)) == len(data)


def _has_scheme(url: str) -> bool:
    """Whether a URL has a scheme. One letter and a colon are a Windows drive."""
    scheme, colon, _ = url.partition(":")
    return bool(colon) and len(scheme) > 1 and not set(scheme) - {*ascii_letters, *digits, *"+-."}
