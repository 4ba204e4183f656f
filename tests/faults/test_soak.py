"""A soak of a minute; `make soak` runs the long one."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.resources import all_returned
from tests.faults.soak import STREAMS, Soak

SECONDS = 60


@pytest.mark.timeout(180)
def test_hundred_streams_with_random_faults() -> None:
    """Every request is accounted for, every answer is whole or typed, and nothing stays behind."""
    with all_returned():
        report = asyncio.run(Soak(SECONDS).run())

    assert report.failures() == []
    assert report.asked > STREAMS
    assert len(report.outcomes) == 6
