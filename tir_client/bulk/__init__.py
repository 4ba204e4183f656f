"""Bulk runs: one answer for each of many prompts, in a run that can be killed at any time and resumed.

```python
import asyncio
from tir_client import Config, TIRClient
from tir_client.bulk import Bulk, Prompts

async def main() -> None:
    async with TIRClient(Config.resolve()) as client:
        bulk = Bulk(client, Prompts(template="Is this review positive? {text}"), at_once=64)
        print(await bulk.run("reviews.csv", "answers.jsonl"))

asyncio.run(main())
```

What a run promises:

- **No stored result is lost or requested twice.** A result is appended with one `write` before its row counts as
  finished, so killing the process loses only the requests under way. The file is synced every five seconds, so a crash
  of the machine loses at most five seconds. The next run removes a half-written line at the end.
- **A row is identified by its number.** Each result has a fingerprint of the row's id and prompt and of the settings.
  If the input or the settings have changed, the next run raises an error before it sends any row of the block of 64
  that has changed. `accept_changes` continues and keeps the stored results. Rows may be added at the end.
- **A row that fails is stored with its error**, and the run continues. The next run removes such results and sends
  their rows again, unless `retry_failed` is False. The run ends if no row can succeed: the token is wrong (401), the
  model is unknown (404), the certificate is not accepted, or the server cannot be reached from the start. It also
  ends if the server fails 20 rows in a row without an answer for `patience` seconds, or refuses the first 100 rows.
  Rows under way are then not stored, and the next run sends them again.
- **Results are stored as they arrive.** Each has the `index` of its row; `sort_output` sorts the file by it.
- **Memory does not grow with the input**, except for two bits per stored row of a resumed run.
"""

from tir_client.bulk.output import sort_output
from tir_client.bulk.progress import Progress
from tir_client.bulk.prompts import Prompts
from tir_client.bulk.results import Result, RowError
from tir_client.bulk.run import Bulk

__all__ = ["Bulk", "Progress", "Prompts", "Result", "RowError", "sort_output"]
