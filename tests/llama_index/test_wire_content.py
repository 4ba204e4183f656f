"""LlamaIndex's less common blocks in their wire form."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    VideoBlock,
)

from llama_index_tir._content import to_content
from tir_client import InvalidRequestError

HINT = CachePoint(cache_control=CacheControl(type="ephemeral"))
THOUGHT = ThinkingBlock(content="Hm.")


def citable(*content: Any) -> CitableBlock:
    return CitableBlock(title="Rivers", source="atlas", content=list(content))


def test_a_citable_block_is_its_title_source_and_content_and_a_hint_is_nothing():
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


def test_a_citation_holds_only_what_it_cites():
    block = CitationBlock(cited_content=TextBlock(text="a"), source="s", title="t", additional_location_info={})
    assert to_content([block], "user") == "a"
