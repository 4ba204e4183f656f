"""The fixtures of the real servers, and the rule that real tests run only with ``-m real``.

A folder of tests that need a server imports these names into its ``conftest.py``; all folders share the servers.
A server starts with the first test that needs it. One server runs at a time: the tests are sorted by their server,
and its start ends the one before.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from .models import EMBEDDING, GPT_OSS, RERANKER, TINY, Model
from .vllm_server import API_KEY, START_LIMIT, VLLMServer, termination_interrupts

# The first real test waits for the server, so each has time for a start in addition to its own.
REAL_TEST_LIMIT = START_LIMIT + 120


@dataclass(frozen=True)
class RealServer:
    """How to reach a vLLM server: its base URL ends in ``/v1``, its first model is the one to use."""

    base_url: str
    api_key: str
    models: tuple[str, ...]

    @property
    def model(self) -> str:
        return self.models[0]

    def endpoint(self) -> dict[str, str]:
        """Return the arguments with which both integrations reach the server."""
        return {"model": self.model, "base_url": self.base_url, "api_key": self.api_key}


class Servers:
    """The servers of a test session, of which one runs at a time."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._servers: dict[Model, RealServer] = {}

    def serving(self, model: Model) -> RealServer:
        """Return the server of a model: one that the environment names, a running one, or a new one."""
        if model not in self._servers:
            self._servers[model] = _named_by_environment(model) or self._start(model)
        return self._servers[model]

    def stop(self) -> None:
        self._running.close()

    def _start(self, model: Model) -> RealServer:
        self.stop()
        self._running.enter_context(termination_interrupts())
        started = self._running.enter_context(VLLMServer(model))
        return RealServer(started.base_url, started.api_key, started.models)


def _named_by_environment(model: Model) -> RealServer | None:
    """Return the server that the model's variable names, for runs against a running one."""
    base_url = os.environ.get(model.variable)
    if not base_url:
        return None
    names = os.environ.get(f"{model.variable.removesuffix('_BASE_URL')}_MODELS") or ",".join(model.served_as)
    return RealServer(
        base_url=base_url.rstrip("/"),
        api_key=os.environ.get("TIR_REAL_API_KEY") or API_KEY,
        models=tuple(name.strip() for name in names.split(",")),
    )


_KEY = pytest.StashKey[Servers]()


def _servers(config: pytest.Config) -> Servers:
    if _KEY not in config.stash:
        config.stash[_KEY] = Servers()
        config.add_cleanup(config.stash[_KEY].stop)
    return config.stash[_KEY]


@pytest.fixture(scope="session")
def real_server(pytestconfig: pytest.Config) -> RealServer:
    """Return a vLLM server with a model of random weights and a chat template."""
    return _servers(pytestconfig).serving(TINY)


@pytest.fixture(scope="session")
def embedding_server(pytestconfig: pytest.Config) -> RealServer:
    """Return a vLLM server with an embedding model that compares texts by their words."""
    return _servers(pytestconfig).serving(EMBEDDING)


@pytest.fixture(scope="session")
def reranker_server(pytestconfig: pytest.Config) -> RealServer:
    """Return a vLLM server with a reranker that counts the words of the query in a document."""
    return _servers(pytestconfig).serving(RERANKER)


@pytest.fixture(scope="session")
def gpt_oss_server(pytestconfig: pytest.Config) -> RealServer:
    """Return a vLLM server with a trained model of the gpt-oss architecture, behind the harmony parser."""
    return _servers(pytestconfig).serving(GPT_OSS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect real tests unless the marker expression names them; give the chosen ones time, server by server."""
    real = [item for item in items if item.get_closest_marker("real")]
    if "real" in config.option.markexpr:
        for item in real:
            if item.get_closest_marker("timeout") is None and config.pluginmanager.has_plugin("timeout"):
                item.add_marker(pytest.mark.timeout(REAL_TEST_LIMIT))
        items.sort(key=_server_of)
    elif real:
        config.hook.pytest_deselected(items=real)
        items[:] = [item for item in items if item not in set(real)]


ORDER = ("embedding_server", "reranker_server", "gpt_oss_server")


def _server_of(item: pytest.Item) -> int:
    """Return the place of a test's server in ``ORDER``; a test of the chat model comes before all of them."""
    fixtures = getattr(item, "fixturenames", ())
    return next((place for place, name in enumerate(ORDER, start=1) if name in fixtures), 0)
