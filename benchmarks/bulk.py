"""Measures bulk runs: `make bench-bulk`, or `python -m benchmarks.bulk`.

First, three ways to answer many prompts, in turn, each in its own process: concurrent calls of the client, a bulk run,
and LangChain's `abatch`. Then a bulk run that is killed with SIGKILL at random times and resumed. Last, the memory of
resumed runs of several sizes. The server runs on loopback and is not the bottleneck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.environments import start_server
from tir_client import ChatRequest, Config, TIRClient
from tir_client.bulk import Bulk, Prompts, Result
from tir_client.bulk.prompts import Row

AT_ONCE = 64
TOKEN = "eyJ.bench.mark"
MODEL = "gpt_oss_120b"
PADDING = "x" * 960
"""Padding that makes rows about 1 kB long, to measure memory."""
Job = Callable[[str, Path, Path], Awaitable[None]]


async def bare(url: str, rows: Path, _: Path) -> None:
    """Call the client from `AT_ONCE` tasks, and discard the answers."""
    with rows.open() as file:

        async def ask() -> None:
            for line in file:
                messages = [{"role": "user", "content": json.loads(line)["prompt"]}]
                await client.achat(ChatRequest.of(model=MODEL, messages=messages))

        async with _client(url) as client, asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(ask())


async def bulk(url: str, rows: Path, output: Path) -> None:
    """Run a bulk run with an output file."""
    async with _client(url) as client:
        await Bulk(client, Prompts(MODEL), at_once=AT_ONCE).run(rows, output)


async def abatch(url: str, rows: Path, output: Path) -> None:
    """Run LangChain's `abatch`, and store the answers at its end."""
    from langchain_tir import ChatTIR  # noqa: PLC0415 - only this job needs it

    model = ChatTIR(model=MODEL, base_url=url, api_key=TOKEN)
    with rows.open() as file, output.open("w") as results:
        prompts = [json.loads(line)["prompt"] for line in file]
        answers = await model.abatch(prompts, {"max_concurrency": AT_ONCE}, return_exceptions=True)
        results.writelines(json.dumps({"text": str(answer.content)}) + "\n" for answer in answers)


JOBS: dict[str, Job] = {"bare": bare, "bulk": bulk, "abatch": abatch}


def main() -> None:
    options = _options()
    if options.job:
        _work(JOBS[options.job[0]], *options.job[1:])
        return
    with TemporaryDirectory() as name, _server() as url:
        folder = Path(name)
        if options.memory:
            _print_memory(url, folder, options.memory)
            return
        _print_rates(url, folder, options.rows, options.rounds)
        _print_kills(url, folder, options.rows, options.kills)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bulk", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rows", type=int, default=100_000, help="rows of a run (100,000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument("--kills", type=int, default=10, help="how often a run is killed (default: 10)")
    parser.add_argument("--memory", type=int, nargs="*", metavar="ROWS", help="measure only memory, at these sizes")
    parser.add_argument("--job", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def _print_rates(url: str, folder: Path, size: int, rounds: int) -> None:
    """Print the rate, CPU time and memory of each way: medians over the rounds."""
    rows = _write_rows(folder / "in.jsonl", size)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in JOBS}
    for _ in range(rounds):
        for name, results in found.items():
            output = folder / "out.jsonl"
            output.unlink(missing_ok=True)
            results.append(_measure(name, url, rows, output))
    print(f"\n{size:,} rows, {AT_ONCE} at once, medians of {rounds} rounds\n")
    print("| | rows per second | of bare calls | CPU, us per row | peak memory, MB |\n|---|---|---|---|---|")
    for name, results in found.items():
        ratios = [one["seconds"] / this["seconds"] for one, this in zip(found["bare"], results, strict=True)]
        seconds, cpu, memory = (statistics.median(one[key] for one in results) for key in ("seconds", "cpu", "memory"))
        ratio = statistics.median(ratios)
        print(f"| {name} | {size / seconds:,.0f} | {ratio:.2f} | {cpu / size * 1e6:,.0f} | {memory:.0f} |", flush=True)


def _print_kills(url: str, folder: Path, size: int, kills: int) -> None:
    """Kill and resume a run at random times, and check that each row is stored once."""
    rows, output = _write_rows(folder / "in.jsonl", size), folder / "killed.jsonl"
    chance = random.Random(kills)  # the same times in each run
    start, moments = time.monotonic(), sorted(chance.randrange(size) for _ in range(kills))
    for moment in moments:
        process = _start("bulk", url, rows, output)
        while process.poll() is None and _size(output) < moment * 330:
            time.sleep(chance.random() / 20)
        process.kill()
        process.wait()
    result = _measure("bulk", url, rows, output)
    with output.open() as file:
        found = [json.loads(line)["index"] for line in file]
    assert sorted(found) == list(range(size))
    print(
        f"\nKilled {kills} times: {size:,} rows, each once, in {time.monotonic() - start:.0f} s "
        f"(the last run took {result['seconds']:.0f} s)."
    )


def _print_memory(url: str, folder: Path, sizes: list[int]) -> None:
    """Print the peak memory of runs in which all but ten rows of 1 kB are finished."""
    print("| rows of 1 kB | peak memory, MB | seconds |\n|---|---|---|")
    for size in sizes:
        rows, output = _write_rows(folder / "in.jsonl", size, PADDING), folder / "out.jsonl"
        _write_finished(output, size)
        result = _measure("bulk", url, rows, output)
        print(f"| {size:,} | {result['memory']:.0f} | {result['seconds']:.0f} |", flush=True)


def _write_rows(path: Path, size: int, padding: str = "") -> Path:
    with path.open("w") as file:
        file.writelines(json.dumps(_row(index, padding)) + "\n" for index in range(size))
    return path


def _row(index: int, padding: str) -> dict[str, str]:
    return {"prompt": f"{padding}bench:whole/1/1 row {index}"}


def _write_finished(path: Path, size: int) -> None:
    """Write an output with results for all but ten rows, without requests."""
    prompts = Prompts(MODEL)
    with path.open("wb") as file:
        for index in range(size - 10):
            fingerprint = prompts.fingerprint(Row(index, _row(index, PADDING)))
            file.write(Result(index, f"{fingerprint:016x}", text=PADDING).line())


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _measure(job: str, url: str, rows: Path, output: Path) -> dict[str, float]:
    process = _start(job, url, rows, output)
    text, _ = process.communicate()
    assert process.returncode == 0
    result: dict[str, float] = json.loads(text)
    return result


def _start(job: str, url: str, rows: Path, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.bulk", "--job", job, url, str(rows), str(output)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _work(job: Job, url: str, rows: str, output: str) -> None:
    """Do a job in this process, and print its cost."""
    start = time.monotonic()
    asyncio.run(job(url, Path(rows), Path(output)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cost = {"cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024}
    print(json.dumps({"seconds": time.monotonic() - start, **cost}))


def _client(url: str) -> TIRClient:
    return TIRClient(Config.resolve(api_key=TOKEN, base_url=url))


@contextmanager
def _server() -> Iterator[str]:
    server: subprocess.Popen[str] = start_server()
    try:
        port: Any = server.stdout.readline() if server.stdout else ""
        yield f"http://127.0.0.1:{port.strip()}/v1"
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
