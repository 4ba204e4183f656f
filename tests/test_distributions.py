"""The distributions with conventional names, such as `langchain-tir`: versions, contents and imports."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from email import message_from_bytes
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import tir_client
from tests.blocked_imports import ROOT, report

FOLDERS = sorted((ROOT / "distributions").iterdir())
MODULES = {
    "langchain-tir": ("langchain_tir", "langchain_tir", "ChatTIR"),
    "llama-index-llms-tir": ("llama_index.llms.tir", "llama_index_tir", "TIR"),
    "llama-index-embeddings-tir": ("llama_index.embeddings.tir", "llama_index_tir", "TIREmbedding"),
    "llama-index-postprocessor-tir": ("llama_index.postprocessor.tir", "llama_index_tir", "TIRRerank"),
}
"""The conventional module, our module, and a class that both have."""


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel of each distribution."""
    return {folder.name: built(folder, tmp_path_factory.mktemp(folder.name)) for folder in FOLDERS}


def built(folder: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_distribution_has_the_version_of_the_project_and_depends_on_exactly_that(folder: Path) -> None:
    metadata = project(folder)

    assert metadata["name"] == folder.name
    assert metadata["version"] == tir_client.__version__
    (dependency,) = metadata["dependencies"]
    extra = "langchain" if folder.name == "langchain-tir" else "llama-index"
    assert dependency == f"tir-llm[{extra}]=={tir_client.__version__}"
    assert metadata["requires-python"] == project(ROOT)["requires-python"]


def test_the_citation_has_the_version_of_the_project() -> None:
    assert f"\nversion: {tir_client.__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_a_wheel_has_the_conventional_module_and_no_file_of_another_distribution(
    name: str, wheels: dict[str, Path]
) -> None:
    with ZipFile(wheels[name]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(about))

    _, _, kind = str(metadata["Name"]).removesuffix("-tir").partition("llama-index-")
    module = f"llama_index/{kind}/tir/"
    assert names == ({f"{module}__init__.py", f"{module}py.typed"} if kind else set())
    assert metadata["Description-Content-Type"] == "text/markdown"


@pytest.mark.parametrize("framework", ["langchain", "llama-index"])
def test_the_conventional_imports_find_the_same_classes(
    framework: str, wheels: dict[str, Path], tmp_path: Path
) -> None:
    """The distributions of one framework are installed in one environment, where they share folders."""
    statements = []
    for distribution, (conventional, ours, name) in MODULES.items():
        if distribution.startswith(framework):
            ZipFile(wheels[distribution]).extractall(tmp_path)
            statements.append(f"import {conventional} as a, {ours} as b\nassert a.{name} is b.{name}")

    assert report("\n".join(statements), path=tmp_path)
