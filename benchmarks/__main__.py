"""Measures the cost of chunks and requests with our packages and with others: `make bench`.

`python -m benchmarks` does the same. A whole run writes `benchmarks/results.json`, and the tables and plots in
`docs/measured/`; `--against` also prints a comparison. A run with `--quick`, `--only` or `--contenders` only prints its
results.

Examples:
    python -m benchmarks                                      all contenders, all experiments
    python -m benchmarks --quick --only 'streams|tools'       one round of two experiments
    python -m benchmarks --against main --contenders TIR      our two models, compared with those on `main`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import comparison, plot, report
from benchmarks.bench import Bench
from benchmarks.earlier_revision import Earlier
from benchmarks.environments import ROOT, Environments
from benchmarks.experiments import EXPERIMENTS, run_all
from benchmarks.processes import Fleet
from benchmarks.results import Samples

RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "measured" / "performance.md"
PLOTS = {
    ROOT / "docs" / "measured" / "performance.svg": plot.LIGHT,
    ROOT / "docs" / "measured" / "performance-dark.svg": plot.DARK,
}
ROUNDS = 5
BUSY = 0.5
"""The load average above which results are not reliable."""


def main() -> None:
    options = _options()
    if options.report:
        _publish(json.loads(RESULTS.read_text()))
        return
    with TemporaryDirectory() as folder:
        earlier = Earlier.extract(options.against, ROOT, Path(folder)) if options.against else None
        results = _measure(Environments(options.environments, earlier), options)
    _print(results, earlier)
    if options.save:
        _save(results, options.save)
    if not (options.quick or options.only or options.contenders):
        _save({**results, "samples": results["samples"].at_present()}, RESULTS)
        _publish(json.loads(RESULTS.read_text()))


def _options() -> argparse.Namespace:
    summary, _, examples = (__doc__ or "").partition("Examples:\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=summary,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(experiment.measure.__name__ for experiment in EXPERIMENTS)
    add = parser.add_argument
    add("--rounds", type=int, default=ROUNDS, help=f"how often each contender does each job (default: {ROUNDS})")
    add("--quick", action="store_true", help="one round, for development; nothing is written")
    add("--only", default="", metavar="PATTERN", help=f"run the experiments that match this expression: {names}")
    add("--contenders", default="", metavar="PATTERN", help="run the contenders that match this expression")
    add("--against", metavar="REV", help="also measure our packages at this git revision, and compare")
    add("--save", type=Path, metavar="FILE", help="write all numbers to this file")
    add("--report", action="store_true", help="measure nothing; rewrite the page and plots from the last whole run")
    add("--environments", type=Path, default=ROOT / ".venvs", metavar="FOLDER", help="where the peers are installed")
    return parser.parse_args()


def _measure(environments: Environments, options: argparse.Namespace) -> dict[str, Any]:
    """Run the experiments; return the results, and the machine and versions."""
    environments.prepare()
    rounds = 1 if options.quick else options.rounds
    load, start = os.getloadavg()[0], time.monotonic()
    if load > BUSY:
        print(f"The load of this machine is {load:.1f}. Results are reliable only if it is idle.", flush=True)
    with Fleet(environments) as fleet:
        bench = Bench(fleet, environments, options.contenders)
        run_all(bench, rounds, options.only)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load": round(load, 1),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "versions": environments.versions(),
        "rounds": rounds,
        "samples": bench.samples,
    }


def _print(results: dict[str, Any], earlier: Earlier | None) -> None:
    samples: Samples = results["samples"]
    present = samples.at_present()
    tables = [report.run(results), report.goals(present), report.everything(present)]
    if earlier is not None:
        tables.append(comparison.table(samples, earlier.revision))
    for table in tables:
        print("\n", *table, sep="\n")


def _save(results: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(results, indent=1) + "\n")


def _publish(results: dict[str, Any]) -> None:
    report.write(results, PAGE)
    for path, colours in PLOTS.items():
        path.write_text(plot.svg(Samples(results["samples"]), colours))


if __name__ == "__main__":
    main()
