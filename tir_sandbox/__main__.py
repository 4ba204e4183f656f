"""`python -m tir_sandbox`: serves a local TIR endpoint until it is interrupted."""

import argparse
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from tir_sandbox.server import OVERRIDES, Sandbox

_LAST_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted. Return 0, or 2 if the address cannot be used."""
    options = _parser().parse_args(arguments)
    sandbox = Sandbox(**vars(options))
    try:
        sandbox.start()
    except OSError as problem:
        sys.stderr.write(f"Cannot listen on {options.host}, port {options.port}: {problem}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sys.stdout.write(_introduction(sandbox))
    sys.stdout.flush()
    stop.wait()
    sandbox.stop()
    return 0


def _introduction(sandbox: Sandbox) -> str:
    lines = [
        f"TIR sandbox on {sandbox.host}. It is not a model: rules generate its answers. Ctrl-C stops it.\n",
        *(f"export {name}={shlex.quote(value)}" for name, value in sandbox.env.items()),
        f"unset {' '.join(OVERRIDES)}",
        f"# or, with any OpenAI-style client: base_url={sandbox.base_url}\n",
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tir_sandbox",
        description="A local TIR endpoint without a model.",
        epilog="Example: tir sandbox --port 8700 --model gpt_oss_120b",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; other machines can reach 0.0.0.0 (default: %(default)s)",
    )
    parser.add_argument("--port", type=_port, default=8700, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--token", help="the token to accept (default: a generated one)")
    parser.add_argument("--project-id", default="12345", help="the project to serve (default: %(default)s)")
    parser.add_argument(
        "--model", action="append", dest="models", help="a slug to serve; repeat it (default: any slug)"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}, not {text!r}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
