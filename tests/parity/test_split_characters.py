"""A gateway that splits characters or sends half of one: all clients return the same text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.parity.paths import Script, Turn
from tests.parity.test_parity import through_all
from tir_sandbox import Reply

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def answer(pieces: list[dict[str, Any]]) -> Reply:
    """An answer whose JSON has escapes, streamed in these pieces or sent whole."""
    head = {"id": "c", "model": "gpt_oss_120b"}
    message = {name: "".join(piece.get(name, "") for piece in pieces) for name in ("content", "reasoning")}
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
    reply = answer([{"reasoning": piece} for piece in pieces] + [{"content": piece} for piece in pieces])

    got = await through_all(Script((Turn("user", "Hi"),)), sandbox, endpoint, reply)

    assert (got.text, got.reasoning) == (text, text)
