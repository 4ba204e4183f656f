"""The facts about a model, found by its name."""

from __future__ import annotations

import pytest

from tir_client import model_info
from tir_client.models import slug_of


@pytest.mark.parametrize(
    "name",
    [
        "gpt_oss_120b",
        "gpt-oss-120b",
        "openai/gpt-oss-120b",
        "gpt_oss_20b",
        "openai/gpt-oss-20b",
        "/models/openai/GPT-OSS-20B",
    ],
)
def test_gpt_oss_is_known_under_each_of_its_names(name):
    info = model_info(name)
    assert (info.context_window, info.reasoning, info.inline_think) == (131_072, True, False)


WINDOWS = {
    "gpt_oss_120b": 131_072,
    "gpt_oss_20b": 131_072,
    "qwen3_32b": 40_960,
    "deepseek_r1": 163_840,
    "deepseek_v3": 163_840,
    "llama3_1_8b_instruct": 131_072,
    "llama3_2_3b_instruct": 131_072,
    "llama_3_3_70b_instruct_fp8": 131_072,
    "qwen2_vl_72b_instruct": 32_768,
    "phi_4": 16_384,
    "gemma_7b": 8_192,
    "llama_guard_3_8b": 131_072,
    "e5_mistral_7b_instruct": 4_096,
    "bge_large_en_v1_5": 512,
}
"""Context windows as the models' own pages state them."""


def test_context_windows_are_those_of_the_models_pages():
    assert {name: model_info(name).context_window for name in WINDOWS} == WINDOWS


@pytest.mark.parametrize("name", ["e5-mistral-7b-instruct", "intfloat/e5-mistral-7b-instruct"])
def test_an_embedding_model_is_known_with_its_instruction(name):
    assert model_info(name).query_instruction.startswith("Instruct:")


def test_dots_and_dashes_in_names_are_equivalent():
    assert model_info("BAAI/bge-large-en-v1.5") is model_info("bge-large-en-v1_5")
    assert model_info("bge-large-en-v1_5").dimensions == 1_024


@pytest.mark.parametrize("name", ["", "my_own", "gpt-oss-120b/my_own", "gpt_oss_120b_tuned"])
def test_unknown_names_have_no_known_limits(name):
    info = model_info(name)
    assert (info.context_window, info.reasoning, info.tools, info.inline_think) == (None, False, True, True)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("openai/gpt-oss-120b", "gpt_oss_120b"),
        ("/models/openai/GPT-OSS-20B", "gpt_oss_20b"),
        ("microsoft/phi-4", "phi_4"),
        ("BAAI/bge-large-en-v1.5", "bge-large-en-v1_5"),
        ("intfloat/E5-mistral-7b-instruct", "e5-mistral-7b-instruct"),
        ("a/b/BGE-large-en-v1.5", "bge-large-en-v1_5"),
        ("my/own", None),
    ],
)
def test_the_slug_of_a_hugging_face_id_is_found(name, slug):
    assert slug_of(name) == slug
