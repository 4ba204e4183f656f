"""`TIR` passes the conformance suite. `docs/measured/llama_index_conformance.md` compares other LLMs."""

from __future__ import annotations

import pytest

from llama_index_tir import TIR

from .conformance import LLMConformance


@pytest.mark.usefixtures("patient_drain")
class TestTIR(LLMConformance):
    @pytest.fixture
    def make(self, sandbox):
        def make(server=sandbox, **fields):
            return TIR(**{"base_url": server.base_url, "api_key": server.token, **fields})

        return make

    @pytest.fixture
    def make_bare(self, make):
        return make

    @pytest.fixture
    def make_without_key(self, sandbox, monkeypatch):
        monkeypatch.delenv("E2E_TIR_ACCESS_TOKEN")
        return lambda: TIR(base_url=sandbox.base_url)
