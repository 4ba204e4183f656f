"""The sandbox in a process: the pytest fixture, addresses, loggers, and imports without the extra."""

import logging
import os
import subprocess
import sys

import httpx
import pytest

from langchain_tir import ChatTIR
from llama_index_tir import TIR
from tir_sandbox import Fault, Sandbox

HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_connection_is_reset_over_ipv6():
    fault = Fault(reset_before_headers=True)
    headers = {"Authorization": "Bearer token"}
    with Sandbox(host="::1", token="token", replies=[fault]) as sandbox, pytest.raises(httpx.ReadError):
        httpx.post(f"{sandbox.base_url}/chat/completions", json=HELLO, headers=headers, timeout=60)


def test_uvicorns_loggers_are_unchanged():
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")]
    before = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    with Sandbox():
        assert [(one.level, list(one.handlers), one.propagate) for one in loggers] == before


def test_the_fixture_points_clients_to_a_sandbox(tir_sandbox):
    assert os.environ["E2E_TIR_ACCESS_TOKEN"] == tir_sandbox.token
    assert os.environ["MODEL_API_CLIENT_HOST"] == tir_sandbox.host
    headers = {"Authorization": f"Bearer {tir_sandbox.token}"}
    assert httpx.get(f"{tir_sandbox.base_url}/models", headers=headers, timeout=60).is_success


def test_with_the_fixture_all_models_call_the_sandbox(monkeypatch, request):
    """A plain `ChatTIR()` and `TIR()` call the sandbox, regardless of the environment."""
    monkeypatch.setenv("TIR_BASE_URL", "https://somewhere.example/v1")
    monkeypatch.setenv("TIR_API_TOKEN", "a-real-token")
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "https://somewhere.example")
    sandbox = request.getfixturevalue("tir_sandbox")
    ChatTIR().invoke("Hello")
    TIR().complete("Hello")

    assert len(sandbox.requests) == 2
    assert {one.headers["authorization"] for one in sandbox.requests} == {f"Bearer {sandbox.token}"}
    assert "TIR_BASE_URL" not in os.environ
    assert "TIR_API_TOKEN" not in os.environ


def test_the_plugin_does_not_load_the_server():
    code = (
        "import sys, tir_sandbox.pytest_plugin as p; print(*(m for m in sys.modules if m in {'starlette', 'uvicorn'}))"
    )
    assert python(code).strip() == ""


def test_without_the_extra_the_error_names_it():
    code = """
import sys
sys.modules["starlette"] = None
import tir_sandbox
tir_sandbox.Reply, tir_sandbox.Fault
try:
    tir_sandbox.Sandbox
except ImportError as error:
    print(error)
"""
    assert 'pip install "tir-llm[sandbox]"' in python(code)


def test_the_public_names_can_be_imported():
    import_all = "import tir_sandbox as s; print(all(hasattr(s, n) for n in s.__all__), dir(s) == sorted(s.__all__))"
    assert python(import_all).split() == ["True", "True"]
    assert python("import tir_sandbox as s; print(hasattr(s, 'nothing'))").strip() == "False"
