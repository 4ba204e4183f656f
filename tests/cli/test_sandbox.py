"""`tir sandbox`: the variables that it prints, its addresses, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile

import httpx
import pytest

HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}


@contextmanager
def program(*arguments: str) -> Iterator[tuple[list[str], dict[str, str], subprocess.Popen]]:
    """Run the program; yield its first lines, the variables that it prints, and the process."""
    command = [sys.executable, "-m", "tir_cli", "sandbox", "--port", "0", *arguments]
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
    return httpx.post(f"{url}/chat/completions", json=HELLO, headers=headers, timeout=60)


def test_the_program_serves_until_sigterm():
    with program("--token", "secret", "--model", "gpt_oss_120b") as (lines, env, process):
        answer = ask(env)
        os.kill(process.pid, signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)

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


def test_a_port_in_use_is_one_line_of_error(tir, tir_sandbox):
    done = tir("sandbox", "--port", tir_sandbox.host.rpartition(":")[2])

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Cannot listen on 127.0.0.1, port ")
    assert done.stderr.count("\n") == 1


def test_a_foreign_host_is_one_line_of_error(tir):
    done = tir("sandbox", "--host", "192.0.2.1", "--port", "0")

    assert done.exit_code == 2
    assert done.stderr.startswith("Cannot listen on 192.0.2.1, port 0: ")


@pytest.mark.parametrize("port", ["99999", "http"])
def test_an_invalid_port_is_refused(tir, port):
    done = tir("sandbox", "--port", port)

    assert done.exit_code == 2
    assert "--port" in done.stderr


def test_without_the_extra_the_error_names_it(tir, monkeypatch):
    monkeypatch.delitem(sys.modules, "tir_sandbox.server", raising=False)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = tir("sandbox")

    assert (done.exit_code, done.stdout) == (2, "")
    assert 'Install it with `pip install "tir-llm[sandbox]"`' in done.stderr
