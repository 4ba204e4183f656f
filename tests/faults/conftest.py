"""The servers of the matrix, and a clock that does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.faults.servers import Places


@pytest.fixture(scope="package")
def places() -> Iterator[Places]:
    """The servers that the matrix calls."""
    with Places() as running:
        yield running


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are recorded and not waited for."""
    noted: list[float] = []

    async def asleep(seconds: float) -> None:
        noted.append(seconds)
        await asyncio.sleep(0)

    for module in ("tir_client.transport.sender", "tir_client.transport.streams"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=noted.append))
        monkeypatch.setattr(f"{module}.asyncio", SimpleNamespace(sleep=asleep))
    return noted
