"""The wheel and the sdist: built here, their contents and metadata checked, installed without a network."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest

import tir_client
from tests import lowest_versions
from tests.blocked_imports import ROOT, report

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

PACKAGES = {"tir_client", "langchain_tir", "llama_index_tir", "tir_cli", "tir_sandbox"}


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("dist")
    run("build", "--no-isolation", "--outdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("installed")
    run("pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(folder), str(wheel))
    return folder


def source_files() -> set[str]:
    kinds = (".py", ".typed")
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.suffix in kinds)
    return {str(path.relative_to(ROOT)) for path in paths} | {f"{package}/py.typed" for package in PACKAGES}


def test_the_wheel_has_every_source_file_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    about = {name for name in names if ".dist-info/" in name}

    assert source_files() == names - about
    assert any(name.endswith("/licenses/LICENSE") for name in about)


def test_the_sdist_has_the_tests_and_the_files_they_read(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert source_files() <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/test_package.py"} <= names
    assert {"Makefile", "notebooks/langchain.ipynb", "tests/recordings/vllm-gpt-oss/hello.txt"} <= names
    assert {name.partition("/")[0] for name in names if name.startswith(".")} <= {".gitignore"}
    assert [name for name in names if "__pycache__" in name] == []


def test_the_metadata_match_pyproject_and_the_code(metadata: Message) -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert metadata["Name"] == project["name"]
    assert metadata["Version"] == tir_client.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata.get_all("Provides-Extra") == sorted(project["optional-dependencies"])
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()


def test_every_dependency_has_a_floor_which_make_test_lowest_installs(metadata: Message) -> None:
    wanted = [requirement.partition(";")[0] for requirement in metadata.get_all("Requires-Dist", [])]

    for requirement, floor in zip(sorted(wanted), sorted(lowest_versions.floors()), strict=True):
        name, _, version = floor.partition("==")
        assert requirement.startswith(name)
        assert f">={version}" in requirement


@pytest.mark.parametrize(
    ("package", "blocked"),
    [
        ("tir_client", ["langchain_core", "llama_index"]),
        ("langchain_tir", ["llama_index"]),
        ("llama_index_tir", ["langchain_core"]),
        ("tir_cli.app", ["langchain_core", "llama_index", "tir_sandbox"]),
        ("tir_sandbox.server", ["langchain_core", "llama_index", "httpx"]),
    ],
)
def test_an_installed_package_loads_without_frameworks_that_it_does_not_use(
    installed: Path, package: str, blocked: list[str]
) -> None:
    found = report(f"import {package}", *blocked, path=installed)["loaded"]

    ours = {name: file for name, file in found.items() if name in PACKAGES}
    assert ours
    assert [name for name, file in ours.items() if not file.startswith(str(installed))] == []


def test_pytest_finds_the_sandboxs_fixture_in_the_wheel(installed: Path) -> None:
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")

    assert "[pytest11]" in entry_points.read_text("utf-8")
    assert report("import tir_sandbox.pytest_plugin as plugin\nplugin.tir_sandbox", path=installed)
