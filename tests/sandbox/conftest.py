"""Fixtures of the sandbox's tests."""

from collections.abc import Iterator

import httpx
import pytest

from tir_sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A plain HTTP client with the sandbox's token, whose paths start at its host."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.Client(base_url=sandbox.host, headers=headers, timeout=60) as client:
        yield client
