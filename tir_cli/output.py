"""What every command prints: JSON for scripts, tables for people, and errors with their exit codes."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import typer
from rich.console import Console
from rich.text import Text

from tir_cli import exit_codes
from tir_client import TIRError

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Leave the error to `reporting`: rich would exit with 1."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


stdout = _Output(highlight=False, soft_wrap=True)
stderr = _Output(stderr=True, highlight=False, soft_wrap=True)


_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])
_ESCAPES = {number: f"\\u{number:04x}" for number in range(127, 160)}
"""Control characters that `json` writes as they are, and their form in JSON."""


def printable(text: str, style: str = "", console: Console = stdout) -> Text:
    """`text`; for a terminal without control characters, which could change its colours or its title."""
    return Text(text.translate(_CONTROLS) if console.is_terminal else text, style=style)


@contextmanager
def reporting(*, as_json: bool = False) -> Iterator[None]:
    """Print an error of the block, and end the command with the error's exit code."""
    try:
        yield
    except TIRError as error:
        if as_json:
            print_json({"error": describe(error)})
        else:
            print_error(error)
        raise typer.Exit(exit_codes.exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(exit_codes.INTERRUPTED) from None
    except BrokenPipeError:  # the reader of the output has ended, as `head` does
        drop(sys.stdout)
        drop(sys.stderr)
        raise typer.Exit(exit_codes.OK) from None
    except OSError as error:  # a file that cannot be read has a name; the output has none
        if error.filename is None:
            drop(sys.stdout)
        stderr.print(f"{type(error).__name__}: {error}", markup=False)
        raise typer.Exit(exit_codes.FAILED if error.filename is None else exit_codes.USAGE) from None


def drop(stream: TextIO) -> None:
    """Send what is still buffered nowhere: the interpreter would fail to write it when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def describe(error: TIRError) -> dict[str, Any]:
    """An error as JSON."""
    return {
        "type": type(error).__name__,
        "message": for_shell(error.message),
        "status_code": error.status_code,
        "request_id": error.request_id,
    }


_OPTIONS = {
    "pass `api_key` or set": "set",
    "given as `api_key` or in": "in",
    "`project_id`": "`--project-id`",
    "`endpoint_id`": "`--endpoint-id`",
    "`base_url`": "`--base-url`",
    "Check the `path`": "Check the `--path`",
    "`allow_http=True`": "`--allow-http`",
    "`accept_changes`": "`--accept-changes`",
    "`timeout={'total': seconds}`": "`--timeout`",
}
"""Arguments that messages of the library name, and the options of the commands in their place."""


def for_shell(message: str) -> str:
    """An error's message with options of the command line in place of arguments of Python."""
    for argument, option in _OPTIONS.items():
        message = message.replace(argument, option)
    return message


def print_error(error: TIRError) -> None:
    """Print an error for people."""
    message = printable(f": {for_shell(error.message)}", console=stderr)
    stderr.print(Text.assemble((type(error).__name__, "bold red"), message))


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False).translate(_ESCAPES) + "\n")
    sys.stdout.flush()
