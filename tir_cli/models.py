"""`tir models`: lists the available models, with their features."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import typer
from rich.table import Table

from tir_cli import exit_codes
from tir_cli.connection import AllowHTTP, AsJSON, BaseURL, EndpointID, ProjectID, connect, one_server, own_card
from tir_cli.output import describe, print_json, printable, reporting, stdout
from tir_client import AuthenticationError, TIRClient, TIRError, model_info
from tir_client.config import DEFAULT_MODEL
from tir_client.models import KNOWN
from tir_client.protocol.responses import ModelCard

_AT_ONCE = 8
_SECONDS = 15.0
_KNOWN_FIELDS = ("context_window", "reasoning", "tools", "images", "embedding_dimensions")


def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Slugs to look up. Default: all known ones.")
    ] = None,
    project_id: ProjectID = None,
    endpoint_id: EndpointID = None,
    base_url: BaseURL = None,
    allow_http: AllowHTTP = False,
    as_json: AsJSON = False,
) -> None:
    """List the available models, with their context windows and features.

    On TIR each hosted model has its own URL, so there is a request for each known slug. With --endpoint-id or
    --base-url there is one request, to that server.

    Example: tir models gpt_oss_120b qwen3_32b
    """
    with reporting(as_json=as_json):
        client = connect(
            project_id=project_id,
            endpoint_id=endpoint_id,
            base_url=base_url,
            allow_http=allow_http,
            timeout=_SECONDS,
        )
        rows = _served(client, names) if one_server(client) else _asked(client, names or list(KNOWN))
        if as_json:
            print_json({"models": rows})
        else:
            stdout.print(_table(rows))
    if not (all if names else any)(row["served"] for row in rows):
        raise typer.Exit(exit_codes.FAILED)


def _served(client: TIRClient, names: list[str] | None) -> list[dict[str, Any]]:
    """The models of one server; requested models that it does not serve are also rows."""
    cards = {card.id: card for card in client.models(names[0] if names else DEFAULT_MODEL)}
    return [_row(name, cards.get(name)) for name in names or cards]


def _asked(client: TIRClient, slugs: list[str]) -> list[dict[str, Any]]:
    """Request each slug's own endpoint.

    Raises:
        AuthenticationError: The token is not accepted; all slugs would fail.
    """

    def ask(slug: str) -> dict[str, Any]:
        try:
            cards = client.models(slug)
        except AuthenticationError:
            raise
        except TIRError as error:
            return {**_row(slug, None), "error": describe(error)}
        return _row(slug, own_card(client, slug, cards))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(ask, slugs))


def _row(name: str, card: ModelCard | None) -> dict[str, Any]:
    if card is None:
        return {"model": name, "served": False, **dict.fromkeys(_KNOWN_FIELDS)}
    info = model_info(name)
    return {
        "model": name,
        "served": True,
        "context_window": card.max_model_len or info.context_window,
        "reasoning": info.reasoning,
        "tools": info.tools,
        "images": info.images,
        "embedding_dimensions": info.dimensions,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("", "model", "context window", "known abilities", box=None, pad_edge=False)
    for row in rows:
        window = f"{row['context_window']:,}" if row["context_window"] else "?" if row["served"] else ""
        mark = "[green]✓[/]" if row["served"] else "[red]✗[/]"
        table.add_row(mark, printable(row["model"]), window, ", ".join(_abilities(row)))
    return table


def _abilities(row: dict[str, Any]) -> list[str]:
    if "error" in row:
        status = row["error"]["status_code"]
        return [row["error"]["type"] + (f" ({status})" if status else "")]
    if not row["served"]:
        return ["not served"]
    if row["embedding_dimensions"]:
        return [f"embeddings of {row['embedding_dimensions']:,} numbers"]
    return [name for name in ("reasoning", "tools", "images") if row[name]]
