"""LangChain's standard integration tests on a real vLLM, except those that need a model that understands text.

Once for each way to structured output. `conftest.py` says what is left out, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_tir import ChatTIR

if TYPE_CHECKING:
    from tests.real.plugin import RealServer

pytestmark = pytest.mark.real


class OnRealVLLM(ChatModelIntegrationTests):
    server: ClassVar[RealServer]
    quote: ClassVar[int]
    more: dict[str, Any]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _running(cls, real_server: RealServer) -> None:
        cls.server = real_server
        asked = {"model": real_server.model, "prompt": '"', "add_special_tokens": False}
        url = f"{real_server.base_url.removesuffix('/v1')}/tokenize"
        (cls.quote,) = httpx.post(url, json=asked, timeout=60).json()["tokens"]

    @pytest.fixture(autouse=True)
    def _brief(self, request: pytest.FixtureRequest) -> None:
        """Limit the strings of an object: a random model would not end them, and the object must be complete."""
        is_object = "structured" in request.node.name
        self.more = {"logit_bias": {self.quote: 20}} if is_object else {"max_tokens": 100}

    @property
    def chat_model_class(self) -> type[ChatTIR]:
        return ChatTIR

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": self.server.models[1],
            "base_url": self.server.base_url,
            "api_key": self.server.api_key,
            **self.more,
        }

    @property
    def model_override_value(self) -> str:
        """The server's first name, with which it answers whichever of its names a request has."""
        return self.server.models[0]

    supports_json_mode = True
    supports_anthropic_inputs = True


class TestJsonSchema(OnRealVLLM):
    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "json_schema"}


class TestFunctionCalling(OnRealVLLM):
    """For a tool that is not strict, this server constrains only the name of the call."""

    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "function_calling", "strict": True}


class TestJsonMode(OnRealVLLM):
    structured_output_kwargs: ClassVar[dict[str, Any]] = {"method": "json_mode"}
