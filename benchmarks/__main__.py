"""Measure, and write the numbers down: `python -m benchmarks`, or `make bench`.

The peers are installed in environments of their own, in `.venvs/`. A whole run takes about ten minutes on two cores;
`--rounds 1` or `--only streams` make it shorter, for work on one thing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks import plot, report
from benchmarks.environments import ROOT, Environments
from benchmarks.experiments import Experiments
from benchmarks.fleet import Fleet

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"


def measure(environments: Environments, rounds: int, only: list[str]) -> dict[str, Any]:
    """Run the experiments; return the numbers and what they depend on."""
    load = os.getloadavg()[0]
    environments.prepare()
    with Fleet(environments) as fleet:
        samples = Experiments(fleet, environments, rounds).run(only)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": round(load, 1),
        "versions": environments.versions(),
        "rounds": rounds,
        "samples": samples,
    }


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    for table in (report.run(results), report.goals(results["samples"]), report.everything(results["samples"])):
        print("\n", *table, sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender does each job")
    parser.add_argument("--only", nargs="*", default=[], help="experiments to run; nothing is written then")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the page of the last run again")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venvs", help="where the peers are installed")
    arguments = parser.parse_args()
    if not arguments.report:
        results = measure(Environments(arguments.environments), arguments.rounds, arguments.only)
        show(results)
        if arguments.only:
            return
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    results = json.loads(RESULTS.read_text())
    report.write(results, PAGE)
    PLOT.write_text(plot.svg(results["samples"]))


if __name__ == "__main__":
    main()
