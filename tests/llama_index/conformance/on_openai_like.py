"""The promises on `OpenAILike`. pytest does not collect it; `compare` runs it where that package is installed."""

from __future__ import annotations

import pytest
from llama_index.llms.openai_like import OpenAILike

from . import LLMConformance


class TestOpenAILike(LLMConformance):
    """With the flags that its documentation recommends, except where defaults are tested."""

    @pytest.fixture
    def make(self, sandbox):
        def make(server=sandbox, **fields):
            given = {
                "model": "gpt_oss_120b",
                "is_chat_model": True,
                "is_function_calling_model": True,
                "should_use_structured_outputs": True,
                **fields,
            }
            return OpenAILike(**{"api_base": server.base_url, "api_key": server.token, **given})

        return make

    @pytest.fixture
    def make_bare(self, sandbox):
        return lambda: OpenAILike(model="gpt_oss_120b", api_base=sandbox.base_url, api_key=sandbox.token)

    @pytest.fixture
    def make_without_key(self, sandbox):
        return lambda: OpenAILike(model="gpt_oss_120b", api_base=sandbox.base_url, is_chat_model=True)
