"""Kills a worker and the driver of the job in docs/guides/ray_bulk.py, and runs it again: `make test-ray`.

It is a program, not a pytest file, because the environment with Ray lacks the tests' other dependencies.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from tir_sandbox import Fault, Reply, Request, Sandbox

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "guides" / "ray_bulk.py"
FILES, ROWS_PER_FILE, ROWS_PER_BLOCK = 3, 400, 100
ROWS = FILES * ROWS_PER_FILE
BAD = 7
MARKER = f"tir-ray-test-{uuid.uuid4().hex}"
"""An environment variable of every process that the job starts."""
PATIENCE = 300.0


def main() -> None:
    """Run the job three times: a worker is killed, the driver is killed, and the last run finishes."""
    with TemporaryDirectory() as name, Sandbox(rules=answer, strict=False) as sandbox:
        source, output = Path(name) / "in", Path(name) / "out"
        write_rows(source)
        try:
            kill_worker_and_driver(start(sandbox, source, output), output)
        finally:
            end_all()
        stored = {row["id"] for row in read(Path(f"{output}.checkpoint"))}
        before = request_counts(sandbox)
        say(f"{len(stored)} of {ROWS} rows are stored; {before.total()} requests so far")
        try:
            finish(start(sandbox, source, output))
        finally:
            end_all()
        check(sandbox, output, stored, before)


def answer(request: Request) -> Reply | Fault:
    """Refuse one row, and repeat the others."""
    return Fault(status=400) if request.user == f"row {BAD}" else Reply(f"re: {request.user}", delay=0.2)


def write_rows(folder: Path) -> None:
    """Write the input."""
    folder.mkdir()
    for number in range(FILES):
        ids = list(range(number * ROWS_PER_FILE, (number + 1) * ROWS_PER_FILE))
        table = pa.table({"id": ids, "prompt": [f"row {index}" for index in ids]})
        parquet.write_table(table, folder / f"{number}.parquet")


def start(sandbox: Sandbox, source: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start the job, whose workers inherit the token."""
    environment = {**os.environ, **sandbox.env, MARKER: "1", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, SCRIPT, source, output, str(ROWS_PER_BLOCK)]
    log = Path(f"{output}.log").open("ab")  # noqa: SIM115 - the job writes it
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def kill_worker_and_driver(job: subprocess.Popen[bytes], output: Path) -> None:
    """Kill the actor that sends requests once some blocks are stored, and the driver once some more are."""
    until(lambda: len(checkpoints(output)) >= 2 or job.poll() is not None, "two blocks")
    workers = [pid for pid, title in processes() if "Ask" in title]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    enough = len(checkpoints(output)) + 3
    until(lambda: len(checkpoints(output)) >= enough or job.poll() is not None, "three more blocks")
    assert workers
    assert job.poll() is None, Path(f"{output}.log").read_text()
    say(f"killed worker {workers}; the job went on to {enough} blocks; killing the driver")
    job.kill()
    job.wait()


def finish(job: subprocess.Popen[bytes]) -> None:
    """Wait until the job is done."""
    assert job.wait(PATIENCE) == 0


def check(sandbox: Sandbox, output: Path, stored: set[int], before: Counter[str]) -> None:
    """Check that each row is stored once, and that no stored row was sent again."""
    rows = sorted(read(output), key=lambda row: row["id"])
    after = request_counts(sandbox)
    say(f"{len(rows)} rows at the end; {after.total()} requests in total")

    assert [row["id"] for row in rows] == list(range(ROWS))
    assert [row["id"] for row in rows if row["error"]] == [BAD]
    assert rows[BAD]["error"].startswith("BadRequestError: HTTP 400")
    assert all(row["text"] == f"re: {row['prompt']}" for row in rows if not row["error"])
    assert stored
    assert [index for index in stored if after[f"row {index}"] != before[f"row {index}"]] == []


def request_counts(sandbox: Sandbox) -> Counter[str]:
    """How often each prompt was sent."""
    return Counter(request.user for request in sandbox.requests)


def read(folder: Path) -> list[dict[str, Any]]:
    """The rows of the Parquet files of a folder."""
    rows: list[dict[str, Any]] = parquet.read_table(folder).to_pylist()
    return rows


def checkpoints(output: Path) -> list[Path]:
    """The files that record which rows are stored."""
    return [path for path in Path(f"{output}.checkpoint").glob("*.parquet") if ".pending" not in path.name]


def processes() -> Iterator[tuple[int, str]]:
    """The processes that the job has started, with their titles."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and MARKER.encode() in (folder / "environ").read_bytes():
                yield int(folder.name), (folder / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:  # it has ended, or is another user's
            continue


def end_all() -> None:
    """End the processes of the job that a killed driver has left running."""
    for pid, _ in processes():
        os.kill(pid, signal.SIGKILL)


def until(condition: Any, what: str) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"no {what} within {PATIENCE:.0f} s"
        time.sleep(0.2)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
