"""Runs commands in this process, against a sandbox."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tir_cli import output
from tir_cli.app import app
from tir_sandbox import Sandbox


class Command:
    """Runs `tir`."""

    def __call__(self, *arguments: str, piped: str | bytes = "") -> Result:
        return CliRunner().invoke(app, arguments, input=piped, catch_exceptions=False)

    def json(self, *arguments: str, piped: str = "") -> list[Any]:
        """The lines that a command prints with `--json`."""
        done = self(*arguments, "--json", piped=piped)
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The width of tables, in this process and in others, whatever the terminal that runs the tests has."""
    monkeypatch.setenv("COLUMNS", "80")
    for console in (output.stdout, output.stderr):
        monkeypatch.setattr(console, "_width", 80)


@pytest.fixture
def tir(tir_sandbox: Sandbox) -> Command:
    return Command()
