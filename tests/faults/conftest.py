"""The fixture with the servers of the fault matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.servers import Servers


@pytest.fixture(scope="package")
def servers() -> Iterator[Servers]:
    """The servers that the matrix calls."""
    with Servers() as running:
        yield running
