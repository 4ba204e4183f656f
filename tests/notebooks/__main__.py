"""`make notebooks`: executes the notebooks on the sandbox, and stores their outputs where they have changed."""

import sys

import nbformat

from tests.notebooks.running import FOLDER, NAMES, cell_outputs, code_cells, executed, load


def main(names: tuple[str, ...]) -> None:
    """Store the outputs of the notebooks of these names."""
    for name in names:
        notebook = executed(name)
        changed = False
        for new, old in zip(code_cells(notebook), code_cells(load(name)), strict=True):
            same = old.execution_count is not None and cell_outputs(new) == cell_outputs(old)
            changed |= not same
            if same:
                new.outputs = old.outputs
        if changed:
            nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        sys.stdout.write(f"{name}: {'stored' if changed else 'unchanged'}\n")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or NAMES)
