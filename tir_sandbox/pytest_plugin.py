"""The pytest fixture `tir_sandbox`. It imports little, because pytest loads it wherever `tir-llm` is installed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tir_sandbox import Sandbox


@pytest.fixture
def tir_sandbox(monkeypatch: pytest.MonkeyPatch) -> "Iterator[Sandbox]":
    """A running sandbox. `ChatTIR()` and `TIR()` without arguments call it.

    During the test it sets `E2E_TIR_ACCESS_TOKEN`, `E2E_TIR_PROJECT_ID` and `MODEL_API_CLIENT_HOST`, and
    unsets `TIR_BASE_URL`, which takes precedence over the host, and `TIR_API_TOKEN`.
    """
    from tir_sandbox import Sandbox  # noqa: PLC0415  (the extra may be missing)
    from tir_sandbox.server import OVERRIDES  # noqa: PLC0415

    with Sandbox() as sandbox:
        for name in OVERRIDES:
            monkeypatch.delenv(name, raising=False)
        for name, value in sandbox.env.items():
            monkeypatch.setenv(name, value)
        yield sandbox
