"""Unusual requests: the sandbox accepts and refuses the same ones as a real vLLM 0.32.

`odd_requests.jsonl` holds what the real server answered: the status, for refusals the error's type, and its parameter
and message where the sandbox has the same. Messages about a wrong conversation and about grammars differ.
"""

import json
import logging
from pathlib import Path

import httpx
import pytest

from tir_sandbox import Reply, Sandbox, ScriptError, app

CHAT = "/v1/chat/completions"
ASKED = [{"role": "user", "content": "Hello"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
ODD = [json.loads(line) for line in Path(__file__).with_name("odd_requests.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def strict():
    """A client of a sandbox with the real server's models and context window."""
    with Sandbox(models=["tiny", "tiny-too"], context_window=4096) as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        with httpx.Client(base_url=sandbox.host, headers=headers, timeout=60) as client:
            yield client


@pytest.mark.parametrize("real", ODD, ids=lambda one: one["name"])
def test_odd_requests_are_answered_as_by_vllm(strict, real):
    answer = strict.post(CHAT, content=json.dumps(real["body"]), headers={"Content-Type": "application/json"})

    assert answer.status_code == real["status"], answer.text
    if answer.is_error:
        error = answer.json()["error"]
        assert list(error) == ["message", "type", "param", "code"]
        assert error["code"] == real["status"]
        recorded = {name: real[name] for name in ("type", "param", "message") if name in real}
        assert {name: error[name] for name in recorded} == recorded


@pytest.mark.parametrize("body", ["null", "{bad", "[1]", '"x"', "[" * 100_000, '{"messages": NaN}', '{"a": "\\ud800"}'])
def test_malformed_bodies_are_refused(strict, body):
    answer = strict.post(CHAT, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


@pytest.mark.parametrize("model", ["tiny", "\\ud800"])
def test_half_a_surrogate_pair_is_refused(strict, model):
    body = '{"model": "' + model + '", "messages": [{"role": "user", "content": "\\ud800"}]}'
    answer = strict.post(CHAT, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", {"input": 5}, "body.input"),
        ("/v1/embeddings", {"input": "x", "dimensions": "many"}, "body.dimensions"),
        ("/tokenize", {"prompt": 5}, "body.prompt"),
        ("/tokenize", {"messages": "x"}, "body.messages"),
    ],
)
def test_other_endpoints_refuse_invalid_bodies(strict, path, body, param):
    answer = strict.post(path, json=body)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_numbers_may_be_written_as_text(strict):
    answer = strict.post(CHAT, json={"messages": ASKED, "max_tokens": "2", "n": "3", "temperature": "0.5"})

    assert len(answer.json()["choices"]) == 3
    assert answer.json()["usage"]["completion_tokens"] == 6


@pytest.mark.parametrize(
    ("model", "status"),
    [("llama3_1_8b_instruct", 400), ("gpt_oss_120b", 200), ("qwen2_vl_72b_instruct", 200), ("gemma_3_27b_it", 200)],
)
def test_images_need_a_vision_model_but_gpt_oss_ignores_them(http, model, status):
    answer = http.post(CHAT, json={"model": model, "messages": [{"role": "user", "content": [IMAGE]}]})

    assert answer.status_code == status
    assert ("is not a multimodal model" in answer.text) is (status == 400)


@pytest.mark.parametrize("part", [{"type": "zzz"}, "x", {"text": "x"}])
def test_gpt_oss_refuses_unknown_content_parts(http, part):
    answer = http.post(CHAT, json={"model": "gpt_oss_120b", "messages": [{"role": "user", "content": [part]}]})

    assert answer.status_code == 400


def test_a_bug_in_the_sandbox_is_http_500_without_a_traceback(http, sandbox, monkeypatch, caplog):
    """Neither the client nor the terminal gets a traceback, and the next request is answered."""
    monkeypatch.setattr(app, "generate", lambda *_: {}["lost"])
    answer = http.post(CHAT, json={"messages": ASKED})
    monkeypatch.undo()

    assert answer.status_code == 500
    error = {"message": "'lost'", "type": "InternalServerError", "param": None, "code": 500}
    assert answer.json() == {"error": error}
    assert http.post(CHAT, json={"messages": ASKED}).is_success
    logged = [record for record in caplog.records if record.name == "tir_sandbox.app"]
    assert [record.getMessage() for record in logged if record.levelno >= logging.ERROR] == [
        "The sandbox failed at /v1/chat/completions: KeyError('lost')"
    ]
    with pytest.raises(ScriptError, match="failed at /v1/chat/completions: KeyError"):
        sandbox.check_script()
    sandbox.reset()


def test_chunks_that_are_not_json_end_the_stream_without_a_traceback(http, sandbox, capfd):
    sandbox.script(Reply(chunks=[{"a": 1}, {"b": object()}]))

    with pytest.raises(httpx.RemoteProtocolError):
        http.post(CHAT, json={"messages": ASKED, "stream": True})
    assert "Traceback" not in capfd.readouterr().err
    with pytest.raises(ScriptError, match="not JSON serializable"):
        sandbox.check_script()
    sandbox.reset()
