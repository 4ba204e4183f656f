"""What the frameworks record of calls and failures has no secret in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.globals import set_debug, set_verbose
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from llama_index.core.callbacks import CallbackManager, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import NodeWithScore, TextNode

from langchain_tir import ChatTIR
from llama_index_tir import TIR, TIREmbedding, TIRRerank
from tests.faults.drivers import OURS, QUESTION, TOKEN, Way, ways
from tests.faults.response_bytes import answer, as_json, chunks, completion, refusal, stream
from tests.faults.secret_markers import SECRETS, found
from tests.faults.servers import Servers
from tests.wire_server import CLOSE

ECHO = {"error": {"message": f"The token {TOKEN} is not known.", "code": 401}}
SCRIPTS = {
    "whole": answer(as_json(completion())),
    "stream": stream(*chunks()),
    "refusal": refusal(401, ECHO),
}
LANGCHAIN, LLAMA_INDEX = ([way for way in ways(OURS) if way.driver is driver] for driver in OURS)
OUTCOMES = ("well", "badly")


class Tracer(BaseTracer):
    """Keeps each run as a tracer would send it."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[str] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(repr(run.model_dump()) + json.dumps(run.serialized) + repr(run.extra) + repr(run.error))


class Recorder(BaseEventHandler):
    """Keeps each event as an observability tool would send it."""

    events: list[Any] = []  # noqa: RUF012 - pydantic copies it

    def handle(self, event: BaseEvent, **_: Any) -> None:
        self.events.append(event)

    def texts(self) -> list[str]:
        """The events as text; not made in `handle`, whose errors LlamaIndex swallows."""
        return [repr(event) + repr(event.model_dump()) + event.model_dump_json(fallback=repr) for event in self.events]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """An event handler for everything that LlamaIndex does."""
    root = get_dispatcher()
    recorder = Recorder()
    root.event_handlers.append(recorder)
    yield recorder
    root.event_handlers.remove(recorder)


@pytest.fixture
def spans() -> Iterator[SimpleSpanHandler]:
    """A collector of LlamaIndex's spans."""
    root = get_dispatcher()
    handler = SimpleSpanHandler()
    root.span_handlers.append(handler)
    yield handler
    root.span_handlers.remove(handler)


def base_url(servers: Servers, way: Way, outcome: str) -> str:
    """A server that answers the call as it should."""
    servers.play([SCRIPTS[way.mode if outcome == "well" else "refusal"], CLOSE])
    return servers.address("{line}/v1")


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("way", LANGCHAIN, ids=str)
def test_no_trace_of_langchain_has_a_secret(
    way: Way, outcome: str, servers: Servers, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither what tracers get nor what debugging prints."""
    tracer = Tracer()
    model = ChatTIR(**SECRETS, base_url=base_url(servers, way, outcome), callbacks=[tracer], metadata={"user": "u-1"})
    set_debug(True)
    set_verbose(True)
    try:
        result = way.call(model)
    finally:
        set_debug(False)
        set_verbose(False)

    assert (result.error is None) == (outcome == "well")
    assert len(tracer.runs) == 1
    assert "u-1" in tracer.runs[0]
    assert found(tracer.runs[0]) == []
    assert QUESTION in (printed := capsys.readouterr().out)
    assert found(printed) == []


def test_no_event_of_langchain_has_a_secret(servers: Servers) -> None:
    """Events for a user interface."""
    servers.play([SCRIPTS["stream"], CLOSE])
    model = ChatTIR(**SECRETS, base_url=servers.address("{line}/v1"))

    async def events() -> list[Any]:
        return [event async for event in model.astream_events(QUESTION, version="v2")]

    seen = repr(asyncio.run(events()))
    assert "Every answer" in seen
    assert found(seen) == []


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("way", LLAMA_INDEX, ids=str)
def test_no_event_and_no_span_of_llama_index_has_a_secret(
    way: Way, outcome: str, servers: Servers, recorder: Recorder, spans: SimpleSpanHandler
) -> None:
    """Neither the events and spans of instrumentation nor the payloads of callbacks."""
    debug = LlamaDebugHandler(print_trace_on_end=False)
    model = TIR(**SECRETS, base_url=base_url(servers, way, outcome), callback_manager=CallbackManager([debug]))

    result = way.call(model)

    assert (result.error is None) == (outcome == "well")
    assert len(recorder.events) > 1
    assert [event for event in recorder.texts() if found(event)] == []
    assert [span for span in [*spans.completed_spans, *spans.dropped_spans] if found(repr(span))] == []
    payloads = [repr(event.payload) for event in debug.get_events()]
    assert payloads
    assert [payload for payload in payloads if found(payload)] == []


def test_no_event_of_llama_index_about_embeddings_has_a_secret(servers: Servers, recorder: Recorder) -> None:
    """The model is in the events of embeddings, too."""
    vectors = {"data": [{"index": 0, "embedding": [0.5, 0.5]}], "model": "m"}
    servers.play([answer(as_json(vectors)), CLOSE])
    secrets = {name: value for name, value in SECRETS.items() if name != "model"}

    vector = TIREmbedding(**secrets, base_url=servers.address("{line}/v1")).get_query_embedding(QUESTION)

    assert vector == [0.5, 0.5]
    assert len(recorder.events) > 1
    assert [event for event in recorder.texts() if found(event)] == []


def test_no_event_of_llama_index_about_reranking_has_a_secret(servers: Servers, recorder: Recorder) -> None:
    """Its events and payloads name the model, the query and the nodes."""
    servers.play([answer(as_json([{"index": 0, "score": 0.5}])), CLOSE])
    debug = LlamaDebugHandler(print_trace_on_end=False)
    reranker = TIRRerank(**SECRETS, base_url=servers.address("{line}/v1"), callback_manager=CallbackManager([debug]))

    (node,) = reranker.postprocess_nodes([NodeWithScore(node=TextNode(text="x"))], query_str=QUESTION)

    assert node.score == 0.5
    assert len(recorder.events) == 2
    assert [event for event in recorder.texts() if found(event)] == []
    assert [event for event in debug.get_events() if found(repr(event.payload))] == []
