"""Runs the fault matrix against all libraries and records the outcome of each call."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.faults.cells import CELLS
from tests.faults.drivers import Outcome, Way, ways
from tests.faults.matrix import PATIENT, Case, Cell, Right
from tests.faults.peers import ALL, REQUIREMENTS, is_typed
from tests.faults.response_bytes import TEXT
from tests.faults.servers import Servers
from tests.wire_server import CLOSE

PATIENCE = 8.0
"""Seconds beyond its timeouts after which a call counts as hanging."""

TRIES = 3


def play(out: Path) -> None:
    """Play all cells against all libraries; write the outcomes to `out` as JSON."""
    hurry()
    with Servers() as servers:
        warm_up(servers)
        rows = [row for cell in CELLS for row in play_cell(cell, servers)]
    out.write_text(json.dumps({"versions": versions(), "rows": rows}, indent=1), "utf-8")


def warm_up(servers: Servers) -> None:
    """Let each library import what it needs, so that the time does not count as hanging."""
    servers.play([CLOSE])
    for way in ways(ALL):
        way.call(way.driver.model(servers.address("{line}/v1"), PATIENT))


def play_cell(cell: Cell, servers: Servers) -> Iterator[dict[str, Any]]:
    """Play one cell in all ways."""
    for way in ways(ALL):
        case: Case | None = getattr(cell, way.mode)
        if case is None:
            continue
        servers.play(*case.scripts)
        outcome = in_time(way, cell, servers)
        yield {
            "group": cell.group,
            "cell": cell.name,
            "library": way.driver.name,
            "world": way.world,
            "mode": way.mode,
            "expected": "right" if isinstance(case.expected, Right) else "typed error",
            "outcome": judge(outcome, case),
            "error": outcome and outcome.error and f"{type(outcome.error).__module__}.{type(outcome.error).__name__}",
            "requests": servers.requests,
        }
        sys.stderr.write(".")
        sys.stderr.flush()


def in_time(way: Way, cell: Cell, servers: Servers) -> Outcome | None:
    """The outcome of a call, or None if it hangs, in which case its thread is abandoned."""
    done: list[Outcome] = []

    def call() -> None:
        model = way.driver.model(servers.address(cell.address), cell.timeouts)
        done.append(way.call(model))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(TRIES * min(1.0, *cell.timeouts.values()) + PATIENCE)
    return done[0] if done else None


def judge(outcome: Outcome | None, case: Case) -> str:
    """Return one of the five outcomes of the table."""
    if outcome is None:
        return "hang"
    if outcome.error is not None:
        return "typed error" if is_typed(outcome.error) else "untyped error"
    meant = case.expected.text if isinstance(case.expected, Right) else TEXT
    return "right" if outcome.text == meant else "silent loss"


def hurry() -> None:
    """Remove the pauses between retries, which are not compared."""
    sleep, asleep = time.sleep, asyncio.sleep

    def briefly(seconds: float) -> None:
        sleep(min(seconds, 0.01))

    async def abriefly(seconds: float, result: Any = None) -> Any:
        return await asleep(min(seconds, 0.01), result)

    time.sleep = briefly  # type: ignore[assignment]
    patch_all([("asyncio", "sleep"), ("anyio", "sleep")], abriefly)


def patch_all(places: list[tuple[str, str]], replacement: Callable[..., Any]) -> None:
    """Replace functions."""
    for module, name in places:
        setattr(import_module(module), name, replacement)


def versions() -> dict[str, str]:
    """The versions of the compared libraries."""
    names = ("tir-llm", *REQUIREMENTS, "openai", "langchain-core", "llama-index-core", "httpx")
    return {name: version(name) for name in names}


if __name__ == "__main__":
    play(Path(sys.argv[1]))
