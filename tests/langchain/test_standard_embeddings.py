"""LangChain's standard tests of embeddings: unit tests, and integration tests on the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_tir import TIREmbeddings
from tir_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestStandardUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[TIREmbeddings]:
        return TIREmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"api_key": "a-token-of-the-tests", "project_id": 123}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"E2E_TIR_ACCESS_TOKEN": "a-token-of-the-environment", "E2E_TIR_PROJECT_ID": "p-123"}
        return environment, {}, {"api_key": "a-token-of-the-environment", "project_id": "p-123"}


class TestStandard(EmbeddingsIntegrationTests):
    sandbox: Sandbox

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _running(cls) -> Iterator[None]:
        with Sandbox() as cls.sandbox:
            yield

    @property
    def embeddings_class(self) -> type[TIREmbeddings]:
        return TIREmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        running = self.sandbox
        return {"api_key": running.token, "project_id": running.project_id, "host": running.host}
