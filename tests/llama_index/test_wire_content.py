"""LlamaIndex's less common blocks in their wire form."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_tir._content import to_content
from llama_index_tir._placeholders import placeholder
from tir_client import InvalidRequestError

if TYPE_CHECKING:
    from pathlib import Path

HINT = CachePoint(cache_control=CacheControl(type="ephemeral"))
THOUGHT = ThinkingBlock(content="Hm.")


def citable(*content: Any) -> CitableBlock:
    return CitableBlock(title="Rivers", source="atlas", content=list(content))


def test_a_citable_block_has_title_source_and_content_and_a_hint_is_ignored():
    assert to_content([HINT, citable(TextBlock(text="They run."))], "user") == "Rivers (atlas):\nThey run."


def test_a_block_inside_another_is_refused_with_the_role():
    document = DocumentBlock(data=b"x", title="t", document_mimetype="application/pdf")
    assert to_content([TextBlock(text="a")], "tool") == "a"
    with pytest.raises(InvalidRequestError) as raised:
        to_content([THOUGHT], "user")
    assert "ThinkingBlock" in str(raised.value)
    assert "user" in str(raised.value)
    with pytest.raises(InvalidRequestError, match="reader"):
        to_content([citable(document)], "user")


def test_media_keep_their_type_and_detail():
    image = ImageBlock(image=b"\xff\xd8\xff", image_mimetype="image/x")
    (part,) = to_content([image], "user")
    assert part["image_url"]["url"].startswith("data:image/x;base64,")
    (part,) = to_content([VideoBlock(url="https://a/b", detail="low")], "user")
    assert part == {"type": "video_url", "video_url": {"url": "https://a/b", "detail": "low"}}
    with pytest.raises(InvalidRequestError, match="mm_processor_kwargs"):
        to_content([VideoBlock(url="https://a/b", fps=2)], "user")


def test_a_citation_has_only_the_cited_text():
    block = CitationBlock(cited_content=TextBlock(text="a"), source="s", title="t", additional_location_info={})
    assert to_content([block], "user") == "a"


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (ImageBlock(url="https://a/b.png", detail="high"), {"url": "https://a/b.png", "detail": "high"}),
        (VideoBlock(video=b"\0\1\xff", video_mimetype="video/webm"), {"url": "data:video/webm;base64,AAH/"}),
        (AudioBlock(url="https://a/b.mp3"), {"url": "https://a/b.mp3"}),
    ],
)
def test_media_are_parts_of_their_kind(block: Any, part: dict[str, Any]):
    kind = f"{block.block_type}_url"

    assert to_content([block], "user") == [{"type": kind, kind: part}]


@pytest.mark.parametrize(
    ("block", "url"),
    [
        (ImageBlock(image=b"\0\1\xff"), "data:image/png;base64,AAH/"),
        (VideoBlock(video=b"\0\1\xff"), "data:video/mp4;base64,AAH/"),
    ],
)
def test_media_of_unknown_type_get_a_default_type(block: Any, url: str):
    block = block.model_copy(update={f"{block.block_type}_mimetype": None})
    (part,) = to_content([block], "user")

    assert part[f"{block.block_type}_url"] == {"url": url}


def test_audio_data_have_their_format():
    part = {"type": "input_audio", "input_audio": {"data": "AAH/", "format": "mp3"}}

    assert to_content([AudioBlock(audio=b"\0\1\xff", format="mp3")], "user") == [part]


@pytest.mark.parametrize(
    "media_type",
    [None, "text/plain", "TEXT/Markdown; charset=utf-8", "application/json", "application/ld+json ", "x/sql"],
)
def test_documents_of_text_are_their_title_and_text(media_type: str | None):
    document = DocumentBlock.model_construct(
        data=base64.b64encode("Größe".encode()), title="t", document_mimetype=media_type, path=None, url=None
    )

    assert to_content([document], "user") == "t:\nGröße"


def test_a_document_may_be_a_data_url_or_a_file(tmp_path: Path):
    (tmp_path / "a.txt").write_text("They run.")

    assert to_content([DocumentBlock(url="data:text/plain;base64,VGhleSBydW4u", title="t")], "user") == "t:\nThey run."
    assert to_content([DocumentBlock(path=tmp_path / "a.txt", title="t")], "user") == "t:\nThey run."


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "https://a/b.txt"}, r"^The DocumentBlock 't' has only a URL\. Load the document"),
        (
            {"data": b"x", "document_mimetype": "application/pdf; v=1"},
            r"^The DocumentBlock 't' has media type 'application/pdf; v=1', which cannot be sent\. Extract its text",
        ),
        ({"data": base64.b64encode(b"\xff")}, r"^The DocumentBlock 't' is not text in UTF-8: 'utf-8' codec"),
        ({"path": "/no/such/file.txt"}, r"^The DocumentBlock 't' cannot be read: .*No such file"),
    ],
)
def test_a_document_that_cannot_be_sent_is_refused_with_its_title(fields: dict[str, Any], message: str):
    with pytest.raises(InvalidRequestError, match=message):
        to_content([DocumentBlock(title="t", **fields)], "user")


def test_media_that_cannot_be_read_are_refused_with_their_kind(tmp_path: Path):
    (path := tmp_path / "a.png").write_bytes(b"abc")
    image = ImageBlock(path=path)
    path.unlink()

    with pytest.raises(InvalidRequestError, match=r"^The data of the ImageBlock cannot be read: .*No such file"):
        to_content([image], "user")


@pytest.mark.parametrize(
    ("role", "content"),
    [
        ("assistant", "[image: image/png, https://a/b.png]"),
        ("tool", [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]),
    ],
)
def test_an_answer_has_only_text_and_a_result_may_have_images(role: str, content: Any):
    assert to_content([ImageBlock(url="https://a/b.png", image_mimetype="image/png")], role) == content


@pytest.mark.parametrize("role", ["assistant", "tool"])
def test_blocks_of_a_model_or_a_tool_that_cannot_be_sent_are_replaced(role: str):
    assert (
        to_content([VideoBlock(video=b"abc", fps=2, video_mimetype="video/mp4")], role) == "[video: video/mp4, 3 bytes]"
    )


class InvoiceBlock(BaseContentBlock):
    """A block of another package."""

    block_type: str = "invoice"
    number: int = 7


@pytest.mark.parametrize(
    ("block", "line"),
    [
        (THOUGHT, '[thinking: "Hm."]'),
        (ToolCallBlock(tool_name="get_time", tool_kwargs={"city": "Pune"}), '[tool_call get_time: {"city": "Pune"}]'),
        (InvoiceBlock(), '[invoice: {"block_type": "invoice", "number": 7}]'),
        (CacheControl(type="ephemeral", ttl="5m"), '[CacheControl: {"ttl": "5m"}]'),
        (frozenset({7}), '[frozenset: "frozenset({7})"]'),
        (DocumentBlock(data=b"", title="Plan", document_mimetype="text/plain"), "[document: Plan, text/plain]"),
        (ImageBlock.model_construct(image=b"\xff\xffA=", path="/tmp/a.png", url=None), "[image: a.png, 2 bytes]"),
    ],
)
def test_every_kind_of_block_has_a_placeholder_line(block: Any, line: str):
    assert placeholder(block) == line
