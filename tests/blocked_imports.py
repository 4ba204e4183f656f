"""Runs imports in a new interpreter in which some packages cannot be found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# As in pyproject.toml: langsmith, with Python 3.14.
ALLOWED = "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning:langsmith._internal._beta_decorator"

SCRIPT = """
import json, sys, threading
statement, *blocked = sys.argv[1:]

class Blocker:
    def find_spec(name, path=None, target=None):
        if name in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

calls = []  # making a socket is none: urllib3, which LangChain and LlamaIndex load, makes one to see if there is IPv6
looked_for = {"socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system"}
sys.addaudithook(lambda event, _: calls.append(event) if event in looked_for else None)
sys.meta_path.insert(0, Blocker)
exec(statement)
loaded = {name: getattr(module, "__file__", None) for name, module in sys.modules.items() if "." not in name}
print(json.dumps({"loaded": loaded, "calls": calls, "threads": threading.active_count()}))
"""


def run(statement: str, *blocked: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a statement with our packages from `path` and without those that are blocked."""
    command = [sys.executable, "-W", "error", "-W", ALLOWED, "-c", SCRIPT, statement, *blocked]
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(command, cwd=path, env=environment, capture_output=True, text=True, check=False)


def report(statement: str, *blocked: str, path: Path = ROOT) -> dict[str, Any]:
    """What a statement loaded (`loaded`: files by module), called (`calls`) and left running (`threads`)."""
    done = run(statement, *blocked, path=path)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
