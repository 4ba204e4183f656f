"""Selects what this library has logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

    import pytest


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records of `tir_client`. asyncio, for one, may log at any time what became of another test's objects."""
    return [record for record in caplog.records if record.name == "tir_client"]
