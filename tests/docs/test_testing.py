"""The examples of docs/guides/testing.md run as they are written."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import langchain.agents  # import these once here: `pytester` forgets modules that an example imports first
import pytest
import vcr

import langchain_tir
import tir_client.transport.aiohttp
import tir_client.transport.httpcore
from tests.blocked_imports import ROOT
from tir_sandbox import Sandbox
from tir_sandbox.server import OVERRIDES

if TYPE_CHECKING:
    from pathlib import Path

LOADED = (langchain.agents, langchain_tir, tir_client.transport.aiohttp, tir_client.transport.httpcore, vcr)
PAGE = (ROOT / "docs" / "guides" / "testing.md").read_text("utf-8")
FILES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
RECORDED = ("conftest.py", "test_recorded.py")
TESTS = [name for name in FILES if name.startswith("test_") and name not in RECORDED]
TOKEN = "eyJ-a-secret-token"
PROJECT = "98765432109876543210"
"""Longer than any other number of a cassette, such as a time."""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    return pytester


def run(project: pytest.Pytester, *names: str) -> pytest.RunResult:
    """Run files of the page as a separate project."""
    for name in names:
        (project.path / name).write_text(FILES[name], "utf-8")
    project.syspathinsert()
    return project.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly")


def test_every_block_is_a_file() -> None:
    assert len(FILES) == PAGE.count("```python")
    assert len(TESTS) == 5


@pytest.mark.parametrize("name", TESTS)
def test_an_example_passes_as_written(project: pytest.Pytester, name: str) -> None:
    run(project, "app.py", name).assert_outcomes(passed=1)


def cassettes(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in (folder / "cassettes").iterdir()}


def test_recorded_answers_are_replayed_without_the_server(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OVERRIDES:
        monkeypatch.delenv(name, raising=False)
    with Sandbox(token=TOKEN, project_id=PROJECT) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        run(project, *RECORDED).assert_outcomes(passed=3)
        asked = [(request.path, request.headers["authorization"]) for request in server.requests]
    recorded = cassettes(project.path)
    run(project, *RECORDED).assert_outcomes(passed=3)

    assert len(asked) == len(recorded) == 3
    assert all(PROJECT in path and TOKEN in header for path, header in asked)
    assert cassettes(project.path) == recorded
    for text in (re.sub(r"\s+", "", one) for one in recorded.values()):
        assert "chat/completions" in text
        assert "ariverofIndia" in text
        assert TOKEN not in text
        assert PROJECT not in text
    assert os.environ["E2E_TIR_ACCESS_TOKEN"] == TOKEN
