"""`TIREmbedding`: requests, batches, and the order of the vectors."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading

import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_tir import TIREmbedding
from tests.waiting import most_under_way
from tir_client import BadRequestError, InvalidRequestError, ResponseError
from tir_sandbox import Fault, Reply, Sandbox

from .conformance.events import Limiter

TEXTS = [f"Text {number}\nwith two lines." for number in range(10)]


def inputs(sandbox) -> list[list[str]]:
    return [request.body["input"] for request in sandbox.requests]


def vectors(*rows: tuple[int, list[float]]) -> Reply:
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in rows]
    return Reply(body={"object": "list", "data": data, "model": "m"})


def test_it_is_an_embedding_of_llama_index(embedding):
    assert isinstance(embedding, BaseEmbedding)
    assert embedding.class_name() == "TIREmbedding"


def test_texts_are_sent_unchanged(embedding, sandbox):
    """Line breaks matter in code and Markdown."""
    embedding.get_text_embedding("a\nb  c")
    assert inputs(sandbox) == [["a\nb  c"]]


def test_queries_of_a_known_model_get_its_instruction(embedding, sandbox):
    embedding.get_query_embedding("What is TIR?")
    ((query,),) = inputs(sandbox)
    assert query.startswith("Instruct: ")
    assert query.endswith("\nQuery: What is TIR?")


async def test_async_queries_get_the_instruction_too(embedding, sandbox):
    await embedding.aget_query_embedding("What is TIR?")
    assert inputs(sandbox)[0][0].startswith("Instruct: ")


def test_instructions_can_be_given(sandbox):
    embedding = TIREmbedding(query_instruction="query: ", text_instruction="passage: ")
    embedding.get_query_embedding("a")
    embedding.get_text_embedding("b")
    embedding.get_text_embedding_batch(["c"])
    assert inputs(sandbox) == [["query: a"], ["passage: b"], ["passage: c"]]


def test_an_empty_instruction_disables_the_default(sandbox):
    TIREmbedding(query_instruction="").get_query_embedding("a")
    assert inputs(sandbox) == [["a"]]


def test_a_model_without_an_instruction_gets_none(sandbox):
    TIREmbedding(model_name="bge-m3").get_query_embedding("a")
    assert inputs(sandbox) == [["a"]]


def test_the_model_is_in_url_and_body(embedding, sandbox):
    embedding.get_text_embedding("a")
    request = sandbox.requests[-1]
    assert request.path == f"/project/p-{sandbox.project_id}/genai/e5-mistral-7b-instruct/v1/embeddings"
    assert request.body["model"] == "e5-mistral-7b-instruct"


def test_texts_go_in_batches(sandbox):
    found = TIREmbedding(embed_batch_size=4).get_text_embedding_batch(TEXTS)
    assert [len(batch) for batch in inputs(sandbox)] == [4, 4, 2]
    assert len(found) == 10


async def test_async_batches_keep_the_order(sandbox):
    embedding = TIREmbedding(embed_batch_size=3)
    found = await embedding.aget_text_embedding_batch(TEXTS)
    assert found == [embedding.get_text_embedding(text) for text in TEXTS]


async def test_async_batches_are_bounded_in_number(sandbox):
    """LlamaIndex sends all at once by default."""
    sandbox.script(*[Reply(delay=30)] * 4)
    call = TIREmbedding(embed_batch_size=1).aget_text_embedding_batch(TEXTS)
    assert await most_under_way(sandbox, call, 4) == 4


async def test_num_workers_limits_concurrent_requests(sandbox):
    sandbox.script(*[Reply(delay=30)] * 10)
    call = TIREmbedding(embed_batch_size=1, num_workers=10).aget_text_embedding_batch(TEXTS)
    assert await most_under_way(sandbox, call, 10) == 10


def test_a_failed_batch_raises_its_error_without_warnings(recwarn):
    """With the error, and without coroutines that were never awaited.

    The sandbox is its own: it may read the requests of the other batches only after the failure.
    """
    gc.collect()  # what other tests have left
    recwarn.clear()
    with Sandbox(replies=[Fault(status=400)], strict=False) as server:
        embedding = TIREmbedding(base_url=server.base_url, api_key=server.token, embed_batch_size=1)
        with pytest.raises(BadRequestError):
            asyncio.run(embedding.aget_text_embedding_batch(TEXTS))
    gc.collect()
    assert not recwarn.list


@pytest.mark.parametrize("show_progress", [False, True])
@pytest.mark.parametrize("workers", [None, 1, 3])
async def test_a_batch_that_fails_ends_the_others(workers, show_progress, sandbox, monkeypatch):
    embedding = TIREmbedding(embed_batch_size=1, num_workers=workers)
    at_once, begun, cancelled = workers or 4, [], []

    async def fail_when_all_places_are_taken(request):
        begun.append(request)
        if len(begun) == at_once:
            raise BadRequestError("No.", status_code=400)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(request)
            raise

    monkeypatch.setattr(embedding.client, "aembed", fail_when_all_places_are_taken)
    with pytest.raises(BadRequestError):
        await embedding.aget_text_embedding_batch(TEXTS, show_progress=show_progress)
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
    assert (len(begun), len(cancelled)) == (at_once, at_once - 1)


async def test_async_calls_do_not_block_the_loop(embedding, sandbox):
    sandbox.script(*[Reply(delay=30)] * 3)
    calls = asyncio.gather(*(embedding.aget_text_embedding("a") for _ in range(3)))
    assert await most_under_way(sandbox, calls, 3) == 3


def test_each_event_loop_works(embedding):
    for _ in range(3):
        assert asyncio.run(embedding.aget_text_embedding("a"))


def test_vectors_come_in_the_order_of_the_texts(embedding, sandbox):
    """Servers may use another order; `index` gives the position."""
    sandbox.script(vectors((1, [2.0]), (0, [1.0])))
    assert embedding.get_text_embedding_batch(["a", "b"]) == [[1.0], [2.0]]


@pytest.mark.parametrize("rows", [[(0, [1.0])], [(0, [1.0]), (1, [1.0, 2.0])], [(0, [1.0]), (0, [2.0])]])
def test_vectors_that_do_not_fit_the_texts_are_an_error(embedding, sandbox, rows):
    """Too few, of different lengths, or two for one text."""
    sandbox.script(vectors(*rows))
    with pytest.raises(ResponseError):
        embedding.get_text_embedding_batch(["a", "b"])


def test_dimensions_are_sent_and_checked(sandbox):
    assert len(TIREmbedding(dimensions=8).get_text_embedding("a")) == 8
    assert sandbox.requests[-1].body["dimensions"] == 8
    sandbox.script(vectors((0, [1.0])))
    with pytest.raises(ResponseError, match="8 was expected"):
        TIREmbedding(dimensions=8).get_text_embedding("a")


@pytest.mark.parametrize("way", ["get_text_embedding_batch", "aget_text_embedding_batch"])
def test_a_progress_bar_is_shown_on_request(sandbox, capsys, way):
    embedding = TIREmbedding(embed_batch_size=5)
    found = getattr(embedding, way)(TEXTS, show_progress=True)
    if way.startswith("aget"):
        asyncio.run(found)
    assert "Generating embeddings" in capsys.readouterr().err


def test_cached_texts_are_not_requested_again(sandbox):
    embedding = TIREmbedding(embeddings_cache=SimpleKVStore())
    first = embedding.get_text_embedding("a")
    assert embedding.get_text_embedding("a") == first
    assert len(sandbox.requests) == 1


async def test_queries_do_not_use_the_cache_of_texts(sandbox):
    embedding = TIREmbedding(embeddings_cache=SimpleKVStore())
    query, later = embedding.get_query_embedding("a"), await embedding.aget_query_embedding("a")
    assert query == later != embedding.get_text_embedding("a")
    alike = TIREmbedding(embeddings_cache=SimpleKVStore(), query_instruction="")
    assert alike.get_query_embedding("a") == alike.get_text_embedding("a")
    assert len(sandbox.requests) == 4


async def test_the_rate_limiter_is_acquired_for_each_request(sandbox):
    limiter = Limiter()
    embedding = TIREmbedding(embed_batch_size=5, rate_limiter=limiter)
    embedding.get_text_embedding_batch(TEXTS)
    await embedding.aget_text_embedding_batch(TEXTS)
    embedding.get_query_embedding("a")
    assert limiter.acquired == len(sandbox.requests) == 5


def test_callbacks_get_the_texts(sandbox):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    TIREmbedding(callback_manager=CallbackManager([debug])).get_text_embedding("a")
    ((_, end),) = debug.get_event_pairs(CBEventType.EMBEDDING)
    assert end.payload["chunks"] == ["a"]


SECRET = "a-secret-that-nobody-may-see"


def test_the_key_is_in_no_representation(sandbox):
    embedding = TIREmbedding(api_key=SECRET, default_headers={"X-Key": SECRET})
    shown = [repr(embedding), embedding.to_json(), str(embedding.to_payload())]
    assert not [text for text in shown if SECRET in text]


def test_it_can_be_copied_pickled_and_saved(embedding):
    embedding.get_text_embedding("a")
    for same in (
        copy.deepcopy(embedding),
        pickle.loads(pickle.dumps(embedding)),
        TIREmbedding.from_dict(embedding.to_dict()),
    ):
        assert same.get_text_embedding("a") == embedding.get_text_embedding("a")


def test_threads_share_an_embedding_model(embedding):
    found = []
    threads = [threading.Thread(target=lambda: found.append(embedding.get_text_embedding("a"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == found[:1] * 4


def test_the_name_of_the_model_can_be_given_as_model(sandbox):
    assert TIREmbedding(model="bge-large-en-v1_5").model_name == "bge-large-en-v1_5"


@pytest.mark.parametrize("text", [None, 5, ["a"]])
async def test_a_text_that_is_not_a_string_is_refused(embedding, sandbox, text):
    for embed in (embedding.get_text_embedding, embedding.get_query_embedding):
        with pytest.raises(InvalidRequestError, match=f"is a {type(text).__name__}, not a string"):
            embed(text)
    with pytest.raises(InvalidRequestError, match="not a string"):
        await embedding.aget_text_embedding_batch(["a", text])
    assert not sandbox.requests


async def test_each_call_is_one_span(embedding, monkeypatch):
    handler = SimpleSpanHandler()
    monkeypatch.setattr(get_dispatcher(), "span_handlers", [handler])
    embedding.get_query_embedding("Pune?")
    await embedding.aget_query_embedding("Pune?")
    await embedding.aget_text_embedding_batch(["Pune."])
    public = [span.id_.partition("-")[0] for span in handler.completed_spans if "._" not in span.id_]
    names = ("get_query_embedding", "aget_query_embedding", "aget_text_embedding_batch")
    assert public == [f"TIREmbedding.{name}" for name in names]
