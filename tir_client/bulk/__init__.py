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

What a run guarantees: https://tir-llm.github.io/tir-llm/guides/bulk/#guarantees
"""

from tir_client.bulk.output import sort_output
from tir_client.bulk.progress import Progress
from tir_client.bulk.prompts import Prompts
from tir_client.bulk.results import Result, RowError
from tir_client.bulk.run import Bulk

__all__ = ["Bulk", "Progress", "Prompts", "Result", "RowError", "sort_output"]
