"""Answers of llama.cpp's server and of SGLang give the same results as vLLM's."""

from __future__ import annotations

import json

import pytest

from tests.client.test_recordings import read_stream, request_of
from tests.recorded import Recording, recording
from tir_client import AuthenticationError, BadRequestError, ContextOverflowError, ServerError, StreamServerError
from tir_client.protocol.error_responses import error_from_response
from tir_client.protocol.json_answers import read_models
from tir_client.protocol.reader import read_answer
from tir_client.protocol.responses import Completion

LLAMA, SGLANG = "llama-cpp", "sglang-from-source"
GREETING = "Hello there, नमस्ते 👋"
DELHI = {"city": "Delhi", "days": 1}


def answer_of(rec: Recording) -> Completion:
    return read_stream(rec)[1] if rec.is_stream else read_answer(request_of(rec), rec.content).completion()


def both(name: str) -> list[str]:
    """A recording of a whole answer, and that of the same answer streamed."""
    return [name, f"{name}-stream"]


@pytest.mark.parametrize(
    ("name", "reasoning"),
    [(name, "Greet them.\n") for name in both(f"{LLAMA}/hello")]
    + [(name, "Greet them.") for name in both(f"{SGLANG}/hello")],
)
def test_reasoning_is_separate_from_the_answer(name: str, reasoning: str):
    choice = answer_of(recording(name)).choice

    assert (choice.reasoning, choice.text, choice.finish_reason) == (reasoning, GREETING, "stop")


@pytest.mark.parametrize(
    ("name", "calls", "reasoning", "text"),
    [
        *((name, [("weather", DELHI)], "Look it up.", "") for name in both(f"{LLAMA}/tool-auto")),
        (f"{LLAMA}/tool-named", [("weather", DELHI)], "Look it up.", ""),
        *((name, [("weather", DELHI)], "", "I look.") for name in both(f"{LLAMA}/tool-after-text")),
        *(
            (name, [("weather", {"city": "Pune", "days": 2}), ("now", {})], "", "")
            for name in both(f"{LLAMA}/tool-parallel")
        ),
        *(
            (name, [("weather", DELHI), ("weather", {"city": "पुणे"})], "Look it up.", "")
            for name in both(f"{SGLANG}/tools")
        ),
        *((name, [("weather", DELHI)], "", "") for name in both(f"{SGLANG}/tools-kimi")),
    ],
)
def test_tool_calls_have_names_arguments_and_ids(name: str, calls: list[object], reasoning: str, text: str):
    choice = answer_of(recording(name)).choice

    assert [(call.name, call.parsed()) for call in choice.tool_calls] == calls
    assert len({call.id for call in choice.tool_calls if call.id}) == len(calls)
    assert (choice.reasoning.strip(), choice.text.strip()) == (reasoning, text)
    assert choice.finish_reason == "tool_calls"


@pytest.mark.parametrize("name", both(f"{LLAMA}/tool-required"))
def test_a_required_call_is_made(name: str):
    choice = answer_of(recording(name)).choice

    assert choice.finish_reason == "tool_calls"
    assert {call.name for call in choice.tool_calls} == {"weather"}
    assert all(call.parsed().keys() == {"city", "days"} for call in choice.tool_calls)


@pytest.mark.parametrize("name", both(f"{LLAMA}/length-in-args"))
def test_a_call_that_was_cut_off_is_not_complete(name: str):
    choice = answer_of(recording(name)).choice

    assert choice.finish_reason == "length"
    for call in choice.tool_calls:
        with pytest.raises(ValueError, match="delimiter"):
            call.parsed()


@pytest.mark.parametrize("name", [*both(f"{LLAMA}/length-in-reasoning"), *both(f"{SGLANG}/length")])
def test_reasoning_that_was_cut_off_is_not_an_answer(name: str):
    choice = answer_of(recording(name)).choice

    assert (choice.text, choice.finish_reason) == ("", "length")
    assert choice.reasoning.startswith("Greet them."[: len(choice.reasoning)])


@pytest.mark.parametrize(
    ("name", "word"),
    [(name, None) for name in both(f"{LLAMA}/stop")] + [(name, "नम") for name in both(f"{SGLANG}/stop")],
)
def test_a_stop_word_ends_the_text(name: str, word: str | None):
    """llama.cpp does not report the word; SGLang reports it under another name than vLLM."""
    choice = answer_of(recording(name)).choice

    assert (choice.text, choice.finish_reason, choice.stop_reason) == ("Hello there, ", "stop", word)


@pytest.mark.parametrize("name", both(f"{LLAMA}/json-schema"))
def test_an_answer_with_a_schema_is_json(name: str):
    assert json.loads(answer_of(recording(name)).choice.text) == {"city": "Delhi"}


@pytest.mark.parametrize("name", both(f"{LLAMA}/logprobs"))
def test_log_probabilities_are_read(name: str):
    logprobs = answer_of(recording(name)).choice.logprobs

    assert [token["token"] for token in logprobs[:2]] == ["H", "i"]
    assert all(token["logprob"] < 0 and len(token["top_logprobs"]) == 1 for token in logprobs[:2])


@pytest.mark.parametrize(
    ("name", "prompt", "completion", "cached", "reasoning"),
    [
        (f"{LLAMA}/hello", 21, 60, 0, None),
        (f"{LLAMA}/tool-auto", 942, 16, None, None),
        (f"{SGLANG}/hello", 10, 12, None, 4),
        (f"{SGLANG}/hello-stream", 10, 12, None, 4),
        (f"{SGLANG}/hello-stream-cached", 10, 12, 8, 4),
        (f"{SGLANG}/hello-stream-continuous-usage", 10, 12, None, 4),
    ],
)
def test_tokens_are_counted(name: str, prompt: int, completion: int, cached: int | None, reasoning: int | None):
    usage = answer_of(recording(name)).usage

    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt, completion)
    assert usage.total_tokens == prompt + completion
    assert usage.reasoning_tokens == reasoning
    assert cached is None or usage.cached_tokens == cached


def test_without_usage_a_stream_is_still_complete():
    completion = answer_of(recording(f"{LLAMA}/hello-stream-no-usage"))

    assert (completion.choice.text, completion.usage) == (GREETING, None)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        (f"{LLAMA}/err-bad-key", AuthenticationError),
        (f"{LLAMA}/err-too-long", ContextOverflowError),
        (f"{LLAMA}/err-too-long-stream", ContextOverflowError),
        (f"{LLAMA}/err-n2", BadRequestError),
        (f"{LLAMA}/err-embeddings", ServerError),
        (f"{SGLANG}/err-bad-key", AuthenticationError),
        (f"{SGLANG}/err-too-long", ContextOverflowError),
        (f"{SGLANG}/err-too-long-with-answer", ContextOverflowError),
        (f"{SGLANG}/err-validation", BadRequestError),
        (f"{SGLANG}/err-abort", ServerError),
    ],
)
def test_errors_have_the_same_classes(name: str, cls: type[Exception]):
    rec = recording(name)

    assert type(error_from_response(rec.status, rec.headers, rec.content, url="http://host/v1")) is cls


def test_an_error_in_the_middle_of_sglangs_stream_carries_the_partial_answer():
    with pytest.raises(StreamServerError, match="Request timed out while it was running") as caught:
        read_stream(recording(f"{SGLANG}/midstream-abort"))

    assert (caught.value.status_code, caught.value.partial.choice.text) == (503, "Hello there, ")


@pytest.mark.parametrize(("name", "window"), [(f"{LLAMA}/models", 2_048), (f"{SGLANG}/models", 40_960)])
def test_the_context_window_is_in_the_list_of_models(name: str, window: int):
    assert [card.max_model_len for card in read_models(recording(name).content, None)] == [window]
