"""`tir rerank`: sorts texts by their relevance to a query."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from tir_cli.connection import AllowHTTP, AsJSON, BaseURL, EndpointID, Model, ProjectID, connect
from tir_cli.input import arguments_or_lines
from tir_cli.output import print_json, printable, reporting, stdout
from tir_client import RerankRequest


def rerank(
    query: Annotated[str, typer.Argument(help="The query.")],
    documents: Annotated[
        list[str] | None, typer.Argument(help="The documents. Default: the lines of standard input.")
    ] = None,
    *,
    model: Model,
    top_n: Annotated[
        int | None, typer.Option("--top-n", "-n", help="Number of documents to print. Default: all.")
    ] = None,
    path: Annotated[str, typer.Option(help="Path of the rerank API; with a leading /, in place of /v1.")] = "rerank",
    project_id: ProjectID = None,
    endpoint_id: EndpointID = None,
    base_url: BaseURL = None,
    allow_http: AllowHTTP = False,
    as_json: AsJSON = False,
) -> None:
    """Sort documents by their relevance to a query, the best first.

    With --json, one line for each document: its number in the input, its score and its text.

    Example: grep -h "" notes/*.txt | tir rerank "How are invoices corrected?" -m bge-reranker --endpoint-id 45 -n 5
    """
    with reporting(as_json=as_json):
        wanted = arguments_or_lines(documents, "documents")
        client = connect(project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http)
        request = RerankRequest.of(model=model, query=query, documents=wanted, top_n=top_n, path=path)
        table = Table("score", "document", box=None, pad_edge=False)
        for result in client.rerank(request).results:
            if as_json:
                print_json({"index": result.index, "score": result.score, "document": wanted[result.index]})
            else:
                table.add_row(f"{result.score:.4f}", printable(wanted[result.index]))
        if not as_json:
            stdout.print(table)
