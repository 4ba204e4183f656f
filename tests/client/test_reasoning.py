"""Reasoning between tags is separated from text, wherever the stream is split."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tir_client.protocol.reasoning import ThinkSplitter


def split(pieces: list[str]) -> tuple[str, str]:
    splitter = ThinkSplitter()
    pairs = [splitter.feed(piece) for piece in pieces] + [splitter.flush()]
    return "".join(reasoning for reasoning, _ in pairs), "".join(text for _, text in pairs)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>\nHm.\n</think>\n\nYes.", ("Hm.", "Yes.")),
        ("\n <think>Hm.</think>Yes.", ("Hm.", "Yes.")),
        ("<think></think>Yes.", ("", "Yes.")),
        ("<think>cut off", ("cut off", "")),
        ("<think>cut off</thi", ("cut off</thi", "")),
        ("Yes.", ("", "Yes.")),
        ("  Yes.", ("", "  Yes.")),
        ("", ("", "")),
        ("<thin", ("", "<thin")),
        ("<thinking>no</thinking>", ("", "<thinking>no</thinking>")),
        ("The tag <think>a</think> is text here.", ("", "The tag <think>a</think> is text here.")),
        ("<think>a</think>b<think>c</think>", ("a", "b<think>c</think>")),
        ("<think>a < b\n\nc</think>\r\nd", ("a < b\n\nc", "d")),
        ("<think>\n\na\n\n</think>b", ("\na\n", "b")),
        ("<think>a</think>\n b", ("a", " b")),
        ("<think>a</think>Xb", ("a", "Xb")),
    ],
)
def test_text_is_split_the_same_way_for_any_pieces(text, expected):
    assert expected == split([text])
    assert expected == split(list(text))
    for cut in range(len(text)):
        assert expected == split([text[:cut], text[cut:]])


WHOLE = re.compile(r"\s*<think>\n?(.*?)(?:\n?</think>[\r\n]*(.*))?", re.DOTALL)


@given(st.lists(st.sampled_from(["<think>", "</think>", "\n", "<", "</", "th", "a", "</think", ">", "é"]), max_size=12))
def test_pieces_are_split_as_a_pattern_splits_the_whole_text(pieces):
    whole = "".join(pieces)
    found = WHOLE.fullmatch(whole)

    assert split(pieces) == ((found[1], found[2] or "") if found else ("", whole))


def test_text_that_cannot_be_part_of_a_tag_is_returned_at_once():
    splitter = ThinkSplitter()
    pieces = ["<thi", "nk>", "\n", "abc", "d/th", "e</thi", "x", "\n", "f\n</", "think", ">", "\n", "g", "h"]

    assert [splitter.feed(piece) for piece in pieces] == [
        ("", ""),
        ("", ""),
        ("", ""),
        ("abc", ""),
        ("d/th", ""),
        ("e", ""),
        ("</thix", ""),
        ("", ""),
        ("\nf", ""),
        ("", ""),
        ("", ""),
        ("", ""),
        ("", "g"),
        ("", "h"),
    ]
    assert splitter.flush() == ("", "")


@pytest.mark.parametrize("begun", ["", "<thi", "<think>", "<think>a", "<think>a</think>", "a"])
def test_text_after_the_end_is_not_split(begun):
    splitter = ThinkSplitter()
    splitter.feed(begun)
    splitter.flush()

    assert splitter.feed("<think>b") == ("", "<think>b")
