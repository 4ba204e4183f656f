"""A sandbox's state: what it was told to answer, what it has seen, and what it serves."""

import threading
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

from tir_sandbox.delivery import Connections
from tir_sandbox.faults import Fault
from tir_sandbox.replies import Reply

if TYPE_CHECKING:
    from tir_sandbox.requests import Request

_SERVED = ("gpt_oss_120b", "qwen3_32b", "llama3_1_8b_instruct", "bge-large-en-v1_5", "e5-mistral-7b-instruct")
_EPOCH = 1_750_000_000


class State:
    """What the sandbox's user and its server share; the two live in different threads."""

    def __init__(
        self,
        *,
        models: Sequence[str] | None = None,
        unknown_models: Sequence[str] = ("nope",),
        context_window: int = 131_072,
        ignores_forced_tools: bool = False,
    ) -> None:
        self.served = list(models or _SERVED)
        self.context_window = context_window
        self.ignores_forced_tools = ignores_forced_tools
        self.connections = Connections()
        self.requests: list[Request] = []
        self.ids = count(1)
        self._only_served = models is not None
        self._unknown = set(unknown_models)
        self._queue: deque[Reply | Fault] = deque()
        self._lock = threading.Lock()
        self._ticks = count()

    def script(self, items: Sequence[Reply | Fault]) -> None:
        """Queue answers."""
        with self._lock:
            self._queue.extend(items)

    def next(self) -> Reply | Fault | None:
        """Take the next queued answer."""
        with self._lock:
            return self._queue.popleft() if self._queue else None

    def reset(self) -> None:
        """Forget the queue and the requests."""
        with self._lock:
            self._queue.clear()
            self.requests.clear()

    def serves(self, model: str) -> bool:
        """Tell whether a model answers; any slug does, unless the sandbox was given a list."""
        return model in self.served if self._only_served else model not in self._unknown

    def clock(self) -> int:
        """Return a time for `created`, the same in every run."""
        return _EPOCH + next(self._ticks)
