"""`python -m tir_sandbox`, the pytest fixture, and imports without the extra."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

import httpx
import pytest

from langchain_tir import ChatTIR
from llama_index_tir import TIR
from tir_sandbox import Fault, Sandbox
from tir_sandbox.__main__ import main

HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@contextmanager
def program(*arguments: str) -> Iterator[tuple[list[str], dict[str, str], subprocess.Popen]]:
    """Run the program; yield its first lines, the variables that it prints, and the process."""
    command = [sys.executable, "-m", "tir_sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = list(takewhile(lambda line: "base_url=" not in line, process.stdout))
        env = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export"))
        try:
            yield lines, env, process
        finally:
            process.terminate()


def ask(env: dict[str, str]) -> httpx.Response:
    url = f"{env['MODEL_API_CLIENT_HOST']}/project/p-{env['E2E_TIR_PROJECT_ID']}/genai/gpt_oss_120b/v1"
    headers = {"Authorization": f"Bearer {env['E2E_TIR_ACCESS_TOKEN']}"}
    return httpx.post(f"{url}/chat/completions", json=HELLO, headers=headers)


def test_the_program_serves_until_sigterm():
    with program("--token", "secret", "--model", "gpt_oss_120b") as (lines, env, process):
        answer = ask(env)
        os.kill(process.pid, signal.SIGTERM)
        _, complaints = process.communicate(timeout=10)

    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert "not a model" in lines[0]
    assert "unset TIR_BASE_URL TIR_API_TOKEN\n" in lines
    assert (process.returncode, complaints) == (0, "")


@pytest.mark.parametrize(
    ("host", "client"),
    [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:"), ("0.0.0.0", "http://127.0.0.1:")],
)
def test_the_program_prints_a_usable_address(host, client):
    with program("--host", host) as (_, env, _):
        assert env["MODEL_API_CLIENT_HOST"].strip("'").startswith(client)
        assert ask({name: value.strip("'") for name, value in env.items()}).is_success


def test_a_port_in_use_is_one_line_of_error(capsys):
    with Sandbox() as running:
        assert main(["--port", running.host.rpartition(":")[2]]) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Cannot listen on 127.0.0.1, port ")
    assert told.err.count("\n") == 1


def test_a_foreign_host_is_one_line_of_error(capsys):
    assert main(["--host", "192.0.2.1", "--port", "0"]) == 2
    assert capsys.readouterr().err.startswith("Cannot listen on 192.0.2.1, port 0: ")


@pytest.mark.parametrize("port", ["99999", "http"])
def test_an_invalid_port_is_refused(port, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--port", port])
    assert f"a port is a number from 0 to 65535, not '{port}'" in capsys.readouterr().err


def test_a_connection_is_reset_over_ipv6():
    with Sandbox(host="::1", replies=[Fault(reset_before_headers=True)]) as sandbox, pytest.raises(httpx.ReadError):
        httpx.post(
            f"{sandbox.base_url}/chat/completions", json=HELLO, headers={"Authorization": f"Bearer {sandbox.token}"}
        )


def test_uvicorns_loggers_are_unchanged():
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")]
    before = [(one.level, list(one.handlers), one.propagate) for one in loggers]
    with Sandbox():
        assert [(one.level, list(one.handlers), one.propagate) for one in loggers] == before


def test_the_fixture_points_clients_to_a_sandbox(tir_sandbox):
    assert os.environ["E2E_TIR_ACCESS_TOKEN"] == tir_sandbox.token
    assert os.environ["MODEL_API_CLIENT_HOST"] == tir_sandbox.host
    headers = {"Authorization": f"Bearer {tir_sandbox.token}"}
    assert httpx.get(f"{tir_sandbox.base_url}/models", headers=headers).is_success


def test_with_the_fixture_all_models_call_the_sandbox(monkeypatch, request):
    """A plain `ChatTIR()` and `TIR()` call the sandbox, whatever the environment has set."""
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
