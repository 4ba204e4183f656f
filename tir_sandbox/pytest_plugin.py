"""The fixture `tir_sandbox`. pytest loads this file wherever `tir-llm` is installed, so it imports next to nothing."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tir_sandbox.server import Sandbox


@pytest.fixture
def tir_sandbox(monkeypatch: pytest.MonkeyPatch) -> "Iterator[Sandbox]":
    """A running sandbox, to which the environment variables of TIR clients point."""
    from tir_sandbox.server import Sandbox  # noqa: PLC0415  (the extra may be missing)

    with Sandbox() as sandbox:
        for name, value in sandbox.env.items():
            monkeypatch.setenv(name, value)
        yield sandbox
