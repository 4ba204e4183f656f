"""Answers of gateways that split characters or send content in parts: the same text on all paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.parity.paths import Script, Turn
from tests.parity.test_parity import through_all
from tir_sandbox import Reply

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def answer(message: dict[str, Any], pieces: list[dict[str, Any]]) -> Reply:
    """An answer whose JSON has escapes, sent whole or streamed in these pieces."""
    head = {"id": "c", "model": "gpt_oss_120b"}
    events = [
        *({"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces),
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": USAGE},
    ]
    whole = {**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE}
    return Reply(body=json.dumps(whole), chunks=[json.dumps({**head, **event}) for event in events])


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83d", "\ude42b"], "a🙂b"),
        (["\ud83d", "\ude42\ud83d", "\ude43"], "🙂🙃"),
        (["a\ud83d", "", "b"], "a\ufffdb"),
        (["a\ud83d", "b\ude42"], "a\ufffdb\ufffd"),
        (["a", "b \ud835 c", "d\ud835"], "ab \ufffd cd\ufffd"),
    ],
)
async def test_a_split_character_is_joined_and_half_of_one_is_replaced(sandbox, endpoint, pieces, text):
    whole = dict.fromkeys(("reasoning", "content"), "".join(pieces))
    reply = answer(whole, [{name: piece} for name in whole for piece in pieces])

    got = await through_all(Script((Turn("user", "Hi"),)), sandbox, endpoint, reply)

    assert (got.text, got.reasoning) == (text, text)


async def test_an_image_in_an_answer_is_a_placeholder_in_its_text(sandbox, endpoint):
    parts = [{"type": "text", "text": "See: "}, {"type": "image_url", "image_url": {"url": "https://a/b.png"}}]

    got = await through_all(
        Script((Turn("user", "Hi"),)),
        sandbox,
        endpoint,
        answer({"content": parts}, [{"content": [part]} for part in parts]),
    )

    assert got.text == 'See: [image_url: {"image_url": {"url": "https://a/b.png"}}]'
