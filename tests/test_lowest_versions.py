"""Each pattern of tests that `make test-lowest` leaves out matches a test; one with an old name would match none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lowest_versions import NEWER_FEATURES

TESTS = Path(__file__).parent


@pytest.mark.parametrize("pattern", NEWER_FEATURES)
def test_each_test_that_is_left_out_exists(pattern: str) -> None:
    path, _, name = pattern.replace("\\", "").partition("::")
    files = [file for file in TESTS.rglob("test_*.py") if file.as_posix().endswith(path)]

    assert any(f"def {name.partition('[')[0]}(" in file.read_text("utf-8") for file in files)
