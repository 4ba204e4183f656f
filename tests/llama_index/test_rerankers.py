"""`TIRRerank` in LlamaIndex: nodes, query engines, events, callbacks and spans."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

from llama_index_tir import TIRRerank
from tests.llama_index.conformance.events import Recorder, pairs
from tests.retrieval import ANSWER, PASSAGES, QUESTION
from tir_client import InvalidRequestError, ServerError
from tir_sandbox import Fault

MODEL = "bge-reranker-v2-m3"


def nodes() -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, metadata={"page": "12"}), score=0.25) for text in PASSAGES]


def rerank(reranker: TIRRerank, given: list[NodeWithScore]) -> list[list[NodeWithScore]]:
    """What the sync and the async call return."""
    return [
        reranker.postprocess_nodes(given, query_str=QUESTION),
        asyncio.run(reranker.apostprocess_nodes(given, query_bundle=QueryBundle(QUESTION))),
    ]


@pytest.fixture
def events():
    recorder, root = Recorder(), get_dispatcher()
    root.add_event_handler(recorder)
    yield recorder.seen
    root.event_handlers.remove(recorder)


@pytest.fixture
def reranker(sandbox) -> TIRRerank:
    return TIRRerank(MODEL, top_n=2, max_retries=0)


def test_reranking_brings_the_answer_to_the_top(reranker, embedding, llm, sandbox):
    index = VectorStoreIndex(nodes=[TextNode(text=text) for text in PASSAGES], embed_model=embedding)
    found = index.as_retriever(similarity_top_k=len(PASSAGES)).retrieve(QUESTION)
    engine = index.as_query_engine(llm=llm, similarity_top_k=len(PASSAGES), node_postprocessors=[reranker])

    before = [node.node.get_content() for node in found]
    assert before.index(ANSWER) > 2
    for response in (engine.query(QUESTION), asyncio.run(engine.aquery(QUESTION))):
        assert response.source_nodes[0].node.get_content() == ANSWER
        assert len(response.source_nodes) == 2
    assert [request.path.rpartition("/")[2] for request in sandbox.requests].count("rerank") == 2


def test_the_reranker_scores_the_text_that_is_embedded(reranker, sandbox):
    reranker.postprocess_nodes(nodes(), query_str=QUESTION)

    assert sandbox.requests[-1].body["documents"][0] == f"page: 12\n\n{PASSAGES[0]}"


def test_nodes_are_not_changed(reranker):
    given = nodes()
    before = [node.model_copy(deep=True) for node in given]

    for ranked in rerank(reranker, given):
        assert given == before
        assert ranked[0].node == given[PASSAGES.index(ANSWER)].node
        assert ranked[0].score == pytest.approx(0.94, abs=0.01)


def test_the_retrievers_score_can_be_kept(sandbox):
    given = nodes()

    for ranked in rerank(TIRRerank(MODEL, keep_retrieval_score=True), given):
        node = ranked[0].node
        assert node.metadata == {"page": "12", "retrieval_score": 0.25}
        assert node.get_content(MetadataMode.LLM) == node.get_content(MetadataMode.EMBED) == f"page: 12\n\n{ANSWER}"
        assert node.node_id == given[PASSAGES.index(ANSWER)].node.node_id
    assert given[PASSAGES.index(ANSWER)].node.metadata == {"page": "12"}


@pytest.mark.parametrize("given", [{}, {"query_bundle": None}])
async def test_a_query_is_needed(reranker, given):
    with pytest.raises(InvalidRequestError, match="`query_str` or `query_bundle`"):
        reranker.postprocess_nodes(nodes(), **given)
    with pytest.raises(InvalidRequestError, match="`query_str` or `query_bundle`"):
        await reranker.apostprocess_nodes(nodes(), **given)
    assert reranker.postprocess_nodes([], **given) == []


def test_a_saved_reranker_can_be_loaded(reranker):
    assert isinstance(reranker, BaseNodePostprocessor)
    saved = reranker.to_dict()

    assert saved["class_name"] == "TIRRerank"
    assert "api_key" not in saved
    loaded = TIRRerank.from_dict(saved)
    assert (loaded.model, loaded.top_n, loaded.path) == (MODEL, 2, "rerank")


def test_events_and_callbacks_have_the_query_the_nodes_and_the_result(reranker, events):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    reranker.callback_manager = CallbackManager([debug])
    given = nodes()
    results = rerank(reranker, given)

    started = [event for event in events if isinstance(event, ReRankStartEvent)]
    ended = [event for event in events if isinstance(event, ReRankEndEvent)]
    assert [(event.query.query_str, event.top_n, event.model_name) for event in started] == [(QUESTION, 2, MODEL)] * 2
    assert [event.nodes for event in started] == [given, given]
    assert [event.nodes for event in ended] == results
    for (start, end), result in zip(pairs(debug, CBEventType.RERANKING), results, strict=True):
        assert start.payload == {
            EventPayload.NODES: given,
            EventPayload.MODEL_NAME: MODEL,
            EventPayload.QUERY_STR: QUESTION,
            EventPayload.TOP_K: 2,
        }
        assert end.payload == {EventPayload.NODES: result}


def test_without_nodes_nothing_is_reported(reranker, events):
    assert reranker.postprocess_nodes([], query_str=QUESTION) == []
    assert not events


def test_a_failure_is_reported(reranker, sandbox):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    reranker.callback_manager = CallbackManager([debug])
    sandbox.script(Fault(status=500), Fault(status=500))

    with pytest.raises(ServerError):
        reranker.postprocess_nodes(nodes(), query_str=QUESTION)
    with pytest.raises(ServerError):
        asyncio.run(reranker.apostprocess_nodes(nodes(), query_str=QUESTION))

    ends = [end for _, end in debug.get_event_pairs(CBEventType.RERANKING)]
    assert [type(end.payload[EventPayload.EXCEPTION]) for end in ends] == [ServerError] * 2


def test_each_call_has_one_span(reranker):
    spans, dispatcher = SimpleSpanHandler(), get_dispatcher()
    dispatcher.add_span_handler(spans)
    try:
        rerank(reranker, nodes())
    finally:
        dispatcher.span_handlers.remove(spans)

    names = [span.id_.partition("-")[0] for span in spans.completed_spans]
    assert names == ["TIRRerank._postprocess_nodes", "TIRRerank._apostprocess_nodes"]
