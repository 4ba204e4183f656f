"""Bench: the contenders, processes and results of a run, for experiments."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import ASYNC_ONLY, OURS, earlier
from benchmarks.results import Samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.environments import Environments
    from benchmarks.processes import Fleet, Worker


@dataclass
class Bench:
    """A run of the benchmark.

    Args:
        fleet: The processes of the server and the contenders.
        environments: Starts fresh interpreters.
        pattern: A regular expression; contenders whose name does not contain it are skipped.
    """

    fleet: Fleet
    environments: Environments
    pattern: str = ""
    samples: Samples = field(default_factory=Samples)
    round: int = 0

    def names(self, names: Sequence[str]) -> list[str]:
        """Those of `names` that take part; our packages also at the earlier revision.

        Every other round uses the reverse order, so effects of the order cancel out.
        """
        chosen = [name for name in names if re.search(self.pattern, name)]
        lineup = [entry for name in chosen for entry in (name, *self._earlier(name))]
        return lineup[::-1] if self.round % 2 else lineup

    def workers(self, names: Sequence[str], *, is_async: bool) -> list[Worker]:
        """Their processes."""
        able = [name for name in names if is_async or name not in ASYNC_ONLY]
        return [self.fleet.worker(name) for name in self.names(able)]

    def note_errors(self, metric: str, worker: Worker, errors: list[str]) -> None:
        """Record the number of failed calls. The next job gets a new process, because pools may not recover."""
        self.samples.note(metric, worker.name, len(errors))
        if errors:
            print(f"{worker.name}: {len(errors)} failed, the first with {errors[0]}", flush=True)
            self.fleet.replace(worker)

    def in_fresh_interpreter(self, name: str, program: str) -> Any:
        """Run a program in a fresh interpreter; return its output, parsed."""
        return json.loads(self.environments.run(name, program))

    def _earlier(self, name: str) -> list[str]:
        revision = self.environments.earlier
        return [earlier(name, revision.revision)] if revision and name in OURS else []
