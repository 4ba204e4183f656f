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

NEWER_FEATURES = {
    r"langchain/test_agents\.py::test_a_summary_that_overflows_the_context_is_requested_again_with_fewer_messages": (
        "langchain 1.4.1, the newest for langchain-core 1.6.0, asks again with as much as before"
    ),
    r"test_linear_time\.py::test_each_case_takes_linear_time\[(chunks of arguments|ending_for_broken_call)": (
        "langchain-core 1.6.0 reads the JSON of a broken call in quadratic time"
    ),
    r"test_architecture\.py::test_the_core_is_light_and_needs_no_framework": (
        "httpx 0.27 loads httpcore when it is imported"
    ),
    r"client/test_clients\.py::test_certificates_that_cannot_be_read_are_named": (
        "httpx 0.27 passes over a file of certificates that does not exist"
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
    """Deselect tests of features that the lowest versions lack."""
    left_out = [item for item in items if any(re.search(pattern, item.nodeid) for pattern in NEWER_FEATURES)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


if __name__ == "__main__":
    sys.stdout.writelines(f"{floor}\n" for floor in floors())
