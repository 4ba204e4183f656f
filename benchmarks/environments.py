"""The virtual environments of the contenders.

LangChain's and LlamaIndex's peers have one each, because they need different versions of the openai SDK.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders import is_earlier, present
from benchmarks.frameworks import LLAMA_INDEX

if TYPE_CHECKING:
    from benchmarks.earlier_revision import Earlier

ROOT = Path(__file__).parent.parent

_OURS = tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])

PACKAGES = {
    "bench-langchain": (
        "langchain-openai",
        "langchain-mistralai",
        "langchain-nvidia-ai-endpoints",
        "openai",
        "jiter",
        "httpx-aiohttp",
        *_OURS,
    ),
    "bench-llama-index": ("llama-index-llms-openai-like", *_OURS),
}
"""The packages in each environment: the peers, and the dependencies of ours, which are imported from the checkout."""

LLAMA_INDEX_BASE = "FunctionCallingLLM + httpx"
"""The name of the minimal imports of a client for LlamaIndex."""

_VERSIONS = """
import json, platform
from importlib.metadata import distributions
print(json.dumps({"python": platform.python_version()} | {d.name: d.version for d in distributions()}))
"""
_SHOWN = ("python", "httpx", "httpcore", "pydantic", "openai", "jiter", "aiohttp", "langchain", "llama-index")


class Environments:
    """The virtual environments that contenders run in.

    Args:
        folder: The folder of the environments.
        earlier: An earlier revision of our packages to measure as well.
    """

    def __init__(self, folder: Path, earlier: Earlier | None = None) -> None:
        self._folder = folder
        self.earlier = earlier

    def prepare(self) -> None:
        """Create environments that do not exist or whose packages have changed."""
        for name, packages in PACKAGES.items():
            ready = self._folder / name / ".ready"
            wanted = "\n".join(packages)
            if not ready.exists() or ready.read_text() != wanted:
                print(f"Installing {', '.join(packages)} in {self._folder / name}", flush=True)
                venv.create(self._folder / name, clear=True, symlinks=True, with_pip=True)
                subprocess.run([self._python(name), "-m", "pip", "install", "--quiet", *packages], check=True)
                ready.write_text(wanted)

    def versions(self) -> dict[str, dict[str, str]]:
        """The versions of the relevant packages in each environment."""
        found = {name: json.loads(_output([self._python(name), "-c", _VERSIONS], (ROOT,))) for name in PACKAGES}
        return {
            name: {package: version for package, version in sorted(versions.items()) if package.startswith(_SHOWN)}
            for name, versions in found.items()
        }

    def run(self, contender: str, program: str) -> str:
        """Run a short program in a contender's environment; return its output."""
        return _output([self._python_for(contender), "-c", program], self._paths(contender))

    def start(self, contender: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program in a contender's environment."""
        return _start([self._python_for(contender), *arguments], self._paths(contender))

    def _paths(self, contender: str) -> tuple[Path, ...]:
        """The import path; an earlier revision of our packages comes before the present one."""
        return (self.earlier.packages, ROOT) if self.earlier and is_earlier(contender) else (ROOT,)

    def _python_for(self, contender: str) -> Path:
        is_llama_index = present(contender) in {*LLAMA_INDEX, LLAMA_INDEX_BASE}
        return self._python("bench-llama-index" if is_llama_index else "bench-langchain")

    def _python(self, name: str) -> Path:
        return self._folder / name / "bin" / "python"


def start_server() -> subprocess.Popen[str]:
    """Start the server with this run's interpreter."""
    return _start([sys.executable, "-m", "benchmarks.server"], (ROOT,))


def _variables(paths: tuple[Path, ...]) -> dict[str, str]:
    """The environment variables of a process, without those for tracing, proxies or other servers."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}}
    imports = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONSAFEPATH": "1"}  # safe: not from this folder
    return {**kept, **imports, "PYTHONWARNINGS": "ignore"}


def _output(command: list[Path | str], paths: tuple[Path, ...]) -> str:
    done = subprocess.run(command, check=True, cwd=ROOT, env=_variables(paths), stdout=subprocess.PIPE, text=True)
    return done.stdout


def _start(command: list[Path | str], paths: tuple[Path, ...]) -> subprocess.Popen[str]:
    """Start a program that reads and writes lines."""
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=_variables(paths), stdin=pipe, stdout=pipe, text=True, bufsize=1)
