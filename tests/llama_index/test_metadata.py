"""The metadata of an unknown model: which uses request its context window."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core import PromptHelper, PromptTemplate
from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.memory import ChatMemoryBuffer

from llama_index_tir import TIR
from tir_sandbox import Sandbox

LISTED = "/v1/models"


@pytest.fixture
def own(patient_windows: None):
    with Sandbox(models=["mine"], context_window=4_096) as started:
        yield started


def mine(own: Sandbox, **more: Any) -> TIR:
    return TIR(**{"model": "mine", "api_key": own.token, "base_url": own.base_url, **more})


async def test_calls_do_not_request_the_context_window(own: Sandbox):
    llm = mine(own)
    llm.complete("Hi")
    llm.predict(PromptTemplate("Say {what}."), what="hi")
    await llm.apredict(PromptTemplate("Say {what}."), what="hi")

    assert LISTED not in [request.path for request in own.requests]
    assert (llm.metadata.model_name, llm.metadata.is_function_calling_model) == ("mine", True)


@pytest.mark.parametrize("limit", [("context_window", 4_096), ("num_output", 256)])
def test_the_limits_are_read_once(own: Sandbox, limit: tuple[str, int]):
    llm = mine(own)
    metadata = llm.metadata

    assert [getattr(one, limit[0]) for one in (metadata, metadata, llm.metadata)] == [limit[1]] * 3
    assert isinstance(metadata, LLMMetadata)
    assert metadata.model_dump() == LLMMetadata(**metadata.model_dump()).model_dump()
    assert [request.path for request in own.requests] == [LISTED]


def test_at_most_half_of_the_window_is_reserved(own: Sandbox):
    assert mine(own, max_tokens=3_000).metadata.num_output == 2_048


def test_prompt_helpers_and_memories_use_the_window(own: Sandbox):
    llm = mine(own)

    assert PromptHelper.from_llm_metadata(llm.metadata).context_window == 4_096
    assert ChatMemoryBuffer.from_defaults(llm=llm).token_limit == 4_096 * 0.75


def test_a_context_window_that_is_set_is_not_requested(own: Sandbox):
    assert mine(own, context_window=99).metadata.context_window == 99
    assert own.requests == []


def test_an_unknown_attribute_raises_attribute_error(own: Sandbox):
    with pytest.raises(AttributeError):
        _ = mine(own).metadata.context_windo
    assert own.requests == []
