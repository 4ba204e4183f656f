"""Executes the notebooks on the sandbox, and returns the outputs of their cells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

from tests.blocked_imports import ROOT

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = ROOT / "notebooks"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.ipynb")))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

_PATIENCE = 250
"""Seconds to wait for the kernel, and for the last output of a cell: on a busy machine, more than a few."""
_ID_OR_PORT = r"\b[0-9a-f]{32}\b|(?<=127\.0\.0\.1:)\d+"
_VARIES = "varies"
"""The tag of a cell whose numbers differ between runs."""


def load(name: str) -> NotebookNode:
    """Read a notebook."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def executed(name: str) -> NotebookNode:
    """Return a notebook with the outputs of a new run, without a token."""
    notebook = load(name)
    if "matplotlib" in str(notebook.cells):
        _list_fonts()
    with TemporaryDirectory() as folder:
        # Unix sockets: the ports that Jupyter chooses are free until another process takes them before the kernel does.
        sockets = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        client = NotebookClient(
            notebook,
            config=sockets,
            kernel_name="python3",
            timeout=None,  # pytest has one
            startup_timeout=_PATIENCE,
            iopub_timeout=_PATIENCE,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(FOLDER)}},
        )
        client.execute(env=_environment())
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def cell_outputs(cell: NotebookNode) -> list[str]:
    """Return the outputs of a cell: their text without what differs between runs, and the types of pictures."""
    texts = [text for output in cell.outputs for text in _texts(output)]
    pattern = r"\d[\d,.]*" if _VARIES in cell.metadata.get("tags", ()) else _ID_OR_PORT
    return [re.sub(pattern, "N", text) for text in texts]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells with code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _texts(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [f"{output.name}: {output.text}"]
    if output.output_type == "error":
        return [f"error: {output.ename}"]
    pictures = [kind for kind in output.data if kind.startswith("image/")]
    return pictures or [str(output.data["text/plain"])]


@cache
def _list_fonts() -> None:
    """Let matplotlib make its list of fonts, if it has none: in a cell, it warns when that takes five seconds."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True)


def _environment() -> dict[str, str]:
    """Return the environment of a kernel without a token; it finds the commands in the folder of its Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("E2E_TIR", "TIR_", "MODEL_API"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return {**kept, "PATH": path, "PYTHONPATH": str(ROOT)}
