"""The options for the server that a command calls, and the client built from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tir_client import Config, TIRClient
from tir_client.config import DEFAULT_MODEL
from tir_client.environment import BASE_URL_VARIABLE, PROJECT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.responses import ModelCard

_PANEL = "Server"

Model = Annotated[str, typer.Option("--model", "-m", help="Slug of the model, or its name on the server.")]
ProjectID = Annotated[
    str | None, typer.Option(help=f"Number of the TIR project, instead of {PROJECT_VARIABLE}.", rich_help_panel=_PANEL)
]
EndpointID = Annotated[str | None, typer.Option(help="Number of a deployment of your own.", rich_help_panel=_PANEL)]
BaseURL = Annotated[
    str | None,
    typer.Option(help=f"URL of another server, instead of {BASE_URL_VARIABLE}.", rich_help_panel=_PANEL),
]
AllowHTTP = Annotated[
    bool, typer.Option("--allow-http", help="Allow plain http to another machine.", rich_help_panel=_PANEL)
]
Timeout = Annotated[float | None, typer.Option(help="Seconds for a whole call.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

__all__ = [
    "DEFAULT_MODEL",
    "AllowHTTP",
    "AsJSON",
    "BaseURL",
    "EndpointID",
    "Model",
    "ProjectID",
    "Timeout",
    "connect",
]


def connect(
    *,
    project_id: str | None = None,
    endpoint_id: str | None = None,
    base_url: str | None = None,
    allow_http: bool = False,
    timeout: float | None = None,
) -> TIRClient:
    """Build a client from the options. The token comes from the environment, because other users can see arguments.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """
    config = Config.resolve(project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http)
    return TIRClient(config, timeout={"total": timeout} if timeout else None)


def one_server(client: TIRClient) -> bool:
    """Whether all models have the same URL; models that TIR hosts do not."""
    return client.config.base_url is not None or client.config.endpoint_id is not None


def own_card(client: TIRClient, model: str, cards: Sequence[ModelCard]) -> ModelCard | None:
    """The card of `model`, or None. A hosted model's endpoint may list it under another name."""
    named = next((card for card in cards if card.id == model), None)
    return cards[0] if named is None and len(cards) == 1 and not one_server(client) else named
