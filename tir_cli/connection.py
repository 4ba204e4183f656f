"""The options that say where to call, which commands have in common."""

from __future__ import annotations

from typing import Annotated

import typer

from tir_client import Config, TIRClient
from tir_client.config import BASE_URL_VARIABLE, PROJECT_VARIABLE

_PANEL = "Where to call"

ProjectId = Annotated[
    str | None, typer.Option(help=f"Number of the TIR project, in place of {PROJECT_VARIABLE}.", rich_help_panel=_PANEL)
]
EndpointId = Annotated[str | None, typer.Option(help="Number of your own deployment.", rich_help_panel=_PANEL)]
BaseUrl = Annotated[
    str | None,
    typer.Option(help=f"URL of another server, in place of {BASE_URL_VARIABLE}.", rich_help_panel=_PANEL),
]
AllowHttp = Annotated[
    bool, typer.Option("--allow-http", help="Allow plain http to another machine.", rich_help_panel=_PANEL)
]


def connect(project_id: str | None, endpoint_id: str | None, base_url: str | None, *, allow_http: bool) -> TIRClient:
    """The client of a command. The token comes from the environment: arguments can be seen by every user.

    Raises:
        ConfigurationError: Something is missing or malformed.
    """
    config = Config.resolve(project_id=project_id, endpoint_id=endpoint_id, base_url=base_url, allow_http=allow_http)
    return TIRClient(config)
