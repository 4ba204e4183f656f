"""The behaviour of vLLM's server that the client relies on, observed with plain httpx."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plugin import RealServer

pytestmark = pytest.mark.real

CHAT = "/chat/completions"
QUESTION = [{"role": "user", "content": "What is the capital of India?"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "grade": {"type": "string", "enum": ["low", "high"]},
        "certain": {"type": "boolean"},
        "digit": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["grade", "certain", "digit"],
    "additionalProperties": False,
}
FUNCTION = {"name": "rate", "description": "Rate an answer.", "parameters": SCHEMA, "strict": True}
TOOLS = [{"type": "function", "function": FUNCTION}]
NAMED = {"type": "function", "function": {"name": "rate"}}
THINKING = {"thinking": True}


@pytest.fixture
def http(real_server: RealServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {real_server.api_key}"}
    with httpx.Client(base_url=real_server.base_url, headers=headers, timeout=90, trust_env=False) as client:
        yield client


@pytest.fixture
def root(real_server: RealServer) -> httpx.URL:
    """The server's own address, where its endpoints outside of ``/v1`` are."""
    return httpx.URL(real_server.base_url.removesuffix("/v1"))


@pytest.fixture
def body(real_server: RealServer) -> dict[str, Any]:
    """A small request for a chat answer, the same noise every time."""
    return {"model": real_server.model, "messages": QUESTION, "max_tokens": 8, "seed": 7, "temperature": 0.7}


def answer(http: httpx.Client, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    response = http.post(CHAT, json=body | changes)
    assert response.status_code == 200, response.text
    return response.json()


def events(http: httpx.Client, body: dict[str, Any], **changes: Any) -> list[str]:
    """Stream an answer and return the data of its events."""
    with http.stream("POST", CHAT, json=body | {"stream": True} | changes) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


def chunks(http: httpx.Client, body: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    *data, done = events(http, body, **changes)
    assert done == "[DONE]"
    return [json.loads(event) for event in data]


def refusal(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is an error in vLLM's form and return it."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == status
    return error


def fits_schema(text: str) -> bool:
    value = json.loads(text)
    return (
        value.keys() == SCHEMA["properties"].keys()
        and value["grade"] in {"low", "high"}
        and isinstance(value["certain"], bool)
        and value["digit"] in range(10)
    )


# --- models and authentication


def test_models(http, real_server):
    """The list names every served model with its root, its context length and who owns it."""
    listing = http.get("/models").json()
    assert listing["object"] == "list"
    assert [model["id"] for model in listing["data"]] == list(real_server.models)
    for model in listing["data"]:
        assert model["object"] == "model"
        assert model["owned_by"] == "vllm"
        assert model["max_model_len"] == 4096
        assert {"created", "root", "parent", "permission"} <= model.keys()


@pytest.mark.parametrize("key", [None, "sk-wrong"])
def test_unauthorized(real_server, key):
    """Without the right key the error is a bare string, not an object, before the body is read."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    response = httpx.post(real_server.base_url + CHAT, json={}, headers=headers, trust_env=False)
    assert response.status_code == 401
    assert response.json() == {"error": "Unauthorized"}


def test_health_needs_no_key(root):
    """Health is an empty 200 for anyone."""
    response = httpx.get(root.join("/health"), trust_env=False)
    assert (response.status_code, response.content) == (200, b"")


# --- whole answers


def test_whole_answer(http, body, real_server):
    """A whole answer has these keys, with null for what it does not carry."""
    result = answer(http, body)
    assert result["object"] == "chat.completion"
    assert result["model"] == real_server.model
    assert result["id"].startswith("chatcmpl-")
    [choice] = result["choices"]
    assert choice["index"] == 0
    assert choice["finish_reason"] == "length"
    assert choice["stop_reason"] is None
    message = choice["message"]
    assert message["role"] == "assistant"
    assert message["content"]
    assert message["reasoning"] is None
    assert not message.get("tool_calls")
    assert "reasoning_content" not in message


def test_usage_counts_add_up(http, body):
    """Prompt and completion tokens sum to the total; cached tokens are reported, reasoning tokens may be null."""
    usage = answer(http, body)["usage"]
    assert usage["completion_tokens"] == 8
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] >= 0
    assert "completion_tokens_details" in usage


def test_repeated_prompt_is_cached(http, body):
    """When a long prompt is repeated, most of its tokens count as cached."""
    messages = [{"role": "user", "content": f"{time.time_ns()} " + "once upon a time " * 60}]
    first, second = (answer(http, body, messages=messages)["usage"] for _ in range(2))
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert 0 < second["prompt_tokens_details"]["cached_tokens"] < second["prompt_tokens"]


def test_system_and_tool_messages(http, body):
    """A conversation with a system message, a tool call, its result and reasoning is accepted."""
    call = {"id": "call_1", "type": "function", "function": {"name": "rate", "arguments": '{"digit": 1}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        *QUESTION,
        {"role": "assistant", "content": None, "reasoning": "I should rate.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
    ]
    assert answer(http, body, messages=messages, tools=TOOLS)["choices"][0]["finish_reason"] == "length"


def test_content_in_parts(http, body):
    """Text in parts counts the same tokens as the same text in a string."""
    parts = [{"role": "user", "content": [{"type": "text", "text": QUESTION[0]["content"]}]}]
    whole, in_parts = answer(http, body), answer(http, body, messages=parts)
    assert in_parts["usage"]["prompt_tokens"] == whole["usage"]["prompt_tokens"]


def test_seed_repeats_an_answer(http, body):
    """The same seed produces the same text."""
    first, second = (answer(http, body)["choices"][0]["message"]["content"] for _ in range(2))
    assert first == second


def test_several_answers(http, body):
    """With n=2 there are two choices, and the completion tokens of both are counted."""
    result = answer(http, body, n=2)
    assert [choice["index"] for choice in result["choices"]] == [0, 1]
    assert result["usage"]["completion_tokens"] == 16


def test_logprobs(http, body):
    """Every token comes with its log probability, its bytes, and as many alternatives as were requested."""
    tokens = answer(http, body, logprobs=True, top_logprobs=2)["choices"][0]["logprobs"]["content"]
    assert len(tokens) == 8
    for token in tokens:
        assert token.keys() == {"token", "logprob", "bytes", "top_logprobs"}
        assert token["logprob"] <= 0
        assert len(token["top_logprobs"]) >= 2


def test_stop_string(http, body):
    """A stop string ends the answer before it, and ``stop_reason`` says which it was."""
    text = answer(http, body)["choices"][0]["message"]["content"]
    stop = text[len(text) // 2]
    choice = answer(http, body, stop=[stop])["choices"][0]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)
    assert choice["message"]["content"] == text[: text.index(stop)]


def test_request_id(http, body):
    """A request id that the client sends comes back in the header and in the answer's id."""
    response = http.post(CHAT, json=body, headers={"X-Request-Id": "tir-wire-1"})
    assert response.headers["x-request-id"] == "tir-wire-1"
    assert response.json()["id"] == "chatcmpl-tir-wire-1"


def test_request_id_is_made(http, body):
    """Without a request id from the client, the server makes one, also for an error."""
    response = http.post(CHAT, json=body | {"model": "missing"})
    assert len(response.headers["x-request-id"]) == 32


# --- streams


def test_stream_order(http, body):
    """A stream has the role, pieces of text, the finish reason with the last piece, then [DONE]."""
    stream = chunks(http, body)
    assert {chunk["object"] for chunk in stream} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in stream}) == 1
    choices = [chunk["choices"][0] for chunk in stream]
    assert choices[0]["delta"] == {"role": "assistant", "content": ""}
    assert all("role" not in choice["delta"] for choice in choices[1:])
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["length"]
    assert all("usage" not in chunk for chunk in stream)


def test_stream_joins_to_the_whole_answer(http, body):
    """With one seed, the pieces of the stream are the text of the whole answer."""
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks(http, body)]
    assert "".join(pieces) == answer(http, body)["choices"][0]["message"]["content"]


def test_usage_chunk(http, body):
    """If requested, usage is sent once: last before [DONE], in a chunk without choices."""
    *others, last = chunks(http, body, stream_options={"include_usage": True})
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 8
    assert all(chunk.get("usage") is None for chunk in others)


def test_continuous_usage(http, body):
    """Continuous usage counts up with every chunk, so that a broken stream is counted, too."""
    options = {"include_usage": True, "continuous_usage_stats": True}
    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks(http, body, stream_options=options)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 8)


def test_stream_of_several_answers(http, body):
    """With n=2, chunks of both choices are mixed; their index tells them apart."""
    stream = chunks(http, body, n=2)
    assert {choice["index"] for chunk in stream for choice in chunk["choices"]} == {0, 1}


def test_stream_of_logprobs(http, body):
    """Streamed log probabilities add up to one per token."""
    stream = chunks(http, body, logprobs=True, top_logprobs=1)
    tokens = [choice["logprobs"]["content"] for chunk in stream for choice in chunk["choices"] if choice["logprobs"]]
    assert sum(map(len, tokens)) == 8


def test_error_before_a_stream(http, body):
    """An invalid streaming request is refused with a status and plain JSON, not inside a stream."""
    response = http.post(CHAT, json=body | {"stream": True, "model": "missing"})
    assert response.headers["content-type"] == "application/json"
    refusal(response, 404)


def test_closing_a_stream_ends_the_request_and_the_generation(http, body, root):
    """When the client closes a stream, the server stops computing it within seconds."""
    endless = body | {"stream": True, "max_tokens": 3500, "ignore_eos": True}
    with http.stream("POST", CHAT, json=endless) as response:
        lines = response.iter_lines()
        for _ in range(5):
            next(lines)
        assert eventually(lambda: running(http, root) >= 1)
    assert eventually(lambda: running(http, root) == 0)


def running(http: httpx.Client, root: httpx.URL) -> float:
    """Return how many requests the engine computes right now."""
    lines = http.get(root.join("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("vllm:num_requests_running{"))


def eventually(condition: Any, limit: float = 5.0) -> bool:
    """Poll a condition, for less time than the endless stream would need to end by itself."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


# --- refusals


def test_unknown_model(http, body):
    """An unknown model is a 404 that names the model."""
    error = refusal(http.post(CHAT, json=body | {"model": "missing"}), 404)
    assert error["type"] == "NotFoundError"
    assert "`missing` does not exist" in error["message"]


def test_prompt_too_long(http, body):
    """A prompt beyond the context is a 400 whose text mentions the maximum context length."""
    messages = [{"role": "user", "content": "word " * 9000}]
    error = refusal(http.post(CHAT, json=body | {"messages": messages}), 400)
    assert error["message"].startswith("This model's maximum context length is 4096 tokens.")


def test_no_room_for_the_answer(http, body):
    """More answer tokens than the whole context is a 400 whose text mentions ``max_model_len``."""
    error = refusal(http.post(CHAT, json=body | {"max_tokens": 5000}), 400)
    assert "max_model_len=4096" in error["message"]


def test_empty_tools(http, body):
    """An empty list of tools is refused, so it must be left out."""
    error = refusal(http.post(CHAT, json=body | {"tools": []}), 400)
    assert "`tools` must not be an empty array" in error["message"]


def test_wrong_type(http, body):
    """A value of the wrong type is a 400 in the same form, where other servers answer 422."""
    refusal(http.post(CHAT, json=body | {"temperature": "hot"}), 400)


def test_unknown_path(http):
    """A path that does not exist is a 404 in FastAPI's own form, not vLLM's."""
    response = http.post("/nothing-here", json={})
    assert response.status_code == 404


# --- tools and schemas


@pytest.mark.parametrize(("choice", "reason"), [(NAMED, "stop"), ("required", "tool_calls")])
def test_forced_tool_call(http, body, choice, reason):
    """A forced call fits its schema; a named one ends with "stop", a required one with "tool_calls"."""
    result = answer(http, body, tools=TOOLS, tool_choice=choice, max_tokens=1500, n=4)
    finished = [choice for choice in result["choices"] if choice["finish_reason"] != "length"]
    assert {choice["finish_reason"] for choice in finished} == {reason}
    for calls in (choice["message"]["tool_calls"] for choice in finished):
        assert all(call["type"] == "function" and call["id"] for call in calls)
        assert {call["function"]["name"] for call in calls} == {"rate"}
        assert all(fits_schema(call["function"]["arguments"]) for call in calls)


@pytest.mark.parametrize("choice", [NAMED, "required"])
def test_forced_tool_call_cut_off(http, body, choice):
    """A forced call that runs out of tokens is not a call: its raw text is the content."""
    cut_off = answer(http, body, tools=TOOLS, tool_choice=choice)["choices"][0]
    assert cut_off["finish_reason"] == "length"
    assert cut_off["message"]["content"].startswith("<tool_call>")
    assert not cut_off["message"].get("tool_calls")


def test_streamed_tool_call(http, body):
    """A streamed call has its id and name once, then its arguments in pieces that join to JSON."""
    stream = chunks(http, body, tools=TOOLS, tool_choice=NAMED, max_tokens=1500)
    deltas = [chunk["choices"][0]["delta"] for chunk in stream]
    calls = [call for delta in deltas for call in delta.get("tool_calls") or []]
    assert {call["index"] for call in calls} == {0}
    assert len([call["id"] for call in calls if call.get("id")]) == 1
    assert [call["function"]["name"] for call in calls if call["function"].get("name")] == ["rate"]
    assert fits_schema("".join(call["function"].get("arguments") or "" for call in calls))


def test_tools_left_to_the_model(http, body):
    """With optional tools, an answer in prose is content without calls."""
    message = answer(http, body, tools=TOOLS)["choices"][0]["message"]
    assert message["content"]
    assert not message.get("tool_calls")


def test_json_schema(http, body):
    """An answer constrained by a schema fits it."""
    form = {"type": "json_schema", "json_schema": {"name": "rating", "schema": SCHEMA, "strict": True}}
    choice = answer(http, body, response_format=form, max_tokens=200)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert fits_schema(choice["message"]["content"])


def test_streamed_json_schema(http, body):
    """A streamed one fits, too."""
    form = {"type": "json_schema", "json_schema": {"name": "rating", "schema": SCHEMA, "strict": True}}
    stream = chunks(http, body, response_format=form, max_tokens=200)
    assert fits_schema("".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in stream))


def test_structured_outputs_choice(http, body):
    """vLLM's own ``structured_outputs`` keeps an answer to one of the choices."""
    text = answer(http, body, structured_outputs={"choice": ["yes", "no"]})["choices"][0]["message"]["content"]
    assert text in {"yes", "no"}


# --- tokens


def test_tokenize_counts_like_usage(http, body, root):
    """/tokenize lies outside of /v1 and counts a conversation as usage does, tools included."""
    asked = {key: body[key] for key in ("model", "messages")} | {"tools": TOOLS}
    counted = http.post(root.join("/tokenize"), json=asked).json()
    assert counted["count"] == len(counted["tokens"])
    assert counted["max_model_len"] == 4096
    assert counted["count"] == answer(http, body, tools=TOOLS)["usage"]["prompt_tokens"]


def test_tokenize_text_and_back(http, body, root):
    """The tokens of a text decode to the text, in any script."""
    text = "def नमस्ते(): return 'hello'"
    tokens = http.post(root.join("/tokenize"), json={"model": body["model"], "prompt": text}).json()["tokens"]
    back = http.post(root.join("/detokenize"), json={"model": body["model"], "tokens": tokens}).json()
    assert back == {"prompt": text}


# --- reasoning


@pytest.fixture
def end_of_thought(http, body, root) -> str:
    """The token that ends reasoning, on a server that parses it."""
    thought = answer(http, body, chat_template_kwargs=THINKING)["choices"][0]["message"]["reasoning"]
    assert thought is not None, "the server runs without a reasoning parser: start it as `vllm_server.py` does"
    asked = {"model": body["model"], "prompt": "</think>", "add_special_tokens": False}
    [token] = http.post(root.join("/tokenize"), json=asked).json()["tokens"]
    return str(token)


@pytest.fixture
def thoughtful(body, end_of_thought) -> dict[str, Any]:
    """A request for thinking, biased so that a random model soon ends its reasoning in most of eight answers."""
    bias = {end_of_thought: 6}
    return body | {"chat_template_kwargs": THINKING, "logit_bias": bias, "max_tokens": 100, "n": 8}


def test_unfinished_reasoning(http, body, end_of_thought):
    """Reasoning that is cut off is in ``reasoning``, and ``content`` is null."""
    result = answer(http, body, chat_template_kwargs=THINKING, logit_bias={end_of_thought: -100})
    choice = result["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["reasoning"]
    assert choice["message"]["content"] is None
    # The template has opened the reasoning already, and vLLM counts only reasoning whose start it generates.
    assert result["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}


def test_reasoning_and_content(http, thoughtful):
    """Finished reasoning is in ``reasoning`` without its tags, and the rest in ``content``."""
    messages = [choice["message"] for choice in answer(http, thoughtful)["choices"]]
    assert any(message["reasoning"] and message["content"] for message in messages)
    assert not any("</think>" in (message["reasoning"] or "") for message in messages)


def test_streamed_reasoning(http, thoughtful):
    """Streamed, all reasoning of a choice comes before its content, under the key ``reasoning``."""
    orders = []
    choices = [choice for chunk in chunks(http, thoughtful) for choice in chunk["choices"]]
    assert all("reasoning_content" not in choice["delta"] for choice in choices)
    for index in range(8):
        deltas = [choice["delta"] for choice in choices if choice["index"] == index]
        orders.append([key for delta in deltas for key in ("reasoning", "content") if delta.get(key)])
    assert all(order == sorted(order, reverse=True) for order in orders)
    assert any(set(order) == {"reasoning", "content"} for order in orders)


def test_a_schema_constrains_what_follows_the_reasoning(http, thoughtful):
    """A schema constrains the content and not the reasoning."""
    form = {"type": "json_schema", "json_schema": {"name": "rating", "schema": SCHEMA, "strict": True}}
    choices = answer(http, thoughtful, response_format=form, max_tokens=300)["choices"]
    finished = [choice["message"] for choice in choices if choice["finish_reason"] == "stop"]
    assert any(message["reasoning"] for message in finished)
    assert all(fits_schema(message["content"]) for message in finished)
