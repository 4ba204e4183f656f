"""Parity tests run on the sandbox, and with `-m real` on a real vLLM."""

import pytest

from demo.rules import answer
from tests.real.plugin import (
    embedding_server,
    gpt_oss_server,
    pytest_collection_modifyitems,
    real_server,
    reranker_server,
)
from tir_sandbox import Sandbox

__all__ = [
    "embedding_server",
    "gpt_oss_server",
    "pytest_collection_modifyitems",
    "real_server",
    "reranker_server",
]


@pytest.fixture
def sandbox():
    with Sandbox(rules=answer) as started:
        yield started


@pytest.fixture
def endpoint(sandbox: Sandbox) -> dict[str, str]:
    return {
        "model": "gpt_oss_120b",
        "api_key": sandbox.token,
        "project_id": sandbox.project_id,
        "host": sandbox.host,
        "max_retries": 0,
    }
