"""`TIREmbeddings`: requests, batches, concurrency, and the checks of the vectors."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_tir import TIREmbeddings
from tir_client import BadRequestError, ConfigurationError, InvalidRequestError, ResponseError
from tir_sandbox import Reply, Sandbox

RUN = ContextVar("RUN", default="none")
TEXTS = [f"text number {number}" for number in range(10)]


def answer(*vectors: list[float], backwards: bool = False) -> Reply:
    rows = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return Reply(body={"data": rows[::-1] if backwards else rows, "model": "m"})


@pytest.fixture
def embeddings(endpoint: dict[str, Any]) -> TIREmbeddings:
    return TIREmbeddings(**endpoint, chunk_size=3)


async def test_vectors_are_in_the_order_of_the_texts(embeddings: TIREmbeddings, sandbox: Sandbox):
    one_by_one = [embeddings.embed_documents([text])[0] for text in TEXTS]
    sandbox.reset()

    batched = embeddings.embed_documents(TEXTS)

    assert batched == one_by_one == await embeddings.aembed_documents(TEXTS)
    assert sorted(len(request.body["input"]) for request in sandbox.requests[:4]) == [1, 3, 3, 3]


async def test_vectors_are_put_in_order_by_their_index(embeddings: TIREmbeddings, sandbox: Sandbox):
    sandbox.script(*[answer([1.0], [2.0], [3.0], backwards=True)] * 2)

    assert embeddings.embed_documents(["a", "b", "c"]) == [[1.0], [2.0], [3.0]]
    assert await embeddings.aembed_documents(["a", "b", "c"]) == [[1.0], [2.0], [3.0]]


async def test_no_texts_send_no_request(embeddings: TIREmbeddings, sandbox: Sandbox):
    assert embeddings.embed_documents([]) == await embeddings.aembed_documents([]) == []
    assert not sandbox.requests


async def test_a_query_has_the_models_instruction(embeddings: TIREmbeddings, sandbox: Sandbox):
    embeddings.embed_query("transit gateways")
    await embeddings.aembed_query("transit gateways")
    embeddings.embed_documents(["transit gateways"])

    query, aquery, document = (request.body["input"][0] for request in sandbox.requests)
    assert query == aquery
    assert query.startswith("Instruct: ")
    assert query.endswith("Query: transit gateways")
    assert document == "transit gateways"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"query_instruction": "query: "}, "query: x"),
        ({"query_instruction": ""}, "x"),
        ({"model": "bge-m3"}, "x"),
    ],
)
def test_the_instruction_may_be_chosen(endpoint: dict[str, Any], sandbox: Sandbox, fields: Any, text: str):
    TIREmbeddings(**endpoint, **fields).embed_query("x")

    assert sandbox.requests[-1].body["input"] == [text]


def test_values_that_are_not_texts_are_refused(endpoint: dict[str, Any], sandbox: Sandbox):
    for query in (None, 5):
        with pytest.raises(InvalidRequestError):
            TIREmbeddings(**endpoint).embed_query(query)
    assert not sandbox.requests


def test_parameters_are_sent(endpoint: dict[str, Any], sandbox: Sandbox):
    model = TIREmbeddings(
        **endpoint, model_name="m", dimensions=8, truncate_prompt_tokens=5, extra_body={"truncation_side": "left"}
    )

    assert len(model.embed_documents(["a"])[0]) == 8
    assert sandbox.requests[-1].path.endswith("/genai/m/v1/embeddings")
    assert sandbox.requests[-1].body == {
        "model": "m",
        "input": ["a"],
        "encoding_format": "float",
        "dimensions": 8,
        "truncate_prompt_tokens": 5,
        "truncation_side": "left",
    }


WRONG = {
    "too few": ({}, answer([1.0]), "2 texts were sent"),
    "of two lengths": ({}, answer([1.0], [1.0, 2.0]), "one length was expected"),
    "not of the requested length": ({"dimensions": 3}, answer([1.0], [2.0]), "3 was expected"),
}


@pytest.mark.parametrize(("fields", "reply", "words"), WRONG.values(), ids=WRONG)
async def test_wrong_vectors_are_an_error(
    endpoint: dict[str, Any], sandbox: Sandbox, fields: Any, reply: Any, words: str
):
    sandbox.script(reply, reply)
    model = TIREmbeddings(**endpoint, **fields)

    with pytest.raises(ResponseError, match=words):
        model.embed_documents(["a", "b"])
    with pytest.raises(ResponseError, match=words):
        await model.aembed_documents(["a", "b"])


def test_batches_of_different_lengths_are_an_error(embeddings: TIREmbeddings, sandbox: Sandbox):
    """Batches of one size, as the two requests may arrive in either order."""
    sandbox.script(answer([1.0], [2.0], [3.0]), answer(*[[1.0, 2.0]] * 3))

    with pytest.raises(ResponseError, match="different lengths"):
        embeddings.embed_documents(TEXTS[:6])


class Busy:
    """Counts concurrent calls."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, step: int) -> None:
        with self._lock:
            self.now += step
            self.most = max(self.most, self.now)


async def test_the_number_of_concurrent_requests_is_limited(
    endpoint: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    model = TIREmbeddings(**endpoint, chunk_size=1, max_concurrency=3)
    client, busy, abusy = model.client, Busy(), Busy()
    embed, aembed, three = client.embed, client.aembed, threading.Barrier(3, timeout=20)

    def counted(request: Any) -> Any:
        """Three calls wait for each other here; the tenth is alone."""
        busy(1)
        try:
            if request.input != TEXTS[-1:]:
                three.wait()
            return embed(request)
        finally:
            busy(-1)

    async def acounted(request: Any) -> Any:
        abusy(1)
        try:
            return await aembed(request)
        finally:
            abusy(-1)

    monkeypatch.setattr(client, "embed", counted)
    monkeypatch.setattr(client, "aembed", acounted)
    sandbox.script(*[Reply(delay=0.05, body={"data": [{"index": 0, "embedding": [1.0]}]})] * 20)
    model.embed_documents(TEXTS)
    await model.aembed_documents(TEXTS)

    assert (busy.most, abusy.most) == (3, 3)


async def test_a_failed_request_cancels_the_others(endpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    model, ended = TIREmbeddings(**endpoint, chunk_size=1, max_concurrency=10), []

    async def fail_or_wait(request: Any) -> Any:
        if request.input == TEXTS[:1]:
            raise BadRequestError("No.", status_code=400)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request)

    monkeypatch.setattr(model.client, "aembed", fail_or_wait)
    with pytest.raises(BadRequestError):
        await model.aembed_documents(TEXTS)
    await asyncio.sleep(0)  # the iteration of the loop in which cancelled tasks end

    assert len(ended) == 9


def test_batches_in_threads_have_the_context_of_the_caller(embeddings: TIREmbeddings, monkeypatch: pytest.MonkeyPatch):
    """Tracers keep the run that calls in a context variable."""
    embed, seen = embeddings.client.embed, []

    def watched(request: Any) -> Any:
        seen.append(RUN.get())
        return embed(request)

    monkeypatch.setattr(embeddings.client, "embed", watched)
    token = RUN.set("mine")
    try:
        embeddings.embed_documents(TEXTS)
    finally:
        RUN.reset(token)

    assert seen == ["mine"] * 4


async def test_the_progress_is_shown_on_request(endpoint: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    model = TIREmbeddings(**endpoint, chunk_size=3, show_progress_bar=True)

    vectors = model.embed_documents(TEXTS)
    shown = capsys.readouterr().err
    assert await model.aembed_documents(TEXTS) == vectors
    ashown = capsys.readouterr().err
    model.embed_query("x")

    assert "Embedding texts" in shown
    assert "10/10" in shown
    assert "10/10" in ashown
    assert capsys.readouterr().err == ""


def test_a_progress_bar_without_tqdm_is_explained(endpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)

    with pytest.raises(ImportError, match="`show_progress_bar` needs tqdm"):
        TIREmbeddings(**endpoint, show_progress_bar=True).embed_documents(["x"])


def test_none_instead_of_a_text_is_refused(embeddings: TIREmbeddings, sandbox: Sandbox):
    with pytest.raises(InvalidRequestError, match="a NoneType, not a string"):
        embeddings.embed_documents([None])
    assert not sandbox.requests


async def test_one_string_instead_of_a_list_is_refused(embeddings: TIREmbeddings, sandbox: Sandbox):
    with pytest.raises(InvalidRequestError, match="one string: pass a list"):
        embeddings.embed_documents("Hi")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="one string: pass a list"):
        await embeddings.aembed_documents("Hi")  # type: ignore[arg-type]
    assert not sandbox.requests


def test_a_misspelt_argument_is_refused_without_the_token():
    with pytest.raises(ConfigurationError, match="`chunksize`: did you mean `chunk_size`") as raised:
        TIREmbeddings(api_key="a-secret", project_id=1, chunksize=3)
    assert "a-secret" not in str(raised.value)


def test_a_missing_project_is_reported_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("E2E_TIR_PROJECT_ID", raising=False)
    monkeypatch.delenv("TIR_BASE_URL", raising=False)

    with pytest.raises(ConfigurationError, match="No project"):
        TIREmbeddings(api_key="a-secret")


def test_a_pickle_has_no_token(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", sandbox.host)
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)
    embeddings = TIREmbeddings(project_id=sandbox.project_id)
    embeddings.embed_query("x")
    pickled = pickle.dumps(embeddings)

    assert sandbox.token.encode() not in pickled + repr(embeddings).encode()
    assert pickle.loads(pickled).embed_query("x")


async def test_a_vector_store_works_with_the_embeddings(embeddings: TIREmbeddings):
    store = InMemoryVectorStore(embeddings)
    store.add_texts(["Cats sleep all day.", "Rockets fly to the moon.", "Bread is baked in ovens."])

    assert store.similarity_search("rockets and the moon", k=1)[0].page_content == "Rockets fly to the moon."
    assert (await store.asimilarity_search("bread ovens", k=1))[0].page_content == "Bread is baked in ovens."
