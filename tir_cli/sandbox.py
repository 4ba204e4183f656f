"""`tir sandbox`: what `python -m tir_sandbox` does."""

from __future__ import annotations

import typer

from tir_cli import exit_codes
from tir_cli.output import stderr

ANY_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Options are those of the program, which also prints the help."""


def sandbox(context: typer.Context) -> None:
    """Serve a local endpoint without a model, for tests and demos.

    Example: tir sandbox --port 8700
    """
    try:
        from tir_sandbox.__main__ import main  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as missing:
        stderr.print(
            f'The sandbox needs `{missing.name}`. Install it with: pip install "tir-llm[sandbox]"', markup=False
        )
        raise typer.Exit(exit_codes.USAGE) from None
    raise typer.Exit(main(context.args))
