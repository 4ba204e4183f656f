"""The lowest versions that pyproject.toml allows: as constraints for pip, and as a pytest plugin.

`python -m tests.lowest_versions` prints the constraints. `-p tests.lowest_versions` leaves out the tests of what the
frameworks added later.
"""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"

LEARNT_LATER = {
    r"client/test_pytest_httpx\.py": "pytest-httpx requires httpx 0.28, and `make test-lowest` does not install it",
    r"langchain/test_agents\.py::test_a_summary_that_overflows_the_context_is_asked_for_again_with_less": (
        "langchain 1.4.1, the newest for langchain-core 1.6.0, asks again with as much as before"
    ),
}
"""Patterns of tests, and why they fail with the lowest versions."""


def floors() -> list[str]:
    """Each dependency and each one of an extra, at its floor."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    wanted = chain(project["dependencies"], *project["optional-dependencies"].values())
    return [_floor(requirement) for requirement in wanted]


def _floor(requirement: str) -> str:
    found = re.match(r"([\w-]+)>=([\d.]+)(?:,|$)", requirement)
    if found is None:
        raise ValueError(f"pyproject.toml: {requirement!r} has no floor")
    return f"{found[1]}=={found[2]}"


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Deselect what was learnt later."""
    left_out = [item for item in items if any(re.search(pattern, item.nodeid) for pattern in LEARNT_LATER)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


if __name__ == "__main__":
    sys.stdout.writelines(f"{floor}\n" for floor in floors())
