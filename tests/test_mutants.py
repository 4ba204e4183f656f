"""`make mutants` finds the modules and the tests that pyproject.toml names."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
TESTS = SETTINGS["pytest_add_cli_args_test_selection"]


@pytest.mark.parametrize("pattern", SETTINGS["only_mutate"])
def test_each_listed_module_exists(pattern: str):
    assert list(ROOT.glob(pattern))


def test_each_listed_test_exists_and_is_listed_once():
    assert len(set(TESTS)) == len(TESTS)
    for selected in TESTS:
        path, _, name = selected.removeprefix("--deselect=").partition("::")
        assert f"def {name}" in (ROOT / path).read_text("utf-8"), selected
