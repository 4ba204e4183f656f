"""The parts of an answer."""

from __future__ import annotations

import pytest

from tir_client import Usage


def test_usage_adds_up_and_keeps_what_is_not_reported_apart():
    assert Usage(1, 2, 3) + Usage(10, 20, 30) == Usage(11, 22, 33)
    assert Usage(1, 2, 3, 1, None) + Usage(10, 20, 30, None, 4) == Usage(11, 22, 33, 1, 4)
    assert Usage(cached_tokens=1, reasoning_tokens=2) + Usage(cached_tokens=10, reasoning_tokens=20) == Usage(
        cached_tokens=11, reasoning_tokens=22
    )


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}, Usage(1, 2, 9)),
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": "9"}, Usage(1, 2, 3)),
        ({"prompt_tokens": True, "completion_tokens": 2.5}, Usage(0, 0, 0)),
        ({"prompt_tokens_details": [1], "completion_tokens_details": {"reasoning_tokens": "1"}}, Usage()),
    ],
)
def test_counts_are_numbers_or_not_reported(raw, usage):
    assert Usage.of(raw) == usage


def test_the_three_counts_go_under_the_servers_names():
    assert Usage(1, 2, 3, 4, 5).counts() == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
