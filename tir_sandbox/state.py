"""The state of a sandbox: its script and rules, the requests so far, and the models that it serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from tir_sandbox.delivery import Connections
from tir_sandbox.requests import Request
from tir_sandbox.script import Answer, Script

Rules = Callable[[Request], Answer | str | None]
_SERVED = ("gpt_oss_120b", "qwen3_32b", "llama3_1_8b_instruct", "bge-large-en-v1_5", "e5-mistral-7b-instruct")
_UNKNOWN = "nope"
_EPOCH = 1_750_000_000


@dataclass(kw_only=True)
class State:
    """Shared by `Sandbox` and its server, which run in different threads."""

    token: str
    project_id: str
    script: Script
    rules: Rules | None
    models: Sequence[str] | None
    context_window: int
    starting: int
    ignores_forced_tools: bool
    connections: Connections = field(default_factory=Connections)
    requests: list[Request] = field(default_factory=list)
    ids: "count[int]" = field(default_factory=lambda: count(1))
    _ticks: "count[int]" = field(default_factory=lambda: count(_EPOCH))

    @property
    def served(self) -> Sequence[str]:
        """The models to list."""
        return self.models or _SERVED

    def serves(self, model: str) -> bool:
        """Tell whether a model answers; any slug does, unless the sandbox has a list."""
        return model in self.models if self.models is not None else model != _UNKNOWN

    def clock(self) -> int:
        """Return a time for `created`, the same in every run."""
        return next(self._ticks)
