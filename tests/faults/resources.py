"""The resources of a process: sockets, threads, HTTP clients."""

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
from weakref import WeakSet

import httpx

from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Held:
    """The open resources of this process: sockets (by inode), threads, HTTP clients."""

    sockets: frozenset[int]
    threads: WeakSet[threading.Thread]
    clients: WeakSet[httpx.Client | httpx.AsyncClient]

    @classmethod
    def now(cls) -> Held:
        """Count them, after a garbage collection."""
        gc.collect()
        clients = [one for one in gc.get_objects() if isinstance(one, httpx.Client | httpx.AsyncClient)]
        still_open = WeakSet(one for one in clients if not one.is_closed)
        return cls(frozenset(_sockets()), WeakSet(threading.enumerate()), still_open)

    def since(self, before: Held) -> dict[str, int]:
        """How many of each kind are new. Those of earlier tests may be freed meanwhile, and do not count."""
        new = {
            "sockets": self.sockets - before.sockets,
            "threads": self.threads - before.threads,
            "clients": self.clients - before.clients,
        }
        return {kind: len(things) for kind, things in new.items() if things}


def _sockets() -> Iterator[int]:
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the descriptor of the listing itself
            status = os.fstat(int(entry.name))
            if stat.S_ISSOCK(status.st_mode):
                yield status.st_ino


@contextmanager
def all_returned(within: float = PATIENCE) -> Iterator[None]:
    """Check that everything the block opens is closed at its end, or as soon as the servers have noticed."""
    before = Held.now()
    yield
    end = time.monotonic() + within
    while (kept := Held.now().since(before)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not kept
