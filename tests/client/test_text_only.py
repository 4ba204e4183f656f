"""Images, audio and video in tool results are replaced by text for models that read text only."""

from __future__ import annotations

import pytest

from tests.client.paths import request
from tir_client.models import reads_text_only
from tir_client.protocol.messages import audio_part, media_part, text_part, tool_message
from tir_client.protocol.text_only import for_text_only

PICTURE = media_part("image", "data:image/png;base64,AAAA")


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (PICTURE, "[image: image/png, 3 bytes]"),
        (media_part("image", "https://a/b.png"), "[image: https://a/b.png]"),
        (media_part("video", "data:video/mp4;base64,AAAAAAAA"), "[video: video/mp4, 6 bytes]"),
        (media_part("audio", "https://a/b.mp3"), "[audio: https://a/b.mp3]"),
        (audio_part("AAAA", "mp3"), "[audio: audio/mp3, 3 bytes]"),
    ],
)
def test_media_in_the_result_of_a_tool_are_named(part, shown):
    asked = request(messages=[tool_message("c1", [text_part("See:"), part])])

    (message,) = for_text_only(asked).messages

    assert message == {"role": "tool", "tool_call_id": "c1", "content": f"See:\n{shown}"}
    assert asked.messages[0]["content"][1] == part


def test_other_messages_are_not_changed():
    asked = request(messages=[{"role": "user", "content": [PICTURE]}, tool_message("c1", "31 °C")])

    assert for_text_only(asked) is asked


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt_oss_120b", True),
        ("openai/gpt-oss-20b", True),
        ("phi_4", True),
        ("qwen2_vl_72b_instruct", False),
        ("my_own_model", False),
    ],
)
def test_only_known_models_count_as_reading_text_only(model, expected):
    assert reads_text_only(model) == expected
