"""LangChain's standard unit tests, every switch on."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_tir import ChatTIR


@pytest.mark.usefixtures("loadable")
class TestStandardUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[ChatTIR]:
        return ChatTIR

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt_oss_120b", "project_id": 123}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {**super().standard_chat_model_params, "api_key": "a-token-of-the-tests"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"E2E_TIR_ACCESS_TOKEN": "a-token-of-the-environment", "E2E_TIR_PROJECT_ID": "p-123"}
        return environment, {}, {"api_key": "a-token-of-the-environment", "project_id": "p-123"}

    @pytest.fixture(autouse=True)
    def _token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", "a-token-of-the-environment")
