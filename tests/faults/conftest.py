"""The fixture with the servers of the fault matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.servers import Places


@pytest.fixture(scope="package")
def places() -> Iterator[Places]:
    """The servers that the matrix calls."""
    with Places() as running:
        yield running
