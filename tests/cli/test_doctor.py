"""`tir doctor` checks the configuration, the network and each model; the first failed step is the headline."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time

import pytest

from tests.blocked_imports import ROOT
from tests.logs import ours
from tests.ports import held_port
from tir_cli.doctor import command
from tir_sandbox import Fault, Reply, Sandbox, ToolCall

VARIABLES = ("E2E_TIR_ACCESS_TOKEN", "TIR_API_TOKEN", "E2E_TIR_PROJECT_ID", "TIR_BASE_URL", "MODEL_API_CLIENT_HOST")
DAY = 86_400


def headline(done):
    return done.stdout.splitlines()[0]


def jwt(**claims):
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({}, claims)]
    return ".".join([*parts, "signature"])


def test_json_has_a_record_of_what_each_model_can_do(tir, tir_sandbox):
    (record,) = tir.json("doctor")

    assert (record["ok"], record["headline"]) == (True, "It works, with 1 note (marked !).")
    model = record["models"]["gpt_oss_120b"]
    assert {step["mark"] for step in model["steps"]} == {"ok", "note"}
    assert {
        name: model[name] for name in ("context_window", "reasoning_fields", "stream_done", "stream_usage", "n")
    } == {
        "context_window": 131_072,
        "reasoning_fields": ["reasoning"],
        "stream_done": True,
        "stream_usage": True,
        "n": True,
    }
    assert {model[f"tools_{choice}"] for choice in ("auto", "required", "named")} == {"honoured"}
    assert [model[name] for name in ("tools_strict", "json_schema", "logprobs", "embeddings", "rerank")] == [True] * 5
    assert model["tokenize"] is False  # not exposed by TIR
    tokens = sum(request.body.get("max_tokens", 0) for request in tir_sandbox.requests if request.body)
    assert tokens < 5_000


def test_an_embedding_model_is_checked_for_embeddings_only(tir, tir_sandbox):
    (record,) = tir.json("doctor", "e5-mistral-7b-instruct")

    assert record["models"]["e5-mistral-7b-instruct"]["dimensions"] == 4_096
    assert [request.path.rpartition("/")[2] for request in tir_sandbox.requests] == ["models", "embeddings"]


def test_without_any_configuration_the_headline_says_what_is_missing(tir, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    done = tir("doctor")

    assert done.exit_code == 2
    assert headline(done).startswith("the connection: configuration: ConfigurationError: No token")
    assert "pass `--project-id` or set E2E_TIR_PROJECT_ID" in headline(done)
    assert "api_key" not in done.stdout


EXPIRIES = [
    (-3, "failed", "it expired on"),
    (5, "note", "valid until"),
    (300, "ok", "valid until"),
    (None, "ok", "not say"),
]


@pytest.mark.parametrize("expiry", EXPIRIES)
def test_the_expiry_of_a_token_is_read_from_it(tir, tir_sandbox, monkeypatch, expiry):
    days, mark, seen = expiry
    claims = {} if days is None else {"exp": int(time.time() + days * DAY)}
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", jwt(**claims))
    record = json.loads(tir("doctor", "--json").stdout)
    (step,) = [step for step in record["steps"] if step["step"] == "token"]

    assert step["mark"] == mark
    assert seen in step["seen"]
    assert (record["models"] == {}) == (mark == "failed")
    assert tir_sandbox.requests == [] or mark != "failed"


@pytest.mark.parametrize("token", ["short", "a.b.c", "a.!.c", jwt()[:-12] + "..", "e30.W10.x"])
def test_a_token_that_does_not_look_like_an_auth_token_is_a_note(tir, tir_sandbox, monkeypatch, token):
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", token)
    record = json.loads(tir("doctor", "--json").stdout)
    (step,) = [step for step in record["steps"] if step["step"] == "token"]

    assert step["mark"] in {"note", "ok"}
    assert "AuthenticationError" in record["headline"]


def test_an_unknown_host_is_a_dns_failure(tir, monkeypatch):
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "https://no-such-host.invalid")
    done = tir("doctor")

    assert done.exit_code == 4
    assert headline(done).startswith("the connection: DNS: 'no-such-host.invalid' cannot be resolved")


def test_a_closed_port_is_a_tcp_failure(tir, monkeypatch):
    with held_port() as port:
        monkeypatch.setenv("MODEL_API_CLIENT_HOST", f"http://127.0.0.1:{port}")
        done = tir("doctor")

    assert headline(done).startswith(f"the connection: TCP: port {port} does not accept a connection")


@pytest.mark.parametrize("speaks_tls", [True, False])
def test_a_bad_certificate_and_a_port_without_tls_are_tls_failures(tir, tir_sandbox, monkeypatch, speaks_tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ROOT / "tests/faults/self_signed.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context))
        thread.start()
        port = listener.getsockname()[1] if speaks_tls else int(tir_sandbox.host.rpartition(":")[2])
        monkeypatch.setenv("MODEL_API_CLIENT_HOST", f"https://127.0.0.1:{port}")
        done = tir("doctor")
        if not speaks_tls:
            socket.create_connection(listener.getsockname()).close()
        thread.join()

    seen = "the certificate is not accepted" if speaks_tls else "the handshake failed"
    assert headline(done).startswith(f"the connection: TLS: {seen}")


def _shake_hands(listener, context):
    connection, _ = listener.accept()
    with connection, pytest.raises(OSError):
        context.wrap_socket(connection, server_side=True)


def test_network_steps_are_skipped_behind_a_proxy(tir, tir_sandbox, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "https://no-such-host.invalid")
    record = json.loads(tir("doctor", "--json").stdout)

    assert [(step["step"], step["mark"]) for step in record["steps"]][2:] == [("network", "skipped")]
    assert "APIConnectionError" in record["headline"]


ON_ANSWERS = [
    (Fault(status=400), 1, "answer: BadRequestError"),
    (Fault(status=401), 3, "answer: AuthenticationError"),
    (Fault(status=403), 3, "answer: PermissionDeniedError"),
    (Fault(status=404), 3, "answer: NotFoundError"),
    (Fault(status=429), 4, "answer: RateLimitError"),
    (Fault(status=503), 4, "answer: ServerError"),
    (Fault(reset_before_headers=True), 4, "answer: APIConnectionError"),
    (Fault(cut_after=10), 4, "answer: APIConnectionError"),
]
ON_STREAMS = [
    (Fault(cut_after=2), 1, "stream: StreamInterruptedError"),
    (Fault(error_chunk=True), 1, "stream: StreamServerError"),
    (Fault(garbage="{"), 1, "stream: Stream"),
    (Fault(no_finish=True), 1, "stream: StreamInterruptedError"),
]


@pytest.mark.parametrize(("fault", "code", "text"), ON_ANSWERS + ON_STREAMS, ids=lambda value: str(value)[:60])
def test_each_fault_of_a_server_is_named_by_the_headline(tir, tir_sandbox, fault, code, text):
    tir_sandbox.strict = False
    tir_sandbox.script(*([fault] if (fault, code, text) in ON_ANSWERS else [Reply("Hi"), fault]))
    done = tir("doctor")
    tir_sandbox.reset()

    assert headline(done).startswith(f"gpt_oss_120b: {text}")
    assert done.exit_code == code
    assert tir_sandbox.token not in done.output


@pytest.mark.parametrize("script", [[Fault(delay=30)], [Reply("Hi"), Fault(stall_after=2, stall=30)]])
def test_a_stalled_server_is_a_timeout(tir, tir_sandbox, script):
    tir_sandbox.strict = False
    tir_sandbox.script(*script)
    done = tir("doctor", "--timeout", "2")
    tir_sandbox.reset()

    assert "APITimeoutError: The server took longer than the timeout for `total`" in headline(done)
    assert done.exit_code == 4


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        ([Fault(status=400)], "is this a chat model"),
        ([Fault(status=401)], "Check the Auth Token in E2E_TIR_ACCESS_TOKEN"),
        ([Fault(status=404)], "`--project-id`"),
        ([Fault(status=429)], "wait a while"),
        ([Fault(status=503)], "try again later"),
        ([Fault(reset_before_headers=True)], "look at the server's log"),
        ([Fault(delay=30)], "`--timeout`"),
        ([Reply("Hi"), Fault(cut_after=2)], "a proxy or gateway on the way"),
        ([Reply("Hi"), Fault(error_chunk=True)], "The server itself failed"),
    ],
)
def test_the_second_line_is_a_remedy_in_terms_of_the_command_line(tir, tir_sandbox, script, remedy):
    tir_sandbox.strict = False
    tir_sandbox.script(*script)
    done = tir("doctor", "--timeout", "2" if script[0].delay else "60")
    tir_sandbox.reset()

    assert remedy in done.stdout.splitlines()[1]


def test_a_long_address_is_shown_whole_and_advice_for_programs_is_not_logged(tir, tir_sandbox, caplog):
    tir_sandbox.script(Reply("", reasoning="Let me see", finish_reason="length"))
    tir_sandbox.strict = False
    table = "".join("".join(line.split()) for line in tir("doctor").stdout.splitlines())

    assert f"{tir_sandbox.host}/project/p-{tir_sandbox.project_id}/genai/gpt_oss_120b/v1/" in table
    assert ours(caplog) == []


def test_a_stream_without_its_last_line_is_a_note(tir, tir_sandbox):
    tir_sandbox.strict = False
    tir_sandbox.script(Reply("Hi"), Fault(no_done=True))
    (record,) = tir.json("doctor")

    assert record["ok"]
    assert record["models"]["gpt_oss_120b"]["stream_done"] is False


def test_parameters_that_a_server_ignores_are_reported(tir, tir_sandbox):
    text = Reply("It is warm.")
    free = Reply(tool_calls=[ToolCall("get_weather", {"city": "Paris"})])
    rescue = Reply('{"city": "Paris"}')
    tir_sandbox.strict = False
    tir_sandbox.script(text, text, text, text, rescue, text, rescue, free, Reply("hello"))
    (record,) = tir.json("doctor")
    model = record["models"]["gpt_oss_120b"]

    assert [model[f"tools_{choice}"] for choice in ("auto", "required", "named")] == ["no call", "rescued", "rescued"]
    assert [model["tools_strict"], model["json_schema"]] == [False, False]
    assert model["reasoning_fields"] == []
    assert record["ok"]


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("y\n", 0)])
def test_many_models_are_checked_only_after_confirmation(tir, tir_sandbox, monkeypatch, answer, code):
    monkeypatch.setattr(command, "_on_terminal", lambda: True)
    models = ("e5-mistral-7b-instruct", "bge-large-en-v1_5", "e5-mistral-7b-instruct")
    done = tir("doctor", *models, piped=answer)

    assert "15,000 tokens" in done.stderr
    assert (done.exit_code if code == 0 else 2) == code
    assert bool(tir_sandbox.requests) == (code == 0)
    assert tir("doctor", *models, "--yes", "--json").exit_code == 0


def test_without_a_terminal_many_models_are_refused_with_the_option_to_pass(tir, tir_sandbox):
    done, as_json = tir("doctor", "a", "b", "c"), tir("doctor", "a", "b", "c", "--json")

    assert (done.exit_code, as_json.exit_code, tir_sandbox.requests) == (2, 2, [])
    assert "Pass --yes" in done.stderr
    assert "Pass --yes" in json.loads(as_json.stdout)["error"]["message"]


def test_a_model_that_a_server_does_not_list_is_a_note_without_the_window_of_another(tir, monkeypatch):
    with Sandbox(models=["gpt_oss_120b", "qwen3_32b"]) as sandbox:
        monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)
        record = json.loads(tir("doctor", "another", "--base-url", sandbox.base_url, "--json").stdout)
    step = record["models"]["another"]["steps"][0]

    assert (step["step"], step["mark"]) == ("/models", "note")
    assert step["seen"] == "does not list another; it lists gpt_oss_120b, qwen3_32b"
    assert record["models"]["another"]["context_window"] is None
