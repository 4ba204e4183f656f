"""Answer each prompt of a folder of Parquet files on a Ray cluster. After a failure, run it again to continue.

python ray_bulk.py INPUT OUTPUT, where the files of INPUT have the columns `id` (unique) and `prompt`.
"""

import sys
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig

from langchain_tir import ChatTIR
from tir_client import AuthenticationError, NotFoundError


class Ask:
    """An actor that sends a batch at once. It reads the token from its node's environment."""

    def __init__(self) -> None:
        self.model = ChatTIR(max_retries=8)

    async def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        answers = await self.model.abatch(batch["prompt"].tolist(), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, AuthenticationError | NotFoundError):
                raise answer  # no row would succeed, so the job ends
        errors = [f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else "" for answer in answers]
        texts = ["" if isinstance(answer, Exception) else answer.text for answer in answers]
        return {**batch, "text": texts, "error": errors}


def main(source: str, output: str, rows_per_block: str = "256") -> None:
    """Run the job."""
    DataContext.get_current().checkpoint_config = CheckpointConfig(
        id_column="id", checkpoint_path=f"{output}.checkpoint", delete_checkpoint_on_success=False
    )
    (
        ray.data.read_parquet(source)
        .repartition(target_num_rows_per_block=int(rows_per_block))  # the rows that are stored together
        .map_batches(Ask, batch_size=16, num_cpus=0, compute=ActorPoolStrategy(size=1))  # 4 batches at once an actor
        .write_parquet(output)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
