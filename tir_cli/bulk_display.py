"""The output of `tir bulk`: a progress bar on a terminal, occasional lines in a log, and a summary."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn

from tir_cli.output import discard

if TYPE_CHECKING:
    from rich.console import Console

    from tir_client.bulk import Progress as BulkProgress
    from tir_client.protocol.cost import Price

REFRESH_SECONDS = 0.2
LOG_SECONDS = 30.0


async def show(progress: BulkProgress, console: Console, price: Price | None) -> None:
    """Show the progress of a run until the task is cancelled. If stderr is closed, the run continues without."""
    try:
        await _show(progress, console, price)
    except OSError:
        discard(sys.stderr)


async def _show(progress: BulkProgress, console: Console, price: Price | None) -> None:
    loop = asyncio.get_running_loop()
    if not console.is_terminal or console.is_dumb_terminal:  # rich draws no bar on the latter
        while True:
            await asyncio.sleep(LOG_SECONDS)
            console.print(describe(progress, loop.time(), price), highlight=False)
    with Progress(
        BarColumn(24), TextColumn("{task.description}"), console=console, auto_refresh=False, transient=True
    ) as bar:
        task = bar.add_task("", total=1.0)
        while True:
            done = progress.fraction
            text = describe(progress, loop.time(), price)
            bar.update(task, total=None if done is None else 1.0, completed=done or 0.0, description=text, refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


def describe(progress: BulkProgress, now: float, price: Price | None) -> str:
    """The progress of a run in one line."""
    parts = [] if progress.fraction is None else [f"{progress.fraction:.1%}"]
    parts += [f"{progress.skipped + progress.done:,} rows", f"{progress.rate(now):,.1f}/s", _tokens(progress)]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if (cost := progress.cost(price)) is not None:
        parts.append(f"cost {cost:,.4g}")
    parts.append(f"{progress.under_way} of {progress.limit} at once")
    if progress.paused_until > now:
        parts.append(f"waiting {progress.paused_until - now:.0f} s{_reason(progress)}")
    elif (left := progress.seconds_left(now)) is not None:
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)


def summary(progress: BulkProgress, seconds: float, price: Price | None) -> str:
    """The result of a run in a few lines."""
    counts = f"{progress.answered:,} rows answered, {progress.failed:,} failed, {progress.skipped:,} finished before"
    lines = [f"{counts}, in {duration(seconds)}; {_tokens(progress)}."]
    if (cost := progress.cost(price)) is not None:
        lines.append(f"Cost: {cost:,.4g}.")
    elif price is not None:
        lines.append(f"Cost: unknown, because {progress.without_usage:,} answers have no token counts.")
    if progress.failed or progress.failed_before:
        lines.append("The rows that failed have an `error`. Run the same command to send them again.")
    return "\n".join(lines)


def totals(progress: BulkProgress, seconds: float, price: Price | None) -> dict[str, Any]:
    """The result of a run as JSON."""
    return {
        "answered": progress.answered,
        "failed": progress.failed,
        "finished_before": progress.skipped,
        "failed_before": progress.failed_before,
        "usage": progress.usage.counts(),
        "cost": progress.cost(price),
        "seconds": round(seconds, 3),
    }


def duration(seconds: float) -> str:
    """Format seconds: 12 s, 3 min, 2 h 5 min."""
    whole = round(seconds)
    if whole < 100:  # noqa: PLR2004 - seconds read better up to here
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - as above


def _reason(progress: BulkProgress) -> str:
    failure = progress.last_failure
    if failure is None:
        return ""
    return f" after {failure.type}" if failure.status_code is None else f" after HTTP {failure.status_code}"


def _tokens(progress: BulkProgress) -> str:
    return f"{progress.usage.prompt_tokens:,} tokens in, {progress.usage.completion_tokens:,} out"
