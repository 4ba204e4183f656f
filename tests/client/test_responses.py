"""The parts of an answer."""

from __future__ import annotations

from tir_client import Usage


def test_usage_adds_up_and_keeps_what_is_not_reported_apart():
    assert Usage(1, 2, 3) + Usage(10, 20, 30) == Usage(11, 22, 33)
    assert Usage(1, 2, 3, 1, None) + Usage(10, 20, 30, None, 4) == Usage(11, 22, 33, 1, 4)
