"""A pytest plugin (`-p tests.without_server`) that leaves out the integrations' tests that call a sandbox.

`make mutants` uses it, as each planted mistake would cost the start of a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

INTEGRATIONS = ("tests/langchain/", "tests/llama_index/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _calls_sandbox(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not _calls_sandbox(item)]


def _calls_sandbox(item: pytest.Item) -> bool:
    return item.nodeid.startswith(INTEGRATIONS) and "sandbox" in getattr(item, "fixturenames", ())
