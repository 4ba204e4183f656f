"""Messages on the wire: whatever both integrations say in the same way."""

from __future__ import annotations

import pytest

from tir_client.protocol.messages import sendable_arguments


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"a": 1}, '{"a": 1}'),
        ('{"a":1}', '{"a":1}'),
        (None, "{}"),
        ("", "{}"),
        ("null", "{}"),
        ('{"a": ', '{"invalid_arguments": "{\\"a\\": "}'),
        ("5", '{"invalid_arguments": "5"}'),
        ([1], '{"invalid_arguments": "[1]"}'),
        ({"ä": "é"}, '{"ä": "é"}'),
    ],
)
def test_arguments_go_back_as_an_object_whatever_the_model_wrote(arguments, sent):
    assert sent == sendable_arguments(arguments)
