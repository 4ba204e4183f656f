"""respx, vcrpy, OpenTelemetry and event hooks see calls, as `docs/guides/observing_calls.md` describes."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
import respx
import vcr
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.client.paths import PATHS, Ask
from tests.faults.response_bytes import TEXT, as_json, chunks, completion, events
from tir_client import APIConnectionError, ChatRequest, Config, RetryPolicy, TIRClient
from tir_sandbox import Sandbox

URL = "https://tir.example/v1"


def request() -> ChatRequest:
    return ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])


def client_for(base_url: str, http_async_client: httpx.AsyncClient, token: str = "key") -> TIRClient:
    config = Config.resolve(api_key=token, base_url=base_url)
    return TIRClient(config, retry=RetryPolicy(0), http_async_client=http_async_client)


@pytest.mark.parametrize("ask", PATHS)
async def test_respx_answers_calls(ask: Ask):
    def answer(request: httpx.Request) -> httpx.Response:
        if json.loads(request.content).get("stream"):
            headers = {"content-type": "text/event-stream"}
            return httpx.Response(200, headers=headers, content=events(*chunks()) + b"data: [DONE]\n\n")
        return httpx.Response(200, content=as_json(completion()))

    with respx.mock:
        route = respx.post(f"{URL}/chat/completions").mock(side_effect=answer)
        async with httpx.AsyncClient() as own:
            assert (await ask(client_for(URL, own), request())).choice.text == TEXT
    assert route.call_count == 1


@pytest.mark.parametrize("ask", PATHS)
async def test_respx_breaks_calls(ask: Ask):
    with respx.mock:
        respx.post(f"{URL}/chat/completions").mock(side_effect=httpx.ConnectError("no"))
        async with httpx.AsyncClient() as own:
            with pytest.raises(APIConnectionError, match="could not be reached"):
                await ask(client_for(URL, own), request())


@pytest.mark.parametrize("ask", PATHS)
async def test_vcr_records_calls_and_replays_them(ask: Ask, tmp_path: Path):
    cassette = tmp_path / "calls.yaml"
    recorder = vcr.VCR(filter_headers=["authorization"])
    texts = []
    with Sandbox() as sandbox:
        for _ in range(2):
            with recorder.use_cassette(str(cassette)):
                async with httpx.AsyncClient() as own:
                    answer = await ask(client_for(sandbox.base_url, own, sandbox.token), request())
            texts.append(answer.choice.text)
        assert len(sandbox.requests) == 1
    assert texts[0] == texts[1] != ""
    assert sandbox.token not in cassette.read_text()


@pytest.fixture
def spans():
    """Where OpenTelemetry's httpx instrumentation puts its spans, and the instrumentation."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield exporter
    instrumentor.uninstrument()


@pytest.mark.parametrize("ask", PATHS)
async def test_opentelemetry_traces_each_call_and_its_context_is_sent(ask: Ask, spans: InMemorySpanExporter):
    with Sandbox() as sandbox:
        async with httpx.AsyncClient() as own:
            await ask(client_for(sandbox.base_url, own, sandbox.token), request())
        url, (sent,) = f"{sandbox.base_url}/chat/completions", sandbox.requests
    (span,) = spans.get_finished_spans()
    assert span.attributes["http.url"] == url
    assert span.attributes["http.status_code"] == 200
    assert f"{span.context.trace_id:032x}-{span.context.span_id:016x}" in sent.headers["traceparent"]
    assert sandbox.token not in span.to_json()


async def test_opentelemetry_traces_an_instrumented_client(spans: InMemorySpanExporter):
    HTTPXClientInstrumentor().uninstrument()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with Sandbox() as sandbox:
        async with httpx.AsyncClient() as own:
            HTTPXClientInstrumentor().instrument_client(own, tracer_provider=provider)
            await client_for(sandbox.base_url, own, sandbox.token).achat(request())
    assert [span.attributes["http.status_code"] for span in spans.get_finished_spans()] == [200]


async def test_event_hooks_see_async_calls():
    seen = []

    async def note(request: httpx.Request) -> None:
        seen.append(request.url.path)

    with Sandbox() as sandbox:
        async with httpx.AsyncClient(event_hooks={"request": [note]}) as own:
            await client_for(sandbox.base_url, own, sandbox.token).achat(request())
    assert seen == ["/v1/chat/completions"]
