"""Types and sizes of images, audio and video. No I/O."""

from __future__ import annotations

import base64
import copy
import re
from typing import Any

import pytest

from tir_client.protocol import media
from tir_client.protocol.media import checked_part, is_text_type, media_problem, media_type_of, too_large_message

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
def test_a_media_type_is_recognized_by_the_first_bytes_before_the_name(media_type):
    assert media_type_of(HEADS[media_type], "a.txt") == media_type


@pytest.mark.parametrize(
    ("name", "media_type"), [("a.jpg", "image/jpeg"), ("A.MP3", "audio/mpeg"), ("a", ""), ("", "")]
)
def test_a_media_type_is_otherwise_taken_from_the_name(name, media_type):
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
    ("given", "problem"),
    [
        ("image/jpeg", ""),
        ("application/octet-stream", ""),
        ("png", ""),
        ("", ""),
        ("application/pdf", "its data are application/pdf, not image"),
        ("imagery/png", "its data are imagery/png, not image"),
    ],
)
def test_a_given_media_type_is_checked(given, problem):
    assert media_problem("image", encoded(HEADS["image/png"]), given) == problem


@pytest.mark.parametrize("found", ["image/png", "audio/wav", "video/x-msvideo"])
def test_a_given_type_replaces_the_detected_one(found):
    assert media_problem("image", encoded(HEADS[found]), "image/png") == ""


def test_unknown_data_are_sent_to_the_server():
    assert media_problem("image", encoded(b"\0\1\2")) == ""


def test_unknown_data_have_the_given_type():
    problem = media_problem("image", encoded(b"\0\1\2"), "application/pdf")

    assert problem == "its data are application/pdf, not image"


@pytest.mark.parametrize("data", ["x", "!!notb64!!", "AAA", "AA=A", "A!AAA", "é"])
def test_data_that_are_not_base64_are_a_problem(data):
    assert media_problem("image", data) == "its data are not Base64"


@pytest.mark.parametrize(
    ("data", "is_text"),
    [(b"a note\r\n", True), ("Größe".encode(), True), (b"a\0", False), (b"a" * 99 + b"\xff", False)],
)
def test_text_given_as_an_image_is_a_problem(data, is_text):
    assert media_problem("image", encoded(data), "image/png") == (
        "its data are text/plain, not image" if is_text else ""
    )


PNG = encoded(HEADS["image/png"])


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "data:,"},
        image("https://a:80/b"),
        image("s3://a/b"),
        image("file:///a.png"),
        image(f"DATA:image/png;a=b;base64,{PNG}"),
        image(f"data:;base64,{PNG}"),
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": encoded(b"\0\1\2"), "format": "wav"}},
    ],
)
def test_a_part_that_can_be_sent_is_not_changed(part):
    assert checked_part(part) == part


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", media.NO_SCHEME),
        ("/etc/passwd", media.NO_SCHEME),
        ("a/b:c", media.NO_SCHEME),
        (r"C:\a.png", media.NO_SCHEME),
        (PNG, media.NO_SCHEME),
        ("data:image/png;base64,", "its data are empty"),
        ("data:image/png", "its `data:` URL is not in Base64"),
        ("data:image/png,a", "its `data:` URL is not in Base64"),
        ("data:image/png;base64,AAAA,AAAA", "its data are not Base64"),
        (f"data:application/pdf;base64,{PNG}", "its data are application/pdf, not image"),
        (f"data:image/png;base64,{encoded(HEADS['application/pdf'])}", "its data are application/pdf, not image"),
    ],
)
def test_a_url_that_cannot_be_sent_is_an_error(url, problem):
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        checked_part(image(url))


@pytest.mark.parametrize(("name", "problem"), [("image_url", media.NO_SCHEME), ("input_audio", "its data are empty")])
def test_a_part_without_its_url_or_data_is_an_error(name, problem):
    with pytest.raises(ValueError, match=problem):
        checked_part({"type": name, name: {"detail": "low"}})


def test_a_given_media_type_replaces_that_of_the_part():
    audio = {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}

    with pytest.raises(ValueError, match="image/png, not audio"):
        checked_part(audio, "")
    assert checked_part(audio, "audio/wav") == audio
    with pytest.raises(ValueError, match="audio/wav, not image"):
        checked_part(image(f"data:image/png;base64,{PNG}"), "audio/wav")


def test_white_space_in_base64_is_removed_from_a_copy_of_the_part():
    lines = f"{PNG[:4]}\r\n {PNG[4:]}\n"
    part = image(f"data:image/png;base64,{lines}")
    before = copy.deepcopy(part)

    assert checked_part(part) == image(f"data:image/png;base64,{PNG}")
    assert part == before
    audio = checked_part({"type": "input_audio", "input_audio": {"data": lines, "format": "wav"}})
    assert audio["input_audio"] == {"data": PNG, "format": "wav"}


def test_empty_data_are_a_problem():
    assert media_problem("image", "") == "its data are empty"


def test_large_data_are_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(media, "LIMIT", 2**20)
    data = HEADS["image/png"] + bytes(2**20 - len(HEADS["image/png"]))

    assert media_problem("image", encoded(data)) == ""
    assert media_problem("image", encoded(data + b"\0")) == too_large_message(2**20 + 1)
    assert media_problem("image", encoded(data + bytes(2**20))) == (
        "its data have 2 MB, and at most 1 MB can be sent: pass a URL"
    )


@pytest.mark.parametrize(
    "media_type", ["text/plain", "Text/CSV; charset=utf-8", "application/json", "application/toml"]
)
def test_media_types_of_text_are_recognized(media_type):
    assert is_text_type(media_type)


@pytest.mark.parametrize("media_type", ["", "application/pdf", "image/png", "context/plain"])
def test_other_types_are_not_text(media_type):
    assert not is_text_type(media_type)
