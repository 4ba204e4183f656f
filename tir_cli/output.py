"""The output of all commands: JSON, text, and errors with their exit codes."""

from __future__ import annotations

import json
import os
import re
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
        """Raise the error for `reporting`; rich would exit with code 1."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


stdout = _Output(highlight=False, soft_wrap=True)
stderr = _Output(stderr=True, highlight=False, soft_wrap=True)


_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])
_ESCAPES = {number: f"\\u{number:04x}" for number in range(127, 160)}
"""Control characters that `json` does not escape, and their escapes."""


def printable(text: str, style: str = "", console: Console = stdout) -> Text:
    """`text` for a console; without control characters for a terminal, which could act on them."""
    return Text(text.translate(_CONTROLS) if console.is_terminal else text, style=style)


@contextmanager
def reporting(*, as_json: bool = False) -> Iterator[None]:
    """Print an error in the block, and exit with its code."""
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
    except BrokenPipeError:  # the reader, such as `head`, has exited
        discard(sys.stdout)
        discard(sys.stderr)
        raise typer.Exit(exit_codes.OK) from None
    except OSError as error:  # input files have a name, the output has none
        if error.filename is None:
            discard(sys.stdout)
        stderr.print(f"{type(error).__name__}: {error}", markup=False)
        raise typer.Exit(exit_codes.FAILED if error.filename is None else exit_codes.USAGE) from None


def discard(stream: TextIO) -> None:
    """Discard buffered output, which the interpreter would fail to write at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def describe(error: TIRError) -> dict[str, Any]:
    """The JSON for an error."""
    return {
        "type": type(error).__name__,
        "message": with_options(error.message),
        "status_code": error.status_code,
        "request_id": error.request_id,
    }


_OPTIONS = {
    "project_id": "--project-id",
    "endpoint_id": "--endpoint-id",
    "base_url": "--base-url",
    "path": "--path",
    "allow_http=True": "--allow-http",
    "accept_changes": "--accept-changes",
    "timeout={'total': seconds}": "--timeout",
}
"""Python arguments in the library's messages, and the options that replace them."""
_NO_OPTION = "`api_key` or "
"""Python's alternative to an environment variable; the commands have none."""


def with_options(message: str) -> str:
    """An error message with command-line options instead of Python arguments."""
    message = message.replace(_NO_OPTION, "")
    return re.sub("`([^`]+)`", lambda term: f"`{_OPTIONS.get(term[1], term[1])}`", message)


def print_error(error: TIRError) -> None:
    """Print an error as text."""
    message = printable(f": {with_options(error.message)}", console=stderr)
    stderr.print(Text.assemble((type(error).__name__, "bold red"), message))


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False).translate(_ESCAPES) + "\n")
    sys.stdout.flush()
