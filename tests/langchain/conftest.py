"""The sandbox that LangChain's tests call, and how LangChain's own suites are set up."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.conftest import CustomPersister, CustomSerializer, base_vcr_config
from vcr import VCR

from demo.rules import answer
from langchain_tir import ChatTIR
from tir_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(rules=answer) as running:
        yield running


@pytest.fixture
def endpoint(sandbox: Sandbox) -> dict[str, Any]:
    """The address and the token of the sandbox, as arguments of a model."""
    return {
        "api_key": sandbox.token,
        "project_id": sandbox.project_id,
        "host": sandbox.host,
        "max_retries": 0,
    }


@pytest.fixture
def make(endpoint: dict[str, Any]) -> Callable[..., ChatTIR]:
    """Make a model that calls the sandbox."""
    return lambda **fields: ChatTIR(**{**endpoint, **fields})


@pytest.fixture
def model(make: Callable[..., ChatTIR]) -> ChatTIR:
    return make()


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    """The sandbox's port changes from run to run, so a recorded call is known by its path and body."""
    config = base_vcr_config()
    return {
        **config,
        "filter_headers": [*config["filter_headers"], ("user-agent", "PLACEHOLDER")],
        "match_on": ["method", "path", "body"],
        "cassette_library_dir": str(Path(__file__).parent / "cassettes"),
        "serializer": "yaml.gz",
        "path_transformer": VCR.ensure_suffix(".yaml.gz"),
    }


@pytest.hookimpl(optionalhook=True)  # `make mutants` runs without the plugin that calls it
def pytest_recording_configure(config: dict[str, Any], vcr: VCR) -> None:
    vcr.register_persister(CustomPersister())
    vcr.register_serializer("yaml.gz", CustomSerializer())


@pytest.fixture
def loadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `load` accept our class among "all": LangChain's list has only the classes of its own packages."""
    load = import_module("langchain_core.load.load")  # `langchain_core.load.load` as an attribute is the function
    path = ("langchain_tir", "chat_models", "ChatTIR")
    monkeypatch.setitem(load.ALL_SERIALIZABLE_MAPPINGS, path, path)
    monkeypatch.setattr(load, "_default_class_paths_cache", {})
