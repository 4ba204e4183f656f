"""Runs a program of the documentation against a sandbox."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import re
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import tir_sandbox
from tests.waiting import until

if TYPE_CHECKING:
    from tests.docs.pages import Block, Program
    from tir_sandbox import Sandbox


def run(program: Program, sandbox: Sandbox) -> None:
    """Run the blocks in one namespace. Top-level `await` works, as in a notebook.

    Raises:
        AssertionError: A block prints something else than the page shows, or makes more or fewer requests.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in program.blocks:
            sandbox.reset()
            replies = _replies(block)
            sandbox.script(*replies)
            printed = _run(block, namespace, runner)
            _wait_for_requests(sandbox, len(replies))
            sandbox.check_script()
            _check(block, printed)
    sandbox.reset()


def _wait_for_requests(sandbox: Sandbox, expected: int) -> None:
    """Wait for the requests of a block: if its call has timed out, the sandbox may read the request later."""
    until(lambda: len(sandbox.requests) >= expected)


def compiled(block: Block) -> Any:
    """The block as code whose tracebacks show the line of the page."""
    source = "\n" * (block.line - 1) + block.code
    return compile(source, block.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _run(block: Block, namespace: dict[str, Any], runner: asyncio.Runner) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        running = eval(compiled(block), namespace)
        if inspect.isawaitable(running):
            runner.run(_awaited(running))
    return out.getvalue()


async def _awaited(running: Any) -> None:
    await running


def _replies(block: Block) -> tuple[Any, ...]:
    written = block.comments.get("sandbox", "")
    return eval(f"({written},)", {name: getattr(tir_sandbox, name) for name in tir_sandbox.__all__}) if written else ()


def _check(block: Block, printed: str) -> None:
    if block.output is None:
        return
    pattern = ".*".join(map(re.escape, block.output.strip().split("...")))
    shown = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    assert re.fullmatch(pattern, shown, re.DOTALL), f"{block.page}:{block.line} prints\n{printed}"
