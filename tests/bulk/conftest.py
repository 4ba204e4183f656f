"""A sandbox whose answers repeat the prompt, and a client for it."""

from __future__ import annotations

import pytest

from tests.client.paths import TOKEN
from tests.client.paths import client as client_for
from tir_client import TIRClient
from tir_sandbox import Reply, Request, Sandbox


def echo(request: Request) -> Reply:
    return Reply(f"re: {request.user}", reasoning="Repeat it.")


@pytest.fixture
def sandbox():
    with Sandbox(rules=echo, strict=False, token=TOKEN) as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> TIRClient:
    return client_for(sandbox)
