"""Answers in the unusual forms of gateways and routers, whole and streamed, as LangChain's messages."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessageChunk, HumanMessage

from langchain_tir import ChatTIR
from tir_client import TIRError

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def whole(choice: dict[str, Any], usage: Any = USAGE) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", **choice}
    return json.dumps({"id": "c1", "model": "gpt_oss_120b", "choices": [choice], "usage": usage}).encode()


def streamed(*events: dict[str, Any]) -> bytes:
    lines = [*map(json.dumps, events), "[DONE]"]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c1", "model": "gpt_oss_120b", "choices": [choice]}


def model(make: Any, body: bytes) -> ChatTIR:
    """A model whose server answers each call with `body`."""
    kind = "text/event-stream" if body.startswith(b"data:") else "application/json"
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers={"content-type": kind}))
    return make(base_url="http://127.0.0.1/v1", http_client=httpx.Client(transport=transport))  # type: ignore[no-any-return]


@pytest.mark.parametrize("events", ["the second", "the last"])
def test_the_first_name_of_the_model_that_is_not_empty_counts(make: Any, events: str):
    empty = {"id": "", "model": "", "created": 0, "choices": []}
    named, late = {"id": "c1", "model": "gpt_oss_120b"}, {"id": "", "model": ""}
    pieces = [chunk({"content": "hi"}), chunk({}, "stop")]
    head = named if events == "the second" else late
    body = streamed(empty, *({**piece, **head} for piece in pieces), {**named, "choices": [], "usage": USAGE})

    with get_usage_metadata_callback() as callback:
        answer = sum(model(make, body).stream("Hi"), AIMessageChunk(""))

    assert (answer.response_metadata["model_name"], answer.response_metadata["id"]) == ("gpt_oss_120b", "c1")
    assert list(callback.usage_metadata) == ["gpt_oss_120b"]


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes."}],
        [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Yes."}],
    ],
)
def test_reasoning_among_content_parts_is_reasoning(make: Any, parts: list[Any]):
    answer = model(make, whole({"message": {"content": parts}})).invoke("Hi")
    pieces = streamed(*(chunk({"content": [part]}) for part in parts), chunk({}, "stop"))
    added_up = sum(model(make, pieces).stream("Hi"), AIMessageChunk(""))

    for message in (answer, added_up):
        assert (message.text, message.additional_kwargs["reasoning_content"]) == ("Yes.", "Hm.")
    assert answer.content_blocks[0] == {"type": "reasoning", "reasoning": "Hm."}


@pytest.mark.parametrize(
    "counts", [{name: str(count) for name, count in USAGE.items()}, {**USAGE, "prompt_tokens": 5.0}]
)
def test_token_counts_may_be_texts_or_floats(make: Any, counts: dict[str, Any]):
    answer = model(make, whole({"message": {"content": "Hi"}}, counts)).invoke("Hi")

    assert answer.usage_metadata == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize("counts", ["many", "inf", "nan", float("1e400"), True, None, [1]])
def test_invalid_token_counts_count_as_zero(make: Any, counts: Any):
    usage = {"prompt_tokens": counts, "completion_tokens": 2}

    answer = model(make, whole({"message": {"content": "Hi"}}, usage)).invoke("Hi")

    assert answer.usage_metadata == {"input_tokens": 0, "output_tokens": 2, "total_tokens": 2}


@pytest.mark.parametrize("finish", ["error", "stop", None])
@pytest.mark.parametrize("message", [{"content": ""}, {"content": "Half an"}, None])
def test_an_error_inside_a_choice_is_raised_with_the_providers_words(make: Any, finish: str | None, message: Any):
    choice = {"error": {"code": 502, "message": "The provider is down."}, "finish_reason": finish}
    bodies = [
        whole({"message": message, **choice} if message else choice),
        streamed({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": message, **choice}]}),
    ]

    for body in bodies:
        with pytest.raises(TIRError, match="The provider is down"):
            list(model(make, body).stream("Hi")) if body.startswith(b"data:") else model(make, body).invoke("Hi")


def test_the_id_of_an_answer_is_in_the_output_of_the_run(make: Any):
    output = model(make, whole({"message": {"content": "Hi"}})).generate([[HumanMessage("Hi")]]).llm_output

    assert output is not None
    assert (output["id"], output["model_name"]) == ("c1", "gpt_oss_120b")
