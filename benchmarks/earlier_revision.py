"""Extracts our packages at an earlier revision, to measure them in the same run."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

OUR_PACKAGES = ("tir_client", "langchain_tir", "llama_index_tir")


@dataclass(frozen=True)
class Earlier:
    """Our packages at an earlier revision.

    Args:
        revision: The short name of the commit.
        packages: The folder that holds them.
    """

    revision: str
    packages: Path

    @classmethod
    def extract(cls, revision: str, repository: Path, folder: Path) -> Self:
        """Extract the packages of a revision (commit, branch or tag) into a folder below `folder`."""
        name = _git(repository, "rev-parse", "--short", f"{revision}^{{commit}}").decode().strip()
        with tarfile.open(fileobj=io.BytesIO(_git(repository, "archive", name, *OUR_PACKAGES))) as archive:
            archive.extractall(folder / name, filter="data")
        return cls(name, folder / name)


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *arguments], check=True, stdout=subprocess.PIPE).stdout
