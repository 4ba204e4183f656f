"""`python -m tir_sandbox`: a local TIR endpoint to play with."""

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from tir_sandbox.server import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted."""
    options = _parser().parse_args(arguments)
    models = options.model or None
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(
        host=options.host, port=options.port, token=options.token, project_id=options.project_id, models=models
    ) as sandbox:
        _say(f"TIR sandbox on {sandbox.host}. It is not a model: rules write its answers. Ctrl-C stops it.\n")
        for name, value in sandbox.env.items():
            _say(f"export {name}={shlex.quote(value)}")
        _say(f"# or, with any OpenAI-style client: base_url={sandbox.base_url}")
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tir_sandbox", description="A local TIR endpoint without a model.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8700, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--token", help="the token to accept (default: a made-up one)")
    parser.add_argument("--project-id", default="12345", help="the project to serve (default: %(default)s)")
    parser.add_argument("--model", action="append", help="a slug to serve; repeat it (default: any slug)")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
