"""LangChain's standard integration tests on a real vLLM, as far as the words of its tiny random model do not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_tir import ChatTIR

if TYPE_CHECKING:
    from tests.real.plugin import RealServer

pytestmark = pytest.mark.real


class TestOnRealVLLM(ChatModelIntegrationTests):
    server: ClassVar[RealServer]

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _running(cls, real_server: RealServer) -> None:
        cls.server = real_server

    @property
    def chat_model_class(self) -> type[ChatTIR]:
        return ChatTIR

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": self.server.models[1], "base_url": self.server.base_url, "api_key": self.server.api_key}

    @property
    def model_override_value(self) -> str:
        """The first name, which this server answers with, whichever of its names a request has."""
        return self.server.models[0]

    structured_output_kwargs: ClassVar[dict[str, str]] = {"method": "json_schema"}
    supports_json_mode = True
    supports_anthropic_inputs = True
