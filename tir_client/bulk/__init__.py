"""Many prompts, one answer each: a run that can be killed at any moment and started again.

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

- **Nothing that was stored is lost or asked twice.** A result is appended with one `write` before its row counts as
  finished, so killing the process loses only the requests under way. The file is synced every five seconds; a crash of
  the machine loses at most that. The next run cuts off a half-written line at the end.
- **A row is identified by its number.** Each result has a fingerprint of the row's id and prompt and of the settings.
  If the input or the settings have changed, the next run refuses to go on, before it asks any row of a block of 64 in
  which something has changed. `accept_changes` goes on and keeps what is stored. Rows may be added at the end.
- **A row that fails is stored with its error**, and the run goes on. The next run removes such results and asks their
  rows again, unless `retry_failed` is False. A wrong token (401), an unknown model (404), a certificate that is not
  accepted, and a server that cannot be reached from the start end the run, as no row would succeed. So does a server
  that has failed 20 rows in a row and answered nothing for as long as `patience`, and one that has refused the first
  100 rows. The rows that were under way are then not stored, and the next run asks them.
- **Results are stored as they come.** Each has the `index` of its row; `sort_output` puts the file into that order.
- **Memory does not grow with the input.** Two bits for each row are kept, and only where an output exists already.
"""

from tir_client.bulk.output import sort_output
from tir_client.bulk.progress import Progress
from tir_client.bulk.prompts import Prompts
from tir_client.bulk.results import Result, RowError
from tir_client.bulk.run import Bulk

__all__ = ["Bulk", "Progress", "Prompts", "Result", "RowError", "sort_output"]
