"""Answer each prompt of a folder of Parquet files on a Ray cluster. Run it again after a failure, and it goes on.

python ray_bulk.py INPUT OUTPUT, where INPUT has files with the columns `id` (unique) and `prompt`.
"""

import sys
from typing import Any

import ray
from ray.data import DataContext
from ray.data.checkpoint import CheckpointConfig

from langchain_tir import ChatTIR
from tir_client import AuthenticationError, NotFoundError

ROWS_PER_BLOCK = 256
"""Rows that are stored together: at most so many per task are asked again after a failure."""


class Ask:
    """An actor that keeps many requests under way. Its token comes from the environment of its node."""

    def __init__(self) -> None:
        self.model = ChatTIR(max_retries=8)

    async def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        answers = await self.model.abatch(batch["prompt"].tolist(), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, AuthenticationError | NotFoundError):
                raise answer  # no row would succeed: end the job
        failed = [isinstance(answer, Exception) for answer in answers]
        text = ["" if bad else answer.text for answer, bad in zip(answers, failed, strict=True)]
        error = [
            f"{type(answer).__name__}: {answer}" if bad else "" for answer, bad in zip(answers, failed, strict=True)
        ]
        return {**batch, "text": text, "error": error}


def main(source: str, output: str) -> None:
    """Run the pipeline."""
    DataContext.get_current().checkpoint_config = CheckpointConfig(
        id_column="id", checkpoint_path=f"{output}.checkpoint", delete_checkpoint_on_success=False
    )
    (
        ray.data.read_parquet(source)
        .repartition(target_num_rows_per_block=ROWS_PER_BLOCK)
        .map_batches(Ask, batch_size=32, num_cpus=0, concurrency=1)
        .write_parquet(output)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
