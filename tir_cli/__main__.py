"""`tir`, or `python -m tir_cli`: runs a command and exits with its code."""

import io
import sys


def main() -> None:
    """Run the command line."""
    try:
        from tir_cli.app import app  # noqa: PLC0415 - the extra may be missing
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as missing:
        sys.exit(f'The command `tir` needs `{missing.name}`. Install it with `pip install "tir-llm[cli]"`.')
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="tir")


if __name__ == "__main__":
    main()
