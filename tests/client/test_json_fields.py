"""Parts of an answer's JSON; texts and arrays may be null."""

from __future__ import annotations

import pytest

from tir_client import ResponseError
from tir_client.protocol.json_fields import as_dict, as_list, as_str, as_text


def test_a_part_of_the_right_type_is_returned_unchanged():
    value = {"a": 1}

    assert as_dict(value, "x") is value
    assert as_list([value], "x") == [value]
    assert as_list(None, "x") == []


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda: as_dict([1], "x.y"), "^The answer's `x.y` must be an object, not list.$"),
        (lambda: as_dict(None, "x.y"), "^The answer's `x.y` must be an object, not NoneType.$"),
        (lambda: as_list({}, "x.y"), "^The answer's `x.y` must be an array, not dict.$"),
        (lambda: as_text(5), "^A text in the answer must be a string, not int.$"),
        (lambda: as_text([5]), "^A text in the answer must be a string, not int.$"),
    ],
)
def test_a_part_of_another_type_is_an_error_that_names_it(read, words):
    with pytest.raises(ResponseError, match=words):
        read()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([], ""),
        (["a", None, {"type": "text", "text": "b"}, {"type": "image"}, ["c", {"text": ["d"]}]], "abcd"),
    ],
)
def test_a_text_may_come_in_parts(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, ""), ("a", "a"), (5, "5"), (0, "0"), (False, "False")])
def test_a_name_of_any_type_is_accepted(value, text):
    assert as_str(value) == text
