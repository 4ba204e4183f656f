"""The sandbox answers with the keys, the order and the errors of a real vLLM, as recorded."""

import json
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.recorded import Recording, recording, recordings
from tir_sandbox import Reply, Sandbox, ToolCall

FOLDER = Path(__file__).parents[1] / "recordings"

LEFT_OUT = {
    "vllm-engine-death/midstream-engine-killed": "a broken answer, and its request was not recorded",
    "vllm-engine-death/nonstream-engine-killed": "as above",
    "vllm-generic/34-prompt-logprobs": "the sandbox has no log probabilities of a prompt",
    "vllm-generic/49-echo": "as above",
    "vllm-generic/88-render": "an endpoint the sandbox does not have",
    "vllm-generic/89-embeddings": "the recorded server has no embeddings, the sandbox has",
    "vllm-gpt-oss/token-ids-stream": "the sandbox does not send the tokens that open a channel of gpt-oss",
    "vllm-gpt-oss/too-long": "the recorded request is shortened; see test_a_gpt_oss_context_error_is_as_recorded",
    "vllm-gpt-oss/too-long-stream": "as above",
    "vllm-keepalive/queued": "its request was not recorded",
    "vllm-sigterm/midstream-sigterm": "as above",
}


def skeleton(value: Any) -> Any:
    """The shape of an answer: its keys in order, and what kind of value each has."""
    match value:
        case dict():
            return {key: skeleton(one) for key, one in value.items()}
        case [dict(), *_]:
            return [json.loads(one) for one in dict.fromkeys(in_order(skeleton(one)) for one in value)]
        case bool() | None:
            return value
        case _:
            return type(value).__name__


def in_order(value: Any) -> str:
    """Return a skeleton as text, so that a comparison includes the order of keys."""
    return json.dumps(value)


def events(content: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix(b"data: ") for line in content.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def shapes(content: bytes) -> list[str]:
    """The skeletons of a stream's events, choice by choice; a run of equal ones counts once."""
    chunks = events(content)
    chunks.sort(key=lambda chunk: [choice["index"] for choice in chunk["choices"]] or [len(chunks)])
    return [shape for shape, _ in groupby(in_order(skeleton(chunk)) for chunk in chunks)]


def chats(*, stream: bool) -> Iterator[Recording]:
    for one in recordings("vllm-"):
        wanted = one.is_chat and one.status == httpx.codes.OK and one.is_stream is stream
        if wanted and one.name not in LEFT_OUT:
            yield one


def ask(sandbox: Sandbox, body: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    return httpx.post(f"{sandbox.base_url}/chat/completions", json=body, headers=headers, timeout=60)


def replayed_message(choice: dict[str, Any], parallel: bool | None) -> Reply:
    """Return the reply that reproduces a recorded message; calls beyond the first may have been dropped."""
    message = choice["message"]
    calls = [call["function"] for call in message.get("tool_calls", [])]
    calls += [{"name": "trimmed", "arguments": ""}] if parallel is False else []
    return Reply(
        text=message["content"],
        reasoning=message["reasoning"],
        tool_calls=[ToolCall(one["name"], one["arguments"]) for one in calls],
        finish_reason=choice["finish_reason"],
        stop_reason=choice["stop_reason"],
    )


def replayed_stream(chunks: list[dict[str, Any]], index: int, parallel: bool | None) -> Reply:
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    deltas = [choice["delta"] for choice in choices]
    calls: dict[int, list[str]] = {}
    for fragment in (one for delta in deltas for one in delta.get("tool_calls") or []):
        made = calls.setdefault(fragment["index"], ["", ""])
        made[0] += fragment["function"].get("name") or ""
        made[1] += fragment["function"].get("arguments") or ""
    trimmed = [["trimmed", ""]] if parallel is False else []
    return Reply(
        text=[delta["content"] for delta in deltas if delta.get("content")],
        reasoning=[delta["reasoning"] for delta in deltas if delta.get("reasoning")],
        tool_calls=[ToolCall(name, arguments) for name, arguments in [*calls.values(), *trimmed]],
        finish_reason=choices[-1]["finish_reason"],
        stop_reason=choices[-1]["stop_reason"],
        final_delta_holds_text=bool(deltas[-1]),
    )


@pytest.mark.parametrize("real", list(chats(stream=False)), ids=lambda one: one.name)
def test_whole_answers_have_the_recorded_keys_in_the_recorded_order(real):
    expected, parallel = json.loads(real.content), real.body.get("parallel_tool_calls")
    choices = [replayed_message(choice, parallel) for choice in expected["choices"]]
    with Sandbox(replies=[Reply(choices=choices)]) as sandbox:
        answer = ask(sandbox, real.body)

    assert in_order(skeleton(expected)) == in_order(skeleton(answer.json()))
    recorded = expected["choices"][0]["message"], expected["choices"][0]["finish_reason"]
    ids = re.compile(r"chatcmpl-tool-[0-9a-f]{16}")
    got = answer.json()["choices"][0]["message"], answer.json()["choices"][0]["finish_reason"]
    assert ids.sub("ID", json.dumps(recorded)) == ids.sub("ID", json.dumps(got))


@pytest.mark.parametrize("real", list(chats(stream=True)), ids=lambda one: one.name)
def test_streams_have_the_recorded_deltas_in_the_recorded_order(real):
    chunks, parallel = events(real.content), real.body.get("parallel_tool_calls")
    indices = sorted({choice["index"] for chunk in chunks for choice in chunk["choices"]})
    with Sandbox(replies=[Reply(choices=[replayed_stream(chunks, index, parallel) for index in indices])]) as sandbox:
        answer = ask(sandbox, real.body)

    assert answer.headers["content-type"] == real.headers["content-type"]
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert shapes(real.content) == shapes(answer.content)


def refusals() -> Iterator[str]:
    for one in recordings("vllm-"):
        if one.status >= httpx.codes.BAD_REQUEST and one.name not in LEFT_OUT:
            yield one.name


def raw_request(name: str) -> tuple[str, str, dict[str, str], str]:
    text = (FOLDER / f"{name}.txt").read_text()
    head, _, rest = text.removeprefix("### REQUEST\n").partition("\n\n")
    first, *lines = head.splitlines()
    method, path = first.split()
    return method, path, dict(line.split(": ", 1) for line in lines), rest.partition("\n\n### RESPONSE")[0]


SERVERS = {
    "vllm-generic": (["tiny"], 2048),
    "vllm-embedding": (["e5-tiny"], 512),
    "vllm-reranker": (["bge-reranker-tiny"], 512),
}
"""Models and context window of the recorded servers."""


@pytest.mark.parametrize("name", list(refusals()))
def test_refusals_have_the_recorded_status_and_body(name):
    method, path, headers, body = raw_request(name)
    models, window = SERVERS.get(name.partition("/")[0], (["gpt_oss_120b"], 131_072))
    with Sandbox(models=models, context_window=window, token="sk-local-test") as sandbox:
        answer = httpx.request(method, sandbox.host + path, headers=headers, content=body, timeout=60)

    real = recording(name)
    assert real.status == answer.status_code
    if b" validation errors:" in real.content:  # they name the members of unions within vLLM
        assert without_message(real.content) == without_message(answer.content)
    else:
        assert real.content.decode().strip() == answer.text


def without_message(content: bytes) -> dict[str, Any]:
    return json.loads(content)["error"] | {"message": ""}


def test_there_are_enough_recordings():
    assert len(list(chats(stream=False))) > 40
    assert len(list(chats(stream=True))) > 20
    assert len(list(refusals())) > 25


def test_skipped_recordings_exist():
    assert set(LEFT_OUT) <= {one.name for one in recordings()}


@pytest.mark.parametrize("name", ["vllm-gpt-oss/none", "vllm-gpt-oss/none-stream"])
def test_gpt_oss_calls_despite_tool_choice_none_are_streamed_only(name):
    """The whole answer then has no content, and the stop reason of a call."""
    real = recording(name)
    call = ToolCall("get_weather", '{"city": "Delhi", "unit": "c"}')
    with Sandbox(replies=[Reply(reasoning="I need the weather tool for Delhi.", tool_calls=[call])]) as sandbox:
        answer = ask(sandbox, real.body)

    if real.is_stream:
        assert shapes(real.content) == shapes(answer.content)
        assert events(answer.content)[-1]["choices"][0]["stop_reason"] == 200012
        return
    (recorded,), (got,) = json.loads(real.content)["choices"], answer.json()["choices"]
    assert recorded == got


def test_a_chat_template_models_context_error_is_as_recorded():
    with Sandbox(models=["tiny"], context_window=2048) as sandbox:
        body = {"model": "tiny", "messages": [{"role": "user", "content": "word " * 3000}]}
        answer = ask(sandbox, body | {"stream": True})

    assert answer.status_code == 400
    assert recording("vllm-generic/69-err-stream-too-long").content.decode() == answer.text


def test_a_gpt_oss_context_error_is_as_recorded():
    with Sandbox(context_window=100) as sandbox:
        answer = ask(sandbox, {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "word " * 200}]})

    real = recording("vllm-gpt-oss/too-long").content.decode()
    assert answer.status_code == 400
    assert re.sub(r"\(\d+\)", "(N)", real) == re.sub(r"\(\d+\)", "(N)", answer.text)


def test_models_are_listed_as_recorded():
    with Sandbox(models=["tiny"], context_window=2048, token="sk-local-test") as sandbox:
        answer = httpx.get(f"{sandbox.base_url}/models", headers={"Authorization": "Bearer sk-local-test"}, timeout=60)

    real = json.loads(recording("vllm-generic/00-models").content)
    real["data"][0]["permission"] = []
    assert in_order(skeleton(real)) == in_order(skeleton(answer.json()))


@pytest.mark.parametrize("name", ["rerank", "rerank-root", "top-n", "one-document"])
def test_rerankings_have_the_recorded_keys_and_order(name):
    _, path, headers, body = raw_request(f"vllm-reranker/{name}")
    with Sandbox(models=["bge-reranker-tiny"], token="sk-local-test") as sandbox:
        answer = httpx.post(sandbox.host + path, headers=headers, content=body, timeout=60)

    real, got = json.loads(recording(f"vllm-reranker/{name}").content), answer.json()
    assert in_order(skeleton(real)) == in_order(skeleton(got))
    assert [result["document"] for result in real["results"][:2]] == [
        result["document"] for result in got["results"][:2]
    ]
    assert len(real["results"]) == len(got["results"])


@pytest.mark.parametrize("name", ["dimensions", "base64", "truncated"])
def test_embeddings_have_the_recorded_keys(name):
    _, path, headers, body = raw_request(f"vllm-embedding/{name}")
    with Sandbox(models=["e5-tiny"], context_window=512, token="sk-local-test") as sandbox:
        answer = httpx.post(sandbox.host + path, headers=headers, content=body, timeout=60)

    real, got = json.loads(recording(f"vllm-embedding/{name}").content), answer.json()
    assert in_order(skeleton(real)) == in_order(skeleton(got))
    assert [len(row["embedding"]) for row in real["data"]] == [len(row["embedding"]) for row in got["data"]]
