"""Chooses the endpoint of the demo: TIR, the server at TIR_BASE_URL, or the local sandbox."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tir_client import Config, TIRClient
from tir_client.config import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE_URL = "TIR_BASE_URL"
TOKEN = "E2E_TIR_ACCESS_TOKEN"  # noqa: S105 - the variable's name, not its value
OTHER_TOKEN = "TIR_API_TOKEN"  # noqa: S105 - a name, too
PROJECT = "E2E_TIR_PROJECT_ID"


@dataclass(frozen=True)
class Endpoint:
    """An endpoint, and the `settings` for the demo's models and embeddings."""

    name: str
    model: str = DEFAULT_MODEL
    embedding_model: str = "e5-mistral-7b-instruct"
    is_model: bool = True
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    shown: str = ""


@contextmanager
def open_endpoint() -> Iterator[Endpoint]:
    """Open the endpoint in the environment, or else the sandbox, which is stopped at the end."""
    if os.environ.get(BASE_URL):
        yield _server(os.environ[BASE_URL])
    elif (os.environ.get(TOKEN) or os.environ.get(OTHER_TOKEN)) and os.environ.get(PROJECT):
        model = os.environ.get("TIR_MODEL", DEFAULT_MODEL)
        yield Endpoint("TIR", model=model, shown=f'model="{model}"')
    else:
        with _sandbox() as endpoint:
            yield endpoint


def _server(base_url: str) -> Endpoint:
    token = os.environ.get(TOKEN) or os.environ.get(OTHER_TOKEN)
    settings = {"base_url": base_url, "api_key": token or "none"}  # a private server may need no key
    with TIRClient(Config.resolve(**settings)) as client:
        model = os.environ.get("TIR_MODEL") or client.models()[0].id
    return Endpoint(f"the server at {base_url}", model=model, settings=settings, shown=f'model="{model}"')


@contextmanager
def _sandbox() -> Iterator[Endpoint]:
    from demo.rules import answer  # noqa: PLC0415 - not needed with a token
    from tir_sandbox import Sandbox  # noqa: PLC0415 - not needed with a token

    with Sandbox(rules=answer) as sandbox:
        settings = {"api_key": sandbox.token, "project_id": sandbox.project_id, "host": sandbox.host}
        yield Endpoint(
            "the sandbox on this machine", is_model=False, settings=settings, shown=f'model="{DEFAULT_MODEL}"'
        )
