"""Checks images, audio and video that a message holds itself, before a server has to refuse them. Pure.

Media at a URL are not checked: the server loads them, and nobody else does.
"""

from __future__ import annotations

import base64
import mimetypes
import re

LIMIT = 64 * 2**20
"""Bytes of one image, audio or video in a message. Larger ones belong to a URL: a request is held in memory whole."""

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
"""How files of well-known types begin."""

_UNSAID = "application/octet-stream"
_CONTAINERS = {"video/mp4", "video/webm", "audio/ogg"}
"""Types whose files may hold audio as well as video."""


def media_type_of(head: bytes, name: str = "") -> str:
    """The media type of a file by its first bytes, or else by its name; empty if neither tells it."""
    found = next((kind for pattern, kind in _SIGNATURES if re.match(pattern, head, re.DOTALL | re.IGNORECASE)), "")
    return found or mimetypes.guess_type(name)[0] or ""


def media_problem(kind: str, data: str, media_type: str = "") -> str:
    """Why an image, audio or video cannot be sent; empty if it can.

    Args:
        kind: "image", "audio" or "video".
        data: The data in Base64.
        media_type: What its owner says that it is. It is believed, unless the first bytes are those of a document.
    """
    if not data:
        return "its data are empty"
    size = len(data) * 3 // 4 - data[-2:].count("=")
    if size > LIMIT:
        return too_large(size)
    found = media_type_of(_head(data))
    believed = "/" in media_type and found.partition("/")[0] in {"", "image", "audio", "video"}
    actual = media_type if believed else found
    return f"its data are {actual}, not {kind}" if actual and not _is_kind(actual, kind) else ""


def too_large(size: int) -> str:
    """The problem of data of `size` bytes, more than may be sent."""
    return f"its data have {size / 2**20:.0f} MB, and at most {LIMIT // 2**20} MB can be sent: pass a URL"


def _is_kind(media_type: str, kind: str) -> bool:
    if media_type in _CONTAINERS:
        return kind in {"audio", "video"}
    return media_type.startswith(f"{kind}/") or media_type == _UNSAID


def _head(data: str) -> bytes:
    try:
        return base64.b64decode(data[: _HEAD * 4])
    except ValueError:
        return b""  # not Base64, which the server will say
