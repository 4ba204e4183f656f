"""`tir bulk`, in this process and in processes that are killed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from tests.bulk.conftest import echo
from tests.waiting import auntil, until
from tir_cli import bulk_display, exit_codes
from tir_cli.__main__ import main
from tir_cli.app import app
from tir_cli.bulk_display import describe, duration, show, summary
from tir_cli.output import stderr
from tir_client.bulk import Progress, RowError
from tir_client.bulk.output import Output
from tir_client.protocol.responses import Usage
from tir_sandbox import Fault, Reply, Sandbox
from tir_sandbox.server import OVERRIDES

ROWS = 160


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch):
    for name in OVERRIDES:
        monkeypatch.delenv(name, raising=False)
    with Sandbox(rules=echo, strict=False) as started:
        for name, value in started.env.items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f'{{"id": "r{n}", "prompt": "row {n}"}}\n' for n in range(5)), "utf-8")
    return path


def tir(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["bulk", *map(str, arguments)])


def stored(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_row_is_answered_and_counted_in_the_summary(sandbox: Sandbox, rows: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    done = tir(rows, out, "--sort", "--price-in", "1", "--price-out", "2")

    assert done.exit_code == exit_codes.OK, done.output
    assert [row["text"] for row in stored(out)] == [f"re: row {n}" for n in range(5)]
    assert done.stdout.startswith("5 rows answered, 0 failed, 0 finished before, in ")
    assert "\nCost: 0.0" in done.stdout


def test_options_become_the_request(sandbox: Sandbox, tmp_path: Path):
    table, schema = tmp_path / "in.csv", tmp_path / "schema.json"
    table.write_text("text,stars\nGood,5\n", "utf-8")
    schema.write_text('{"type": "object"}', "utf-8")
    options = ["--model", "m", "--system", "Short.", "--template", "{text}:{stars}", "--param", "temperature=0"]
    tir(table, tmp_path / "out.jsonl", *options, "-p", "user=me", "--schema", schema)
    (request,) = sandbox.requests

    assert request.path.endswith("/genai/m/v1/chat/completions")
    assert request.messages == [
        {"role": "system", "content": "Short."},
        {"role": "user", "content": "Good:5"},
    ]
    assert (request.body["temperature"], request.body["user"]) == (0, "me")
    assert request.body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_failed_rows_are_sent_again_by_the_next_run_unless_they_are_kept(sandbox: Sandbox, rows: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    sandbox.script(Fault(status=400), user="row 3")
    done = tir(rows, out)
    assert done.exit_code == exit_codes.FAILED
    assert "4 rows answered, 1 failed" in done.stdout
    assert "send them again" in done.stdout

    done = tir(rows, out, "--keep-failed", "--json")
    assert done.exit_code == exit_codes.FAILED
    assert json.loads(done.stdout)["failed_before"] == 1

    done = tir(rows, out, "--json")
    assert done.exit_code == exit_codes.OK
    assert {name: json.loads(done.stdout)[name] for name in ("answered", "failed", "finished_before", "cost")} == {
        "answered": 1,
        "failed": 0,
        "finished_before": 4,
        "cost": None,
    }


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, exit_codes.REFUSED), (403, exit_codes.REFUSED), (404, exit_codes.REFUSED)],
)
def test_a_refused_token_or_model_ends_the_run(sandbox: Sandbox, rows: Path, tmp_path: Path, status: int, code: int):
    sandbox.script(*[Fault(status=status)] * 5)
    done = tir(rows, tmp_path / "out.jsonl")

    assert done.exit_code == code
    assert f"Error: HTTP {status}" in done.stderr
    assert sandbox.token not in done.output


def test_a_server_that_cannot_be_reached_ends_the_run(sandbox: Sandbox, rows: Path, tmp_path: Path):
    done = tir(rows, tmp_path / "out.jsonl", "--base-url", "http://127.0.0.1:9/v1", "--json")

    assert done.exit_code == exit_codes.UNREACHABLE
    assert json.loads(done.stdout)["error"]["type"] == "APIConnectionError"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["in.jsonl", "out.csv"], "must end in .jsonl"),
        (["no.jsonl", "out.jsonl"], "There is no file"),
        (["in.jsonl", "out.jsonl", "--param", "temperature"], "not NAME=VALUE"),
        (["in.jsonl", "out.jsonl", "--param", "temprature=1"], "did you mean `temperature`"),
        (["in.jsonl", "out.jsonl", "--template", "{text"], "`template`"),
        (["in.jsonl", "out.jsonl", "--template", "{text}"], "no column `text`"),
        (["in.jsonl", "out.jsonl", "--schema", "in.jsonl"], "cannot be read as JSON"),
        (["in.jsonl", "out.jsonl", "--schema", "list.json"], "must be an object"),
        (["in.jsonl", "out.jsonl", "--schema", "none.json"], "No such file"),
    ],
)
def test_wrong_arguments_are_refused_by_name(
    sandbox: Sandbox, rows: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], problem: str
):
    monkeypatch.chdir(rows.parent)
    Path("list.json").write_text("[]", "utf-8")
    done = tir(*arguments)

    assert done.exit_code == exit_codes.USAGE
    assert problem in done.stderr
    assert sandbox.requests == []


def test_a_full_disk_is_reported_with_how_to_resume(
    sandbox: Sandbox, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    append, left = Output.append, [None] * 2

    def filling(output: Output, line: bytes) -> None:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        append(output, line)

    monkeypatch.setattr(Output, "append", filling)
    done = tir(rows, tmp_path / "out.jsonl", "--at-once", "1")

    assert done.exit_code == exit_codes.FAILED
    assert "No space left on device. 2 rows were stored: run the same command to continue." in done.stderr


def test_an_output_in_a_folder_that_does_not_exist_is_a_wrong_argument(sandbox: Sandbox, rows: Path, tmp_path: Path):
    done = tir(rows, tmp_path / "no" / "out.jsonl")

    assert done.exit_code == exit_codes.USAGE
    assert "No such file" in done.stderr


def test_a_changed_input_names_the_option(sandbox: Sandbox, rows: Path, tmp_path: Path):
    tir(rows, tmp_path / "out.jsonl")
    done = tir(rows, tmp_path / "out.jsonl", "--system", "Short.")

    assert done.exit_code == exit_codes.USAGE
    assert "keep what is stored with `--accept-changes`" in done.stderr
    assert "`--accept-changes`" in tir(rows, tmp_path / "out.jsonl", "--system", "Short.", "--json").stdout


def test_a_missing_token_is_named(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in (*OVERRIDES, "E2E_TIR_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    done = tir(rows, tmp_path / "out.jsonl", "--project-id", "1")

    assert done.exit_code == exit_codes.USAGE
    assert "E2E_TIR_ACCESS_TOKEN" in done.stderr


INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tir_cli", run_name="__main__")
"""
"""The command, with Python's own handler of SIGINT: a child of a process that ignores the signal ignores it, too."""


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Run `tir bulk` in a separate process."""
    command = [sys.executable, "-c", INTERRUPTIBLE, "bulk", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())


def finished_rows(path: Path) -> list[str]:
    """The prompts of the rows that are stored; the last line may be half written."""
    whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return [f"row {json.loads(line)['index']}" for line in whole]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_run_that_is_killed_twice_ends_with_each_row_once(sandbox: Sandbox, tmp_path: Path):
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows.write_text("".join(f'{{"prompt": "row {n}"}}\n' for n in range(ROWS)), "utf-8")
    finished: dict[str, int] = {}
    for enough in (ROWS // 4, ROWS // 2):
        process = start(rows, out, "--at-once", "8")
        assert until(lambda enough=enough: lines(out) >= enough)
        process.kill()
        process.communicate()
        asked = Counter(request.user for request in sandbox.requests)
        finished |= {name: asked[name] for name in finished_rows(out)}
    process = start(rows, out, "--at-once", "8", "--json")
    report = json.loads(process.communicate()[0])
    asked = Counter(request.user for request in sandbox.requests)

    assert process.returncode == exit_codes.OK
    assert sorted(row["index"] for row in stored(out)) == list(range(ROWS))
    assert report["finished_before"] + report["answered"] == ROWS
    assert report["finished_before"] >= len(finished) >= ROWS // 2
    assert {name: asked[name] for name in finished} == finished
    assert asked.total() <= ROWS + 2 * 8


def test_ctrl_c_keeps_what_is_stored_and_says_how_to_resume(sandbox: Sandbox, rows: Path, tmp_path: Path):
    out = tmp_path / "out.jsonl"
    sandbox.script(Reply("late", delay=60), user="row 4")
    process = start(rows, out)
    assert until(lambda: lines(out) == 4)
    process.send_signal(signal.SIGINT)
    _, problem = process.communicate()

    assert process.returncode == exit_codes.INTERRUPTED
    assert problem.strip() == "Stopped. 4 rows were stored: run the same command to continue."
    assert len(stored(out)) == 4


def test_ctrl_c_while_the_command_starts_is_silent(monkeypatch: pytest.MonkeyPatch):
    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "tir_cli.app", Interrupted())  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == exit_codes.INTERRUPTED


@pytest.mark.parametrize("status", [500, 400])
def test_a_server_that_fails_every_row_ends_the_run(rows: Path, tmp_path: Path, status: int, monkeypatch: Any):
    monkeypatch.setattr("tir_client.bulk.failures.FAILED_ROWS", 1)
    monkeypatch.setattr("tir_client.bulk.failures.REJECTED_ROWS", 2)
    with Sandbox(rules=lambda _: Fault(status=status)) as broken:
        for name, value in broken.env.items():
            monkeypatch.setenv(name, value)
        done = tir(rows, tmp_path / "out.jsonl", "--patience", "0", "--at-once", "1")

    assert done.exit_code == (exit_codes.UNREACHABLE if status == 500 else exit_codes.FAILED)
    assert "so the run has ended. Last error: HTTP" in done.stderr
    assert done.stderr.rstrip().endswith("1 row was stored: run the same command to continue.")


RUNNING = Progress(
    answered=600,
    failed=2,
    skipped=398,
    usage=Usage(1000, 2000, 3000),
    limit=64,
    under_way=60,
    fraction=0.4,
    started_at=100.0,
    start_fraction=0.2,
)


def test_a_progress_line_shows_rate_tokens_errors_cost_and_the_time_left():
    assert describe(RUNNING, 160.0, (1.0, 2.0)) == (
        "40.0%, 1,000 rows, 10.0/s, 1,000 tokens in, 2,000 out, 2 failed, cost 0.005, 60 of 64 at once, 3 min left"
    )


def test_a_progress_line_gives_the_reason_for_a_pause():
    waiting = Progress(limit=1, paused_until=170.0, last_failure=RowError("ServerError", "busy", 503), started_at=100.0)

    assert describe(waiting, 160.0, None).endswith("0 of 1 at once, waiting 10 s after HTTP 503")
    waiting.last_failure = RowError("APIConnectionError", "no route")
    assert describe(waiting, 160.0, None).endswith("waiting 10 s after APIConnectionError")
    waiting.last_failure = None
    assert describe(waiting, 160.0, None).endswith("waiting 10 s")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5990, "100 min"), (7500, "2 h 5 min")]
)
def test_durations_are_rounded_to_readable_units(seconds: float, text: str):
    assert duration(seconds).replace("1 h 40 min", "100 min") == text


@pytest.mark.parametrize(
    ("is_terminal", "term", "has_bar"), [(True, "xterm", True), (True, "dumb", False), (False, "xterm", False)]
)
async def test_a_terminal_that_can_redraw_gets_a_bar_and_all_else_gets_lines(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, term: str, has_bar: bool
):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(bulk_display, "REFRESH_SECONDS", 0.001)
    monkeypatch.setattr(bulk_display, "LOG_SECONDS", 0.001)
    text = io.StringIO()
    showing = asyncio.create_task(show(RUNNING, Console(file=text, force_terminal=is_terminal, width=200), None))
    assert await auntil(lambda: "1,000 rows" in text.getvalue())
    showing.cancel()
    await asyncio.wait([showing])

    assert ("━" in text.getvalue()) is has_bar


@pytest.mark.parametrize("is_terminal", [True, False])
async def test_a_closed_stderr_does_not_end_a_run(monkeypatch: pytest.MonkeyPatch, is_terminal: bool):
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(bulk_display, "LOG_SECONDS", 0.001)
    dropped: list[Any] = []
    monkeypatch.setattr(bulk_display, "discard", dropped.append)
    await show(RUNNING, type(stderr)(file=Closed(), force_terminal=is_terminal), None)

    assert dropped == [sys.stderr]


def test_the_summary_without_failures_or_prices_is_one_line():
    assert summary(Progress(answered=2), 3.0, None) == (
        "2 rows answered, 0 failed, 0 finished before, in 3 s; 0 tokens in, 0 out."
    )


def test_the_summary_says_that_a_cost_is_unknown():
    text = summary(Progress(answered=2, without_usage=2), 3.0, (1.0, 2.0))

    assert text.endswith("Cost: unknown, because 2 answers have no token counts.")
