"""JSON of a server with half a character in an event."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tir_client.protocol.json_text import replace_surrogates
from tir_client.protocol.server_json import ends_in_half, join_halves, load

ANY_TEXT = st.text(st.characters() | st.sampled_from("\ud83d\ude42\"\\u'd8"), max_size=12)


def escaped(value: object) -> bytes:
    return json.dumps(value).encode()


@given(ANY_TEXT)
def test_half_a_character_becomes_the_replacement_character(text):
    assert load(escaped({"a": text, text: 1})) == {"a": replace_surrogates(text), replace_surrogates(text): 1}


@pytest.mark.parametrize("content", [b"", b"<p>", b'{"a": "\\ud83d', b'"\\ud8"', b'"\\x"', b'"\xff"'])
def test_what_is_not_json_is_an_error(content):
    with pytest.raises(ValueError, match=r"line 1"):
        load(content)


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("a\ud83d", True),
        ("\ud83d", True),
        ('"\ud83d', True),
        ("\\\ud83d", True),
        ("\ud83da", False),
        ("\ud83d\ude42", False),
        ("\ude42", False),
        (r"\ud83d", False),
        ("a", False),
    ],
)
def test_an_event_that_ends_in_half_a_character_is_found(text, ends):
    assert ends_in_half(escaped({"a": {"b": text}, "c": "d"})) is ends


@given(ANY_TEXT, ANY_TEXT)
def test_the_halves_of_a_character_are_joined(before, after):
    first, second = join_halves(escaped({"a": before + "\ud83d"}), escaped({"a": "\ude42" + after}))

    assert load(first)["a"] + load(second)["a"] == replace_surrogates(before + "\ud83d\ude42" + after)


@pytest.mark.parametrize(
    ("before", "after"), [("a\ud83d", "b"), ("a", "\ude42b"), ("a\ud83d", 'b"\ude42'), ("a\ud83d", "")]
)
def test_events_without_both_halves_stay_as_they_are(before, after):
    assert join_halves(escaped(before), escaped(after)) == (escaped(before), escaped(after))
