"""The typer app, with the commands of the other modules."""

from __future__ import annotations

from typing import Annotated

import typer

from tir_cli.bulk import EPILOG, bulk
from tir_cli.chat import chat
from tir_cli.doctor.command import doctor
from tir_cli.embed import embed
from tir_cli.models import models
from tir_cli.rerank import rerank
from tir_cli.sandbox import sandbox
from tir_client import __version__

app = typer.Typer(
    name="tir",
    help="Work with E2E Networks' TIR, or with any server that speaks its protocol, from the command line.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # a local variable may be a secret
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The options before the command."""


app.command("bulk", epilog=EPILOG)(bulk)
for _command in (chat, doctor, embed, models, rerank, sandbox):
    app.command()(_command)
