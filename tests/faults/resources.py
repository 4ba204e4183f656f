"""What a process holds: sockets, threads, clients, objects."""

from __future__ import annotations

import gc
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class Held:
    """What this process holds now: sockets, threads, HTTP clients that are not closed."""

    sockets: int
    threads: int
    clients: int

    @classmethod
    def now(cls) -> Held:
        """Count, after the garbage is gone."""
        gc.collect()
        clients = [one for one in gc.get_objects() if isinstance(one, httpx.Client | httpx.AsyncClient)]
        return cls(_sockets(), threading.active_count(), sum(not one.is_closed for one in clients))


def _sockets() -> int:
    count = 0
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the descriptor of the listing itself
            count += stat.S_ISSOCK(os.fstat(int(entry.name)).st_mode)
    return count


@contextmanager
def all_returned(within: float = 5.0) -> Iterator[None]:
    """After the block, and a moment for servers to notice, everything is back to where it was before."""
    before = Held.now()
    yield
    end = time.monotonic() + within
    while (after := Held.now()) != before and time.monotonic() < end:
        time.sleep(0.05)
    if after != before:
        raise AssertionError(f"{before} has become {after}")
