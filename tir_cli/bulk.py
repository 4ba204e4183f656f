"""`tir bulk`: an answer for each row of a file."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tir_cli import exit_codes
from tir_cli.bulk_display import show, summary, totals
from tir_cli.connection import AllowHTTP, AsJSON, BaseURL, EndpointID, Model, ProjectID, connect
from tir_cli.output import print_json, reporting, stderr
from tir_client import ConfigurationError, TIRError
from tir_client.bulk import Bulk, Progress, Prompts, sort_output
from tir_client.config import DEFAULT_MODEL
from tir_client.protocol.cost import Price

EPILOG = """
Example: `tir bulk reviews.csv answers.jsonl --template "Is this review positive? {text}" --schema mood.json`
"""

_REQUESTS = "Requests"
_RUN = "The run"


def bulk(
    rows: Annotated[Path, typer.Argument(metavar="INPUT", help="A .jsonl, .csv (optionally .gz) or .parquet file.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The .jsonl file to write, or to continue.")],
    *,
    model: Model = DEFAULT_MODEL,
    template: Annotated[
        str | None,
        typer.Option("--template", "-t", help='The prompt: "Sum up: {text}".', rich_help_panel=_REQUESTS),
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="A system message.", rich_help_panel=_REQUESTS)
    ] = None,
    schema: Annotated[
        Path | None, typer.Option(help="A file with a JSON schema for the answers.", rich_help_panel=_REQUESTS)
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            help="A parameter of each request: temperature=0. Repeat it for more.",
            rich_help_panel=_REQUESTS,
        ),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Stream the answers.", rich_help_panel=_REQUESTS)] = False,
    at_once: Annotated[int, typer.Option(min=1, help="Maximum number of requests at once.", rich_help_panel=_RUN)] = 64,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to retry while the server refuses requests.", rich_help_panel=_RUN)
    ] = 900.0,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="Do not send failed rows again.", rich_help_panel=_RUN)
    ] = False,
    accept_changes: Annotated[
        bool,
        typer.Option("--accept-changes", help="Continue with changed input or settings.", rich_help_panel=_RUN),
    ] = False,
    sort: Annotated[
        bool, typer.Option("--sort", help="Sort the output in input order at the end.", rich_help_panel=_RUN)
    ] = False,
    price_in: Annotated[
        float | None, typer.Option(min=0, help="Price per million prompt tokens.", rich_help_panel=_RUN)
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(min=0, help="Price per million answer tokens.", rich_help_panel=_RUN)
    ] = None,
    as_json: AsJSON = False,
    project_id: ProjectID = None,
    endpoint_id: EndpointID = None,
    base_url: BaseURL = None,
    allow_http: AllowHTTP = False,
) -> None:
    """Store an answer for each row of INPUT in OUTPUT, as JSON lines.

    A row's prompt is in the column `prompt` or `messages`, or built from --template. The run can be stopped or killed
    at any time: the same command continues with the missing rows. A row that fails is stored with its error.

    The token is read from E2E_TIR_ACCESS_TOKEN.

    Exit codes: 0 all rows answered; 1 some failed, or the output cannot be written; 2 wrong arguments or files; 3 the
    server refuses the token or the model; 4 it cannot be reached or fails every row; 130 stopped.
    """
    price = None if price_in is None and price_out is None else (price_in or 0.0, price_out or 0.0)
    progress, start = Progress(), time.monotonic()
    with reporting(as_json=as_json):
        prompts = Prompts(model, template, system, _schema(schema), dict(map(_parameter, param or ())))
        client = connect(project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http)
        work = Bulk(client, prompts, at_once=at_once, patience=patience, stream=stream)
        run = work.run(rows, output, retry_failed=not keep_failed, accept_changes=accept_changes, progress=progress)
        try:
            asyncio.run(run if as_json else _shown(run, progress, price))
            if sort:
                sort_output(output)
        except TIRError as error:  # before OSError, which a TimeoutError is
            raise _ended(error, progress) from None
        except OSError as error:
            raise _of_files(error, progress) from error
        except KeyboardInterrupt:
            typer.echo(f"\nStopped. {_stored(progress)}", err=True)
            raise
        seconds = time.monotonic() - start
        if as_json:
            print_json(totals(progress, seconds, price))
        else:
            typer.echo(summary(progress, seconds, price))
    raise typer.Exit(exit_codes.FAILED if progress.failed or progress.failed_before else exit_codes.OK)


async def _shown(run: Any, progress: Progress, price: Price | None) -> None:
    showing = asyncio.create_task(show(progress, stderr, price))
    try:
        await run
    finally:
        showing.cancel()
        await asyncio.wait([showing])


def _of_files(error: OSError, progress: Progress) -> TIRError:
    """The error for an `OSError`. Before the first row is stored it is about an argument, such as a missing folder."""
    if progress.limit == 0:
        return ConfigurationError(str(error))
    return TIRError(f"{error}. {_stored(progress)}")


def _ended(error: TIRError, progress: Progress) -> TIRError:
    """The error that ended the run, with advice on how to continue."""
    if progress.done == 0 or isinstance(error, ConfigurationError):
        return error
    return type(error)(f"{error.message}\n{_stored(progress)}", **error.details())


def _stored(progress: Progress) -> str:
    rows = "1 row was" if progress.done == 1 else f"{progress.done:,} rows were"
    return f"{rows} stored: run the same command to continue."


def _schema(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        schema = json.loads(path.read_text("utf-8-sig"))
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(schema, dict):
        raise ConfigurationError(f"{path} is not a JSON schema: it must be an object.")
    return schema


def _parameter(text: str) -> tuple[str, Any]:
    """Parse `name=value`. The value is JSON, or else a string."""
    name, found, value = text.partition("=")
    if not found:
        raise ConfigurationError(f"--param: {text!r} is not NAME=VALUE, such as temperature=0.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
