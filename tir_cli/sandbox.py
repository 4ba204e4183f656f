"""`tir sandbox`: serves a local endpoint without a model."""

from __future__ import annotations

import shlex
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from tir_cli import exit_codes
from tir_cli.output import stderr

if TYPE_CHECKING:
    from tir_sandbox import Sandbox


def sandbox(
    host: Annotated[
        str, typer.Option(help="The address to listen on; other machines can reach 0.0.0.0.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8700,
    token: Annotated[str | None, typer.Option(help="The token to accept. Default: a generated one.")] = None,
    project_id: Annotated[str, typer.Option(help="The project to serve.")] = "12345",
    model: Annotated[list[str] | None, typer.Option(help="A slug to serve; repeat it. Default: any slug.")] = None,
) -> None:
    """Serve a local endpoint without a model, for tests and demos, until Ctrl-C.

    Example: tir sandbox --port 8700 --model gpt_oss_120b
    """
    try:
        from tir_sandbox import Sandbox  # noqa: PLC0415 - the extra may be missing

        served = Sandbox(host=host, port=port, token=token, project_id=project_id, models=model or None)
        served.start()
    except ImportError as missing:
        stderr.print(str(missing), markup=False)
        raise typer.Exit(exit_codes.USAGE) from None
    except OSError as problem:
        stderr.print(f"Cannot listen on {host}, port {port}: {problem}", markup=False)
        raise typer.Exit(exit_codes.USAGE) from None
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    typer.echo(_introduction(served))
    stop.wait()
    served.stop()


def _introduction(served: Sandbox) -> str:
    from tir_sandbox.server import OVERRIDES  # noqa: PLC0415 - the extra may be missing

    lines = [
        f"TIR sandbox on {served.host}. It is not a model: rules generate its answers. Ctrl-C stops it.\n",
        *(f"export {name}={shlex.quote(value)}" for name, value in served.env.items()),
        f"unset {' '.join(OVERRIDES)}",
        f"# or, with any OpenAI-style client: base_url={served.base_url}",
    ]
    return "\n".join(lines)
