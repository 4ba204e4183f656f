"""The command `tir doctor`: runs the checks and shows the findings."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from tir_cli import exit_codes
from tir_cli.connection import DEFAULT_MODEL, AllowHTTP, AsJSON, BaseURL, EndpointID, ProjectID
from tir_cli.doctor.findings import Finding, Mark, failure
from tir_cli.doctor.model import COST, ModelChecks
from tir_cli.doctor.network import configuration, connection
from tir_cli.output import print_json, printable, reporting, stderr, stdout
from tir_client import Config, InvalidRequestError, TIRError

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK_ABOVE = 10_000
"""Tokens above which the command asks for confirmation."""

_MARKS = {
    Mark.OK: ("✓", "green"),
    Mark.NOTE: ("!", "yellow"),
    Mark.FAILED: ("✗", "bold red"),
    Mark.SKIPPED: ("-", "dim"),
}
_CONNECTION = "the connection"


def doctor(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help=f"Models to check. Default: {DEFAULT_MODEL}.")
    ] = None,
    project_id: ProjectID = None,
    endpoint_id: EndpointID = None,
    base_url: BaseURL = None,
    allow_http: AllowHTTP = False,
    timeout: Annotated[float, typer.Option(help="Seconds for a whole call.")] = 60.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=f"Do not ask, also above {ASK_ABOVE:,} tokens.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Check the configuration, the network and a model step by step, with advice for each problem.

    The first failed step is the headline, and ends the checks of its model. Steps marked ! are features that the
    server lacks. With --json, the output lists what each model can do.

    Example: tir doctor gpt_oss_120b
    """
    models = names or [DEFAULT_MODEL]
    with reporting(as_json=as_json):
        _confirm(len(models) * COST, yes=yes, quiet=as_json)
        findings: dict[str, list[Finding]] = {_CONNECTION: []}
        try:
            config = Config.resolve(
                project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http
            )
            with stderr.status("Checking ..."), _without_log():
                _check(findings, config, models, timeout)
        except TIRError as error:
            findings[_CONNECTION].append(failure("configuration", error))
        _show(findings, as_json=as_json)


@contextmanager
def _without_log() -> Iterator[None]:
    """Suppress the library's advice on answers, such as those that the checks limit to one token."""
    logger = logging.getLogger("tir_client")
    logger.addFilter(_drop)
    try:
        yield
    finally:
        logger.removeFilter(_drop)


def _drop(_: logging.LogRecord) -> bool:
    return False


def _confirm(tokens: int, *, yes: bool, quiet: bool) -> None:
    if not quiet:
        stderr.print(Text(f"The checks take at most about {tokens:,} tokens.", style="dim"))
    if tokens <= ASK_ABOVE or yes:
        return
    if quiet or not _on_terminal():
        raise InvalidRequestError(f"The checks take at most about {tokens:,} tokens. Pass --yes to run them.")
    if not typer.confirm("Run them?", err=True):
        raise typer.Exit(exit_codes.USAGE)


def _on_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _check(findings: dict[str, list[Finding]], config: Config, models: list[str], timeout: float) -> None:
    """Fill `findings`: the connection first, then each model.

    Raises:
        ConfigurationError: A model's name is not valid in a URL.
    """
    ground = findings[_CONNECTION]
    for checks in (configuration(config, models[0]), connection(config.url_for(models[0], ""))):
        ground += checks
        if _failed(ground):
            return
    for model in models:
        config.url_for(model)
    for model in models:
        findings[model] = []
        for finding in ModelChecks(config, model, timeout).run():
            findings[model].append(finding)


def _failed(findings: list[Finding]) -> Finding | None:
    return next((finding for finding in findings if finding.mark is Mark.FAILED), None)


def _show(findings: dict[str, list[Finding]], *, as_json: bool) -> None:
    """Print all findings, and exit with the code of the first failure."""
    failures = [(place, failed) for place, found in findings.items() if (failed := _failed(found))]
    place, first = failures[0] if failures else ("", None)
    headline = f"{place}: {first.step}: {first.seen}" if first else _works(findings)
    if as_json:
        print_json(_record(headline, findings, ok=first is None))
    else:
        stdout.print(printable(headline, style="bold red" if first else "bold green"))
        if first and first.remedy:
            stdout.print(printable(first.remedy))
        for name, found in findings.items():
            stdout.print(_table(name, found))
    raise typer.Exit(first.code if first else exit_codes.OK)


def _works(findings: dict[str, list[Finding]]) -> str:
    notes = sum(one.mark is Mark.NOTE for found in findings.values() for one in found)
    count = "1 note" if notes == 1 else f"{notes} notes"
    return f"It works, with {count} (marked !)." if notes else "Everything works."


def _table(name: str, findings: list[Finding]) -> Table:
    table = Table("", escape(name), Column(overflow="fold"), box=None, pad_edge=False)
    for finding in findings:
        mark, style = _MARKS[finding.mark]
        seen = printable(finding.seen)
        if finding.remedy:
            seen.append("\n").append_text(printable(finding.remedy, style="dim"))
        table.add_row(Text(mark, style=style), finding.step, seen)
    return table


def _record(headline: str, findings: dict[str, list[Finding]], *, ok: bool) -> dict[str, Any]:
    def facts(found: list[Finding]) -> dict[str, Any]:
        return {name: value for finding in found for name, value in finding.facts.items()}

    def steps(found: list[Finding]) -> list[dict[str, str]]:
        return [{"step": one.step, "mark": one.mark, "seen": one.seen, "remedy": one.remedy} for one in found]

    ground, *models = findings.items()
    return {
        "ok": ok,
        "headline": headline,
        **facts(ground[1]),
        "steps": steps(ground[1]),
        "models": {name: {**facts(found), "steps": steps(found)} for name, found in models},
    }
