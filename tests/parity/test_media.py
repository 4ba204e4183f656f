"""Images, audio and video of a user: by URL, as data and from files, the same from both integrations."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.base.llms.types import AudioBlock, ChatMessage, ImageBlock, VideoBlock

from langchain_tir import ChatTIR, media_block
from llama_index_tir import TIR
from tir_client import InvalidRequestError
from tir_client.protocol import media

FILES = {
    "image": ("a.png", b"\x89PNG\r\n\x1a\n", "image/png"),
    "audio": ("a.wav", b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
    "video": ("a.mp4", b"\0\0\0\x18ftypisom", "video/mp4"),
}
BLOCKS = {"image": ImageBlock, "audio": AudioBlock, "video": VideoBlock}
KIND = pytest.mark.parametrize("kind", FILES)


def langchain(endpoint: dict[str, Any], *blocks: Any) -> None:
    ChatTIR(**endpoint).invoke([HumanMessage(list(blocks))])


def llama_index(endpoint: dict[str, Any], *blocks: Any) -> None:
    TIR(**endpoint).chat([ChatMessage(blocks=list(blocks))])


def content(sandbox) -> list[Any]:
    return [request.body["messages"][0]["content"] for request in sandbox.requests]


@KIND
def test_a_file_is_sent_with_its_type(kind, sandbox, endpoint, tmp_path: Path):
    name, data, media_type = FILES[kind]
    path = tmp_path / name
    path.write_bytes(data)

    langchain(endpoint, media_block(path))
    llama_index(endpoint, BLOCKS[kind](path=path))

    encoded = base64.b64encode(data).decode()
    part = {f"{kind}_url": {"url": f"data:{media_type};base64,{encoded}"}, "type": f"{kind}_url"}
    if kind == "audio":
        part = {"input_audio": {"data": encoded, "format": "wav"}, "type": "input_audio"}
    assert content(sandbox) == [[part]] * 2


AUDIO = {
    "mp3": (b"ID3\x03", "audio/mpeg"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt ", "audio/x-wav"),
    "flac": (b"fLaC\0", "audio/flac"),
    "ogg": (b"OggS\0", "audio/ogg"),
    "m4a": (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
}


@pytest.mark.parametrize("audio_format", AUDIO)
def test_audio_is_sent_with_the_format_that_openai_names(audio_format, sandbox, endpoint, tmp_path: Path):
    data, media_type = AUDIO[audio_format]
    path = tmp_path / f"a.{audio_format}"
    path.write_bytes(data)
    encoded = base64.b64encode(data).decode()
    block = {"type": "audio", "base64": encoded}

    langchain(endpoint, media_block(path), {**block, "mime_type": media_type}, block)
    llama_index(endpoint, AudioBlock(path=path), AudioBlock(audio=data, format=media_type), AudioBlock(audio=data))

    part = {"type": "input_audio", "input_audio": {"data": encoded, "format": audio_format}}
    assert content(sandbox) == [[part] * 3] * 2


def test_the_type_of_a_video_is_detected_if_it_is_not_stated(sandbox, endpoint):
    data = b"\x1aE\xdf\xa3\x9fB"
    encoded = base64.b64encode(data).decode()

    langchain(endpoint, {"type": "video", "base64": encoded})
    llama_index(endpoint, VideoBlock(video=data))

    assert content(sandbox) == [[{"type": "video_url", "video_url": {"url": f"data:video/webm;base64,{encoded}"}}]] * 2


@KIND
def test_data_and_urls_are_sent_in_the_same_form(kind, sandbox, endpoint):
    _, data, media_type = FILES[kind]
    url = f"https://example.invalid/{kind}"
    own = {"format": "wav"} if kind == "audio" else {f"{kind}_mimetype": media_type}
    encoded = base64.b64encode(data).decode()

    langchain(endpoint, {"type": kind, "base64": encoded, "mime_type": media_type}, {"type": kind, "url": url})
    llama_index(endpoint, BLOCKS[kind](**{kind: data, **own}), BLOCKS[kind](url=url))

    one, other = content(sandbox)
    assert one == other
    assert one[1] == {"type": f"{kind}_url", f"{kind}_url": {"url": url}}  # which only the server would load


@KIND
def test_data_of_another_kind_are_refused_with_the_reason(kind, sandbox, endpoint, tmp_path: Path):
    path = tmp_path / "page"
    path.write_bytes(b"%PDF-1.7")
    encoded = base64.b64encode(b"%PDF-1.7").decode()

    with pytest.raises(InvalidRequestError, match=rf"messages\[0\].*'{kind}'.*data are application/pdf, not {kind}"):
        langchain(endpoint, {"type": kind, "base64": encoded, "mime_type": f"{kind}/any"})
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\].*{kind.title()}Block.*application/pdf, not {kind}"):
        llama_index(endpoint, BLOCKS[kind](path=path))
    with pytest.raises(InvalidRequestError, match="'page' cannot be sent: its type is application/pdf"):
        media_block(path)
    assert not sandbox.requests


@KIND
def test_large_files_are_refused_without_being_read(kind, sandbox, endpoint, tmp_path: Path):
    path = tmp_path / FILES[kind][0]
    with path.open("wb") as file:
        file.truncate(media.LIMIT + 1)  # a sparse file, which takes no space on the disk

    message = "have 64 MB, and at most 64 MB can be sent: pass a URL"
    with pytest.raises(InvalidRequestError, match=message):
        media_block(path)
    with pytest.raises(InvalidRequestError, match=message):
        llama_index(endpoint, BLOCKS[kind](path=path))
    assert not sandbox.requests


@KIND
def test_empty_files_are_refused(kind, endpoint, tmp_path: Path):
    path = tmp_path / FILES[kind][0]
    path.touch()

    with pytest.raises(InvalidRequestError, match=f"'{path.name}' cannot be sent: its data are empty"):
        media_block(path)
    with pytest.raises(InvalidRequestError, match="Block cannot be sent: its data are empty"):
        llama_index(endpoint, BLOCKS[kind](path=path))
    with pytest.raises(InvalidRequestError, match=f"'{kind}'.* cannot be sent in a user message: its data are empty"):
        langchain(endpoint, {"type": kind, "base64": "", "mime_type": FILES[kind][2]})


def test_files_that_cannot_be_read_or_sent_are_refused_by_name(endpoint, tmp_path: Path):
    (tmp_path / "a.txt").write_text("x")

    for path, message in (
        (tmp_path / "none.png", "No such file"),
        (tmp_path, "cannot be"),
        (tmp_path / "a.txt", "'a.txt'"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            media_block(path)
    gone = tmp_path / "gone.png"
    gone.write_bytes(FILES["image"][1])
    block = ImageBlock(path=gone)
    gone.unlink()
    with pytest.raises(InvalidRequestError, match="No such file"):
        llama_index(endpoint, block)


def test_data_of_another_kind_in_a_tools_result_do_not_end_the_run(sandbox, endpoint):
    call = {"id": "1", "name": "draw", "args": {}}
    image = {"type": "image", "base64": base64.b64encode(b"%PDF-1.7").decode(), "mime_type": "image/png"}
    history = [HumanMessage("Draw."), AIMessage("", tool_calls=[call]), ToolMessage([image], tool_call_id="1")]

    ChatTIR(**endpoint).invoke(history)

    assert "image" in str(sandbox.requests[-1].body["messages"][2]["content"])


WITHIN = {
    "a PDF inside": (f"data:%s/any;base64,{base64.b64encode(b'%PDF-1.7').decode()}", "application/pdf, not %s"),
    "a page inside": (f"data:%s/any;base64,{base64.b64encode(b'<html>').decode()}", "text/html, not %s"),
    "text inside": (f"data:%s/any;base64,{base64.b64encode(b'a note').decode()}", "text/plain, not %s"),
    "a document's type": ("data:application/pdf;base64,AAAA", "application/pdf, not %s"),
    "nothing inside": ("data:%s/any;base64,", "its data are empty"),
    "no Base64": ("data:%s/any;base64,!!notb64!!", "its data are not Base64"),
    "no claim of Base64": ("data:%s/any,AAAA", "its `data:` URL is not in Base64"),
}


@KIND
@pytest.mark.parametrize(("url", "problem"), WITHIN.values(), ids=WITHIN)
def test_data_urls_are_checked(kind, url, problem, sandbox, endpoint):
    url, problem = (text.replace("%s", kind) for text in (url, problem))
    parts = [{"type": f"{kind}_url", f"{kind}_url": {"url": url}}, {"type": kind, "url": url}]

    for part in [*parts, {"type": "input_image", "image_url": url}][: 3 if kind == "image" else 2]:
        with pytest.raises(InvalidRequestError, match=rf"messages\[0\]: .*cannot be sent.*{problem}"):
            langchain(endpoint, part)
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\]: .*cannot be sent.*{problem}"):
        llama_index(endpoint, BLOCKS[kind](url=url))
    assert not sandbox.requests


def test_a_file_path_given_as_a_url_is_refused_with_advice(endpoint):
    with pytest.raises(InvalidRequestError, match=r"has no scheme.*; `media_block\(path\)` reads a file"):
        langchain(endpoint, {"type": "image_url", "image_url": {"url": "/etc/passwd"}})


@KIND
def test_line_breaks_in_base64_are_removed(kind, sandbox, endpoint):
    _, data, media_type = FILES[kind]
    encoded = base64.b64encode(data).decode()
    url, broken = (f"data:{media_type};base64,{text}" for text in (encoded, f"{encoded[:4]}\r\n{encoded[4:]}\n"))

    langchain(endpoint, {"type": kind, "url": broken})
    llama_index(endpoint, BLOCKS[kind](url=broken))
    langchain(endpoint, {"type": kind, "base64": f"{encoded[:4]}\n{encoded[4:]}", "mime_type": media_type})

    *urls, inline = content(sandbox)
    assert urls == [[{"type": f"{kind}_url", f"{kind}_url": {"url": url}}]] * 2
    assert encoded in str(inline)


def test_invalid_base64_is_refused(sandbox, endpoint):
    for kind, (_, _, media_type) in FILES.items():
        with pytest.raises(InvalidRequestError, match="its data are not Base64"):
            langchain(endpoint, {"type": kind, "base64": "!!notb64!!", "mime_type": media_type})
    assert not sandbox.requests


@KIND
def test_text_under_a_wrong_name_is_refused_and_unknown_data_are_sent(kind, sandbox, endpoint, tmp_path: Path):
    name, _, media_type = FILES[kind]
    path = tmp_path / name
    own = {"format": "wav"} if kind == "audio" else {f"{kind}_mimetype": media_type}
    path.write_text("a note")

    with pytest.raises(InvalidRequestError, match=rf"'{name}' cannot be sent: its data are text/plain, not {kind}"):
        media_block(path)
    with pytest.raises(InvalidRequestError, match=f"Block cannot be sent: its data are text/plain, not {kind}"):
        llama_index(endpoint, BLOCKS[kind](path=path, **own))

    path.write_bytes(b"\0\1\2")
    langchain(endpoint, media_block(path))
    llama_index(endpoint, BLOCKS[kind](path=path, **own))
    assert ["AAEC" in str(parts) for parts in content(sandbox)] == [True, True]


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,!", "data:application/pdf;base64,AAAA", "data:image/png;base64,"]
)
def test_data_urls_of_a_tools_result_that_cannot_be_sent_are_named(url, sandbox, endpoint):
    call = {"id": "1", "name": "draw", "args": {}}
    result = [{"type": "text", "text": "Here:"}, {"type": "image_url", "image_url": {"url": url}}]
    ChatTIR(**endpoint).invoke(
        [HumanMessage("Draw."), AIMessage("", tool_calls=[call]), ToolMessage(result, tool_call_id="1")]
    )
    TIR(**endpoint).chat(
        [
            ChatMessage("Draw."),
            ChatMessage(role="tool", blocks=[ImageBlock(url=url)], additional_kwargs={"tool_call_id": "1"}),
        ]
    )

    for request in sandbox.requests:
        assert "[image" in str(request.body["messages"][-1]["content"])
        assert "data:" not in str(request.body)


@pytest.mark.parametrize(("model", "is_sent"), [("gpt_oss_120b", False), ("qwen2_vl_72b_instruct", True)])
def test_an_image_of_a_tool_is_described_for_models_that_read_text_only(model, is_sent, sandbox, endpoint):
    """gpt-oss does not get such an image, and other models of text answer with HTTP 400."""
    endpoint = {**endpoint, "endpoint_id": 45, "model": model}
    encoded = base64.b64encode(FILES["image"][1]).decode()
    block = {"type": "image", "base64": encoded, "mime_type": "image/png"}
    image = ImageBlock(image=encoded.encode(), image_mimetype="image/png")

    ChatTIR(**endpoint).invoke([ToolMessage([block], tool_call_id="c1")])
    TIR(**endpoint).chat([ChatMessage(role="tool", blocks=[image], additional_kwargs={"tool_call_id": "c1"})])

    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
    assert content(sandbox) == [[part] if is_sent else "[image: image/png, 8 bytes]"] * 2


def test_a_profile_with_image_inputs_replaces_the_known_fact(sandbox, endpoint):
    block = {"type": "image", "url": "https://example.invalid/a.png"}

    ChatTIR(**endpoint, profile={"image_inputs": True}).invoke([ToolMessage([block], tool_call_id="c1")])

    assert content(sandbox)[0][0]["type"] == "image_url"
