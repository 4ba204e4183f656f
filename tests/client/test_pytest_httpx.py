"""pytest-httpx sees calls, as `docs/guides/observing_calls.md` describes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.client.paths import PATHS, Ask, request
from tests.faults.response_bytes import DONE, TEXT, as_json, chunks, completion, events
from tir_client import Config, TIRClient

if TYPE_CHECKING:
    from pytest_httpx import HTTPXMock

URL = "https://tir.example/v1"


def answer(request: httpx.Request) -> httpx.Response:
    if json.loads(request.content).get("stream"):
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=events(*chunks()) + DONE)
    return httpx.Response(200, content=as_json(completion()))


@pytest.mark.parametrize("ask", PATHS)
async def test_pytest_httpx_answers_calls(ask: Ask, httpx_mock: HTTPXMock):
    httpx_mock.add_callback(answer, url=f"{URL}/chat/completions", method="POST")
    async with httpx.AsyncClient() as own:
        client = TIRClient(Config.resolve(api_key="key", base_url=URL), http_async_client=own)
        assert (await ask(client, request())).choice.text == TEXT
