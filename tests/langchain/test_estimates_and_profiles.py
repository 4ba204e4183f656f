"""Token estimates, model profiles and argument names: the exact values, without a server."""

from __future__ import annotations

import pytest

from langchain_tir._aliases import rename_parameters, with_usage_option
from langchain_tir._profile import known_profile
from langchain_tir._token_estimates import estimate, estimate_text
from tir_client import InvalidRequestError


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("नम", 2), ("\ud800", 1)])
def test_a_text_has_a_token_for_four_bytes(text: str, tokens: int):
    assert estimate_text(text) == tokens


CALL = {"id": "1", "type": "function", "function": {"name": "12345", "arguments": '{"a": "bcdef"}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        ({"content": ""}, 3),
        ({"content": "12345"}, 3 + 2),
        ({"content": "", "reasoning": "12345"}, 3 + 2),
        ({"content": "", "name": "12345"}, 3 + 2),
        ({"content": "12345", "reasoning": "12345", "name": "12345"}, 3 + 6),
        ({"content": [{"type": "text", "text": "12345"}, IMAGE]}, 3 + 2 + 1_000),
        ({"content": "", "tool_calls": [CALL, CALL]}, 3 + 2 * (2 + 4)),
    ],
)
def test_a_message_counts_all_that_is_sent_of_it(message: dict, tokens: int):
    assert estimate([message]) == tokens
    assert estimate([message] * 3) == 3 * tokens


def test_tools_count_with_their_schemas():
    assert estimate([{"content": ""}], [{"a": "é"}]) == 3 + 3
    assert estimate([], [{"a": "é"}, {"a": "b"}]) == 3 + 3
    assert estimate([]) == 0


def test_a_known_model_has_a_profile():
    assert known_profile("gpt_oss_120b") == {
        "max_input_tokens": 131_072,
        "max_output_tokens": 131_072,
        "text_inputs": True,
        "text_outputs": True,
        "image_inputs": False,
        "image_url_inputs": False,
        "reasoning_output": True,
        "reasoning_effort_levels": ["low", "medium", "high"],
        "tool_calling": True,
        "tool_choice": True,
        "tool_call_streaming": True,
        "open_weights": True,
    }
    assert known_profile("llama_4_scout_17b_16e_instruct") == {
        "text_inputs": True,
        "text_outputs": True,
        "image_inputs": True,
        "image_url_inputs": True,
        "reasoning_output": False,
        "tool_calling": True,
        "tool_choice": True,
        "tool_call_streaming": True,
        "open_weights": True,
    }


@pytest.mark.parametrize("name", ["of-nobody", "bge_large_en_v1_5", "e5_mistral_7b_instruct"])
def test_unknown_models_and_embedding_models_have_none(name: str):
    assert known_profile(name) is None


def test_arguments_of_other_models_are_renamed():
    assert rename_parameters({"temperature": 0, "stream_usage": False}) == {
        "temperature": 0,
        "stream_options": {"include_usage": False},
    }
    assert rename_parameters({"stream_usage": True}) == {"stream_options": {"include_usage": True}}
    with pytest.raises(InvalidRequestError, match="stream_options"):
        rename_parameters({"stream_usage": True, "stream_options": {"include_usage": True}})


def test_an_unset_usage_option_is_not_changed():
    arguments = {"temperature": 0}

    assert with_usage_option(arguments) is arguments
    assert with_usage_option({"stream_usage": None}) == {"stream_usage": None}
    assert with_usage_option({"a": 1, "stream_usage": True}) == {"a": 1, "stream_usage": {"include_usage": True}}
