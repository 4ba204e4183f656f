"""The sandbox that the client's tests call."""

from __future__ import annotations

import pytest

from tests.client.paths import TOKEN
from tir_sandbox import Sandbox


@pytest.fixture
def sandbox():
    with Sandbox(token=TOKEN) as started:
        yield started
