"""A sandbox's state: its script and its rules, the requests it has seen, and what it serves."""

from collections.abc import Callable, Sequence
from itertools import count

from tir_sandbox.delivery import Connections
from tir_sandbox.requests import Request
from tir_sandbox.script import Answer, Script

Rules = Callable[[Request], Answer | str | None]
_SERVED = ("gpt_oss_120b", "qwen3_32b", "llama3_1_8b_instruct", "bge-large-en-v1_5", "e5-mistral-7b-instruct")
_EPOCH = 1_750_000_000


class State:
    """What the sandbox's user and its server share; the two live in different threads."""

    def __init__(  # noqa: PLR0913  (settings, each by its name)
        self,
        *,
        rules: Rules | None = None,
        strict: bool = True,
        models: Sequence[str] | None = None,
        unknown_models: Sequence[str] = ("nope",),
        context_window: int = 131_072,
        ignores_forced_tools: bool = False,
    ) -> None:
        self.script = Script(strict=strict)
        self.rules = rules
        self.served = list(models or _SERVED)
        self.context_window = context_window
        self.ignores_forced_tools = ignores_forced_tools
        self.connections = Connections()
        self.requests: list[Request] = []
        self.ids = count(1)
        self._only_served = models is not None
        self._unknown = set(unknown_models)
        self._ticks = count()

    def serves(self, model: str) -> bool:
        """Tell whether a model answers; any slug does, unless the sandbox was given a list."""
        return model in self.served if self._only_served else model not in self._unknown

    def clock(self) -> int:
        """Return a time for `created`, the same in every run."""
        return _EPOCH + next(self._ticks)
