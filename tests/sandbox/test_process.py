"""The sandbox as a program, as a pytest fixture, and in an environment without its extra."""

import os
import signal
import subprocess
import sys

import httpx

HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_program_serves_until_it_is_told_to_stop():
    command = [sys.executable, "-m", "tir_sandbox", "--port", "0", "--token", "secret", "--model", "gpt_oss_120b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(6)]
        env = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export"))
        url = f"{env['MODEL_API_CLIENT_HOST']}/project/p-{env['E2E_TIR_PROJECT_ID']}/genai/gpt_oss_120b/v1"
        headers = {"Authorization": f"Bearer {env['E2E_TIR_ACCESS_TOKEN']}"}
        answer = httpx.post(f"{url}/chat/completions", json=HELLO, headers=headers)
        os.kill(process.pid, signal.SIGTERM)
        _, complaints = process.communicate(timeout=10)

    assert answer.json()["choices"][0]["finish_reason"] == "stop"
    assert "not a model" in lines[0]
    assert (process.returncode, complaints) == (0, "")


def test_the_fixture_points_clients_to_a_sandbox(tir_sandbox):
    assert os.environ["E2E_TIR_ACCESS_TOKEN"] == tir_sandbox.token
    assert os.environ["MODEL_API_CLIENT_HOST"] == tir_sandbox.host
    headers = {"Authorization": f"Bearer {tir_sandbox.token}"}
    assert httpx.get(f"{tir_sandbox.base_url}/models", headers=headers).is_success


def test_the_plugin_loads_next_to_nothing():
    code = (
        "import sys, tir_sandbox.pytest_plugin as p; print(*(m for m in sys.modules if m in {'starlette', 'uvicorn'}))"
    )
    assert python(code).strip() == ""


def test_without_the_extra_the_error_names_it():
    code = """
import sys
sys.modules["starlette"] = None
import tir_sandbox
tir_sandbox.Reply, tir_sandbox.Fault, tir_sandbox.WireServer
try:
    tir_sandbox.Sandbox
except ImportError as error:
    print(error)
"""
    assert 'pip install "tir-llm[sandbox]"' in python(code)


def test_the_public_names_are_there():
    import_all = "import tir_sandbox as s; print(all(hasattr(s, n) for n in s.__all__), dir(s) == sorted(s.__all__))"
    assert python(import_all).split() == ["True", "True"]
    assert python("import tir_sandbox as s; print(hasattr(s, 'nothing'))").strip() == "False"
