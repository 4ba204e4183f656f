"""The sandbox that the client's tests call."""

from __future__ import annotations

import pytest

from tests.client.paths import TOKEN
from tir_client.transport import body
from tir_sandbox import Sandbox


@pytest.fixture
def patient_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the end of each stream, so that its connection is kept, however slow the server is."""
    monkeypatch.setattr(body, "DRAIN_SECONDS", 60.0)


@pytest.fixture
def sandbox():
    with Sandbox(token=TOKEN) as started:
        yield started
