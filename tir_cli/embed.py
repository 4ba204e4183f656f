"""`tir embed`: embeds texts."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from tir_cli.connection import AllowHTTP, AsJSON, BaseURL, EndpointID, Model, ProjectID, connect
from tir_cli.input import arguments_or_lines
from tir_cli.output import print_json, printable, reporting, stdout
from tir_client import EmbeddingRequest
from tir_client.config import DEFAULT_EMBEDDING_MODEL

_BATCH = 64
_SHOWN = 4


def embed(
    texts: Annotated[list[str] | None, typer.Argument(help="The texts. Default: the lines of standard input.")] = None,
    model: Model = DEFAULT_EMBEDDING_MODEL,
    dimensions: Annotated[int | None, typer.Option(help="Length of the vectors, if the model can choose.")] = None,
    project_id: ProjectID = None,
    endpoint_id: EndpointID = None,
    base_url: BaseURL = None,
    allow_http: AllowHTTP = False,
    as_json: AsJSON = False,
) -> None:
    """Embed texts unchanged, without the instruction that some models need before queries.

    With --json, one line for each text: its number, the text and its vector.

    Example: tir embed --json < titles.txt > vectors.jsonl
    """
    with reporting(as_json=as_json):
        wanted = arguments_or_lines(texts, "texts")
        client = connect(project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http)
        table = Table("text", "numbers", "first", box=None, pad_edge=False)
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            request = EmbeddingRequest.of(model=model, input=batch, dimensions=dimensions)
            for number, vector in enumerate(client.embed(request).vectors):
                if as_json:
                    print_json({"index": start + number, "text": batch[number], "embedding": vector})
                else:
                    first = ", ".join(f"{value:.4f}" for value in vector[:_SHOWN])
                    table.add_row(printable(batch[number]), f"{len(vector):,}", f"{first}, …")
        if not as_json:
            stdout.print(table)
