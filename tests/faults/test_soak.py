"""A short soak; `make soak` runs a long one."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.resources import all_returned
from tests.faults.soak import Soak


@pytest.mark.timeout(300)
def test_a_hundred_streams_at_a_time_with_random_faults() -> None:
    """Every request is accounted for, every answer is whole or a typed error, and nothing is left open."""
    with all_returned():
        report = asyncio.run(Soak(streams=400).run())

    assert report.failures() == []
    assert report.asked >= 400
    assert len(report.outcomes) == 6
