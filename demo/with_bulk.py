"""The part of the demo with a bulk run that is stopped and resumed."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.text import Text

from tir_client import Config, TIRClient
from tir_client.bulk import Bulk, Progress, Prompts, sort_output

if TYPE_CHECKING:
    from rich.console import Console

    from demo.endpoint import Endpoint
    from demo.tally import Tally

REVIEWS = [
    "The battery lasts two days, I am happy.",
    "The screen broke after a week, I am unhappy.",
    "It arrived a day early.",
    "The manual is in the wrong language.",
    "Great sound, and light enough for a day's walk.",
    "Support never answered.",
    "Exactly as described.",
    "The left button sticks.",
]
MOOD = {
    "type": "object",
    "properties": {"mood": {"enum": ["happy", "unhappy", "neutral"]}},
    "required": ["mood"],
    "additionalProperties": False,
}
TEMPLATE = "How does this customer feel? {review}"
STOP_AFTER = 3


def bulk(endpoint: Endpoint, console: Console, tally: Tally) -> None:
    """Stop a run after a few rows, and continue it with a second one."""
    console.print(Text(f"> {TEMPLATE}  ({len(REVIEWS)} rows)", style="cyan"))
    with TemporaryDirectory() as folder:
        rows, answers = Path(folder, "reviews.jsonl"), Path(folder, "answers.jsonl")
        rows.write_text("".join(json.dumps({"review": review}) + "\n" for review in REVIEWS), "utf-8")
        client = TIRClient(Config.resolve(**endpoint.settings))
        work = Bulk(client, Prompts(endpoint.model, TEMPLATE, schema=MOOD), at_once=2)
        stopped = asyncio.run(_stop_early(work, rows, answers))
        console.print(Text(f"  stopped after {stopped.done} rows", style="magenta"))
        resumed = asyncio.run(work.run(rows, answers))
        console.print(Text(f"  the same call answers the other {resumed.done}, no row twice", style="green"))
        sort_output(answers)
        for review, line in zip(REVIEWS, answers.read_text("utf-8").splitlines()[:2], strict=False):
            console.print(Text(f"{json.loads(line)['data']}  {review}", style="bold"))
    for progress in (stopped, resumed):
        tally.add("bulk run", progress.usage.prompt_tokens, progress.usage.completion_tokens)


async def _stop_early(work: Bulk, rows: Path, answers: Path) -> Progress:
    progress = Progress()
    running = asyncio.create_task(work.run(rows, answers, progress=progress))
    while progress.done < STOP_AFTER and not running.done():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.001)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return progress
