"""LangChain's standard integration tests on the sandbox, every switch on, once for each way to structured output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.integration_tests import ChatModelIntegrationTests

from demo.rules import answer
from langchain_tir import ChatTIR
from tir_sandbox import Reply, Sandbox, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator

JOKE = Reply(text='{"setup": "Why do cats sit on keyboards?", "punchline": "To be near the mouse."}')
CUSTOMERS = [
    Reply(tool_calls=[ToolCall("unicode_customer", {"customer_name": name, "description": "A technology company"})])
    for name in ("你好啊集团", "こんにちは株式会社")
]
A_FILE = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Standard(ChatModelIntegrationTests):
    sandbox: Sandbox
    scripts: ClassVar[dict[str, list[Reply]]] = {
        "test_json_mode": [JOKE] * 4,
        "test_unicode_tool_call_integration": CUSTOMERS,
    }

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _running(cls) -> Iterator[None]:
        with Sandbox(rules=answer) as cls.sandbox:
            yield
            cls.sandbox.reset()  # not every variant of a test uses all of its replies

    @pytest.fixture(autouse=True)
    def _offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite downloads images and audio; the tests use other bytes."""
        monkeypatch.setattr(httpx, "get", lambda *_, **__: httpx.Response(200, content=A_FILE))
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "nobody is asked")

    @pytest.fixture(autouse=True)
    def _scripted(self, request: pytest.FixtureRequest) -> None:
        """Script the answers that need a model; the sandbox's rules answer the rest."""
        self.sandbox.reset()
        self.sandbox.script(*self.scripts.get(request.node.originalname or request.node.name, ()))

    @property
    def chat_model_class(self) -> type[ChatTIR]:
        return ChatTIR

    @property
    def chat_model_params(self) -> dict[str, Any]:
        running = self.sandbox
        return {
            "model": "gpt_oss_120b",
            "api_key": running.token,
            "project_id": running.project_id,
            "host": running.host,
        }

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {**super().standard_chat_model_params, "max_tokens": 1000}

    supports_json_mode = True
    supports_anthropic_inputs = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_image_tool_message = True
    supports_audio_inputs = True
    enable_vcr_tests = True
    model_override_value = "qwen3_32b"
    supported_usage_metadata_details: ClassVar[dict[str, list[str]]] = {
        "invoke": ["reasoning_output", "cache_read_input"],
        "stream": ["reasoning_output", "cache_read_input"],
    }

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._asked(stream=stream)

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        return self._asked(stream=stream)

    def _asked(self, *, stream: bool) -> AIMessage:
        model = ChatTIR(**self.chat_model_params)
        if not stream:
            return model.invoke("Hello")
        return sum(model.stream("Hello"), AIMessageChunk(""))


class TestJsonSchema(Standard):
    structured_output_kwargs: ClassVar[dict[str, str]] = {"method": "json_schema"}


class TestFunctionCalling(Standard):
    structured_output_kwargs: ClassVar[dict[str, str]] = {"method": "function_calling"}


class TestJsonMode(Standard):
    structured_output_kwargs: ClassVar[dict[str, str]] = {"method": "json_mode"}
    scripts: ClassVar[dict[str, list[Reply]]] = {
        **Standard.scripts,
        "test_structured_output": [JOKE] * 4,
        "test_structured_output_async": [JOKE] * 4,
        "test_structured_output_pydantic_2_v1": [JOKE] * 4,
        "test_structured_output_optional_param": [JOKE] * 4,
    }
