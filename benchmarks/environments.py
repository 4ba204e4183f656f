"""The peers' environments, apart from ours: LangChain's and LlamaIndex's peers want different openai SDKs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.contenders import LLAMA_INDEX

ROOT = Path(__file__).parent.parent

PACKAGES = {
    "bench-langchain": (
        "langchain-openai",
        "langchain-mistralai",
        "langchain-nvidia-ai-endpoints",
        "openai",
        "httpx>=0.28",
        "jiter",
    ),
    "bench-llama-index": ("llama-index-llms-openai-like", "httpx>=0.28"),
}
"""What is installed in each environment. Our own packages come from the checkout, and need nothing else."""

LLAMA_INDEX_BASE = "FunctionCallingLLM + httpx"
"""What LlamaIndex's contenders cannot do without."""

_VERSIONS = """
import json, platform
from importlib.metadata import distributions
print(json.dumps({"python": platform.python_version()} | {d.name: d.version for d in distributions()}))
"""
_SHOWN = ("python", "httpx", "httpx2", "pydantic", "openai", "jiter", "aiohttp", "langchain", "llama-index")


class Environments:
    """The interpreters that contenders run in.

    Args:
        folder: Where the environments are, or are to be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make the environments that do not exist yet."""
        for name, packages in PACKAGES.items():
            ready = self._folder / name / ".ready"
            if not ready.exists():
                print(f"Installing {', '.join(packages)} in {self._folder / name}", flush=True)
                venv.create(self._folder / name, with_pip=True)
                subprocess.run([self._python(name), "-m", "pip", "install", "--quiet", *packages], check=True)
                ready.touch()

    def python_for(self, contender: str) -> Path:
        """The interpreter for one contender, or for its framework's base class."""
        return self._python("bench-llama-index" if contender in {*LLAMA_INDEX, LLAMA_INDEX_BASE} else "bench-langchain")

    def versions(self) -> dict[str, dict[str, str]]:
        """The versions that matter, of each environment."""
        found = {name: json.loads(run_python(self._python(name), "-c", _VERSIONS)) for name in PACKAGES}
        return {
            name: {package: version for package, version in sorted(versions.items()) if package.startswith(_SHOWN)}
            for name, versions in found.items()
        }

    def _python(self, name: str) -> Path:
        return self._folder / name / "bin" / "python"


def variables() -> dict[str, str]:
    """The environment variables of each process: nothing that traces, proxies, or names another server."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": ""}


def run_python(python: Path | str, *arguments: str) -> str:
    """Run a short program; return what it printed."""
    command = [str(python), *arguments]
    done = subprocess.run(command, check=True, cwd=ROOT, env=variables(), stdout=subprocess.PIPE, text=True)
    return done.stdout


def start_python(python: Path | str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that is talked to by lines."""
    command = [str(python), *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=variables(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


def our_python() -> str:
    """The interpreter of this run, which has no peers."""
    return sys.executable
