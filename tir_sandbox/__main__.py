"""`python -m tir_sandbox`: serves a local TIR endpoint until it is interrupted."""

import argparse
import ipaddress
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
    sandbox = Sandbox(
        host=options.host,
        port=options.port,
        token=options.token,
        project_id=options.project_id,
        models=options.model or None,
    )
    try:
        sandbox.start()
    except OSError as problem:
        sys.stderr.write(f"Cannot listen on {options.host}, port {options.port}: {problem}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _introduce(sandbox, options.host)
    stop.wait()
    sandbox.stop()
    return 0


def _introduce(sandbox: Sandbox, host: str) -> None:
    _say(f"TIR sandbox on {sandbox.host}. It is not a model: rules generate its answers. Ctrl-C stops it.\n")
    if not _is_this_machine(host):
        _say(f"# It listens on {host}: other machines can reach it.")
    for name, value in sandbox.env.items():
        _say(f"export {name}={shlex.quote(value)}")
    _say(f"unset {' '.join(OVERRIDES)}")
    _say(f"# or, with any OpenAI-style client: base_url={sandbox.base_url}")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tir_sandbox", description="A local TIR endpoint without a model.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8700, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--token", help="the token to accept (default: a generated one)")
    parser.add_argument("--project-id", default="12345", help="the project to serve (default: %(default)s)")
    parser.add_argument("--model", action="append", help="a slug to serve; repeat it (default: any slug)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}, not {text!r}")
    return int(text)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
