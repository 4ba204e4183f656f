"""Runs the blocks of the documentation that need packages which the tests do not install: `make works-with`.

Each set of packages has its own environment in `.venvs/works-with`, with the newest versions. `python -m
tests.docs.works_with WORD` runs only the blocks whose packages contain the word.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from dataclasses import asdict
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from demo.rules import answer
from tests.docs.pages import ROOT, Block, Program, pages
from tests.docs.running import run
from tir_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOME = ROOT / ".venvs" / "works-with"
OURS = ".[langchain,llama-index,sandbox]"
FINDS_OURS = {**os.environ, "PYTHONPATH": str(ROOT)}


def main(arguments: Sequence[str]) -> int:
    """Run every block that needs packages, each in its environment. Return how many failed."""
    word = arguments[0] if arguments else ""
    blocks = [block for page in pages() for block in page.blocks if word in block.comments.get("needs", "") != ""]
    failed = 0
    for block in blocks:
        done = _run_in_environment(block)
        failed += done.returncode
        sys.stdout.write(
            f"{'FAILED' if done.returncode else 'passed'}: {block.page}:{block.line} {block.comments['needs']}\n"
        )
        sys.stdout.write(done.stderr[-2000:] if done.returncode else "")
        sys.stdout.flush()
    return failed


def _run_in_environment(block: Block) -> subprocess.CompletedProcess[str]:
    """Run a block as it was read: a page may be edited during a long run."""
    command = [environment(block.comments["needs"]), "-m", __spec__.name, "--run"]
    with TemporaryDirectory() as folder:  # some packages write files where they run
        return subprocess.run(
            command,
            cwd=folder,
            env=FINDS_OURS,
            input=json.dumps(asdict(block)),
            capture_output=True,
            text=True,
            check=False,
        )


def environment(needs: str) -> Path:
    """The interpreter of the environment with these packages, which is made if it is not there."""
    folder = HOME / re.sub(r"[^\w-]+", "-", needs)
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--editable", OURS, *needs.split()], cwd=ROOT, check=True
        )
        (folder / ".ready").touch()
    return python


def run_one(block: Block) -> None:
    """Run one block in this process, against a sandbox that its environment variables name."""
    with Sandbox(rules=answer) as sandbox:
        os.environ.update(sandbox.env)
        run(Program(block.page, block.tab, [block]), sandbox)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_one(Block(**json.load(sys.stdin)))
    else:
        sys.exit(main(sys.argv[1:]))
