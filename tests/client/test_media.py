"""Types and sizes of images, audio and video. No I/O."""

from __future__ import annotations

import base64

import pytest

from tir_client.protocol import media
from tir_client.protocol.media import media_problem, media_type_of

HEADS = {
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "image/gif": b"GIF89a",
    "image/tiff": b"II*\0",
    "image/webp": b"RIFF\x24\n\0\0WEBPVP8 ",
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "video/x-msvideo": b"RIFF\x24\0\0\0AVI LIST",
    "audio/mpeg": b"\xff\xfb\x90\x64",
    "audio/flac": b"fLaC",
    "audio/ogg": b"OggS",
    "image/heic": b"\0\0\0\x18ftypheic",
    "audio/mp4": b"\0\0\0\x18ftypM4A ",
    "video/mp4": b"\0\0\0\x18ftypisom",
    "video/webm": b"\x1aE\xdf\xa3",
    "application/pdf": b"%PDF-1.7",
    "application/zip": b"PK\x03\x04",
    "text/html": b"<!doctype html>",
}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("media_type", HEADS)
def test_a_type_is_told_by_the_first_bytes_whatever_the_name(media_type):
    assert media_type_of(HEADS[media_type], "a.txt") == media_type


@pytest.mark.parametrize(
    ("name", "media_type"), [("a.jpg", "image/jpeg"), ("A.MP3", "audio/mpeg"), ("a", ""), ("", "")]
)
def test_else_the_name_tells_it(name, media_type):
    assert media_type_of(b"\0\1\2", name) == media_type


@pytest.mark.parametrize("media_type", HEADS)
def test_data_of_another_kind_are_a_problem(media_type):
    right = {media_type.partition("/")[0]}
    if media_type in {"video/mp4", "video/webm", "audio/ogg"}:  # their files may hold either
        right = {"audio", "video"}

    for kind in ("image", "audio", "video"):
        problem = media_problem(kind, encoded(HEADS[media_type] + bytes(100)))
        assert problem == ("" if kind in right else f"its data are {media_type}, not {kind}")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("image/jpeg", ""),
        ("application/octet-stream", ""),
        ("png", ""),
        ("", ""),
        ("application/pdf", "its data are application/pdf, not image"),
        ("imagery/png", "its data are imagery/png, not image"),
    ],
)
def test_a_type_that_is_said_is_checked_too(said, problem):
    assert media_problem("image", encoded(HEADS["image/png"]), said) == problem


def test_unknown_data_and_data_that_are_not_base64_are_left_to_the_server():
    assert media_problem("image", encoded(b"\0\1\2")) == ""
    assert media_problem("image", "x") == ""


def test_empty_data_are_a_problem():
    assert media_problem("image", "") == "its data are empty"


def test_large_data_are_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media, "LIMIT", 2**20)
    data = HEADS["image/png"] + bytes(2**20 - len(HEADS["image/png"]))

    assert media_problem("image", encoded(data)) == ""
    assert media_problem("image", encoded(data + bytes(2**20))) == (
        "its data have 2 MB, and at most 1 MB can be sent: pass a URL"
    )
