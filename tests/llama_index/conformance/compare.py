"""Writes `docs/measured/llama_index_conformance.md`: which promises `TIR` keeps, and which `OpenAILike` does.

Run it in a separate environment, as OpenAILike installs an openai SDK:
pip install --editable ".[llama-index,sandbox]" --group test llama-index-llms-openai-like
python -m tests.llama_index.conformance.compare
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPORT = HERE.parents[2] / "docs" / "measured" / "llama_index_conformance.md"
SUBJECTS = {"TIR": HERE.parent / "test_conformance.py", "OpenAILike": HERE / "on_openai_like.py"}
PACKAGES = ("llama-index-core", "llama-index-llms-openai-like", "llama-index-llms-openai", "openai")

INTRODUCTION = """\
---
description: What LlamaIndex expects of an LLM, as tests, and which of them TIR and OpenAILike pass.
---
# LlamaIndex: promises kept

LlamaIndex has no standard tests for LLMs. `tests/llama_index/conformance` has them: each row is a test that runs
against a real HTTP server on loopback (`tir_sandbox`), which answers as vLLM does. This page is written by
`python -m tests.llama_index.conformance.compare`, last with {versions}.

A promise is a behaviour on which LlamaIndex's own code or a user relies. Some concern gpt-oss and vLLM, and a client
for all OpenAI-style servers need not keep them; they are counted, too. `OpenAILike` is set up with the flags that its
documentation names (chat model, function calling) and with `should_use_structured_outputs`, except where a test is
about the defaults.
"""


class Outcomes:
    """A pytest plugin that records each test's outcome: an empty string, or the failure."""

    def __init__(self) -> None:
        self.sections: dict[str, str] = {}
        self.failures: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            owner = next(cls for cls in type(item.instance).__mro__ if item.originalname in vars(cls))
            self.sections[item.name] = owner.__name__.removesuffix("Promises")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failures.setdefault(report.nodeid.rsplit("::", 1)[-1], "")

    def pytest_exception_interact(self, node: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if not self.failures.get(node.name):  # the first reason, not the failure of a fixture's teardown
            self.failures[node.name] = _reason(call.excinfo.exconly().splitlines()[0])


def _reason(line: str) -> str:
    if line.startswith("AssertionError"):
        return "no"  # the promise says what was expected
    return "no: " + line.split(" at 0x", 1)[0][:110].replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def run(path: Path) -> Outcomes:
    outcomes = Outcomes()
    options = [
        "-q",
        "--no-header",
        "--tb=native",
        "-W",
        "ignore",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        f"--rootdir={HERE.parents[2]}",
    ]
    status = pytest.main([str(path), *options], plugins=[outcomes])
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise RuntimeError(f"The promises could not be tested: pytest ended with {status!r}.")
    return outcomes


def render(results: dict[str, Outcomes]) -> str:
    first = results["TIR"]
    kept = {name: sum(not why for why in outcome.failures.values()) for name, outcome in results.items()}
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = [INTRODUCTION.format(versions=versions), _row("", list(results)), _row("---", ["---"] * len(results))]
    lines.append(_row(f"**of {len(first.failures)} promises**", [f"**{count}**" for count in kept.values()]))
    for section in dict.fromkeys(first.sections.values()):
        lines += ["", f"## {section}", "", _row("promise", list(results)), _row("---", ["---"] * len(results))]
        names = [name for name, owner in first.sections.items() if owner == section]
        lines += [_row(_title(name), [_cell(outcome, name) for outcome in results.values()]) for name in names]
    return "\n".join(lines) + "\n"


def _row(first: str, cells: list[str]) -> str:
    return "| " + " | ".join([first, *cells]) + " |"


def _title(name: str) -> str:
    test, _, parameters = name.partition("[")
    shown = parameters.removesuffix("]").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return test.removeprefix("test_").replace("_", " ") + (f" ({shown})" if shown else "")


def _cell(outcomes: Outcomes, name: str) -> str:
    why = outcomes.failures.get(name, "not run")
    return why or "yes"


def main() -> None:
    results = {name: run(path) for name, path in SUBJECTS.items()}
    REPORT.write_text(render(results))
    sys.stdout.write(f"{REPORT}\n")


if __name__ == "__main__":
    main()
