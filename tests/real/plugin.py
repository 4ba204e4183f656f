"""The fixture ``real_server`` and the rule that real tests run only when ``-m real`` asks for them.

A folder of tests that need the server imports both names into its ``conftest.py``; they share one server.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from .vllm_server import API_KEY, MODELS, START_LIMIT, VLLMServer, termination_interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first real test waits for the server, so each may take the time of a start on top of its own.
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


_KEY = pytest.StashKey[RealServer]()


def server_named_by_environment() -> RealServer | None:
    """Return the server that ``TIR_REAL_BASE_URL`` names, for runs against one that is up already."""
    base_url = os.environ.get("TIR_REAL_BASE_URL")
    if not base_url:
        return None
    models = os.environ.get("TIR_REAL_MODELS") or ",".join(MODELS)
    return RealServer(
        base_url=base_url.rstrip("/"),
        api_key=os.environ.get("TIR_REAL_API_KEY") or API_KEY,
        models=tuple(name.strip() for name in models.split(",")),
    )


@pytest.fixture(scope="session")
def real_server(pytestconfig: pytest.Config) -> Iterator[RealServer]:
    """Give the session's vLLM server, started for the first test that asks and ended with the session."""
    if server := pytestconfig.stash.get(_KEY, server_named_by_environment()):
        yield server
        return
    with termination_interrupts(), VLLMServer() as started:
        server = RealServer(started.base_url, started.api_key, started.models)
        pytestconfig.stash[_KEY] = server
        yield server
        del pytestconfig.stash[_KEY]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect real tests unless the marker expression speaks of them; give the chosen ones time."""
    real = [item for item in items if item.get_closest_marker("real")]
    if "real" in config.option.markexpr:
        for item in real:
            if item.get_closest_marker("timeout") is None and config.pluginmanager.has_plugin("timeout"):
                item.add_marker(pytest.mark.timeout(REAL_TEST_LIMIT))
    elif real:
        config.hook.pytest_deselected(items=real)
        items[:] = [item for item in items if item not in set(real)]
