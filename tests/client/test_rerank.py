"""Requests to rerankers, and how their answers are read and joined. No I/O."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.recorded import recording
from tir_client import InvalidRequestError, NoAnswerError, RerankRequest, ResponseError
from tir_client.protocol.rerank import join_rerankings, read_reranking
from tir_client.protocol.responses import Reranking, RerankResult

DOCUMENTS = ["a", "b", "c"]


def request(**fields: Any) -> RerankRequest:
    return RerankRequest.of(**{"model": "m", "query": "q", "documents": DOCUMENTS, **fields})


def read(answer: Any, **fields: Any) -> Reranking:
    return read_reranking(request(**fields), json.dumps(answer).encode(), "req-1")


def rows(*scores: float, name: str = "relevance_score") -> list[dict[str, Any]]:
    return [{"index": index, name: score} for index, score in enumerate(scores)]


def pairs(reranking: Reranking) -> list[tuple[int, float]]:
    return [(result.index, result.score) for result in reranking.results]


def test_only_what_is_set_is_sent():
    assert request().body() == {"model": "m", "query": "q", "documents": DOCUMENTS}
    assert request(top_n=2, truncate_prompt_tokens=-1, user="ada", extra_body={"instruction": "i"}).body() == {
        "model": "m",
        "query": "q",
        "top_n": 2,
        "truncate_prompt_tokens": -1,
        "user": "ada",
        "instruction": "i",
        "documents": DOCUMENTS,
    }


def test_documents_are_sent_under_the_name_that_the_server_expects():
    assert request(documents_field="texts", path="/rerank").body() == {"model": "m", "query": "q", "texts": DOCUMENTS}


@pytest.mark.parametrize("name", ["model", "query", "documents", "texts", "top_n", "stream"])
def test_extra_body_must_not_set_the_requests_own_fields(name):
    with pytest.raises(InvalidRequestError, match=f"must not have '{name}'"):
        request(extra_body={name: 1}).body()


@pytest.mark.parametrize(
    "fields",
    [
        {"documents": []},
        {"documents": [None]},
        {"query": None},
        {"top_n": 0},
        {"truncate_prompt_tokens": -2},
        {"documents_field": "passages"},
        {"path": ""},
        {"path": "https://host/rerank"},
        {"path": "rerank?key=1"},
        {"path": "//rerank"},
    ],
    ids=str,
)
def test_a_field_that_cannot_be_sent_is_refused_by_its_name(fields):
    with pytest.raises(InvalidRequestError, match=f"`{next(iter(fields))}"):
        request(**fields)


@pytest.mark.parametrize("path", ["rerank", "/rerank", "v2/rerank", "/api/v1.1/re-rank"])
def test_any_path_may_be_given(path):
    assert request(path=path).path == path


@pytest.mark.parametrize("name", ["relevance_score", "score"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["object", "array"])
def test_both_forms_of_answers_are_read_the_best_first(name, wrapped):
    results = rows(0.25, 1, -3.5, name=name)
    answer = {"results": results, "model": "served"} if wrapped else results

    found = read(answer)

    assert pairs(found) == [(1, 1.0), (0, 0.25), (2, -3.5)]
    assert all(type(result.score) is float for result in found.results)
    assert (found.model, found.usage) == ("served" if wrapped else "m", None)


RECORDED = [f"vllm-reranker/{name}" for name in ("rerank", "rerank-root", "top-n", "one-document")]


@pytest.mark.parametrize("name", [*RECORDED, "vllm-embedding/rerank"])
def test_the_answers_of_a_real_vllm_are_read(name):
    real = recording(name)
    documents = real.body["documents"]
    asked = RerankRequest.of(**{**real.body, "documents": [documents] if isinstance(documents, str) else documents})

    found = read_reranking(asked, real.content, None)

    assert pairs(found) == [(row["index"], row["relevance_score"]) for row in json.loads(real.content)["results"]]
    assert found.usage is not None
    assert found.usage.total_tokens > 10


def test_the_token_counts_are_read():
    usage = read({"results": rows(1, 2, 3), "usage": {"prompt_tokens": 5, "total_tokens": 5}}).usage

    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (5, 0, 5)


def test_equal_scores_keep_the_order_of_the_documents():
    assert pairs(read({"results": rows(0.5, 0.5, 0.5)[::-1]})) == [(0, 0.5), (1, 0.5), (2, 0.5)]


def test_results_belong_to_the_documents_by_their_index():
    assert pairs(read({"results": rows(0.1, 0.2, 0.3)[::-1]})) == [(2, 0.3), (1, 0.2), (0, 0.1)]


@pytest.mark.parametrize("number", [2, 3])
def test_top_n_is_applied_if_the_server_returns_all(number):
    assert pairs(read({"results": rows(0.3, 0.2, 0.1)[:number]}, top_n=2)) == [(0, 0.3), (1, 0.2)]


WRONG = {
    "too few": rows(1, 2),
    "too many": rows(1, 2, 3, 4),
    "none": [],
    "an index twice": [*rows(1, 2), {"index": 1, "score": 3}],
    "an index twice, and all others": [*rows(1, 2, 3), {"index": 1, "score": 3}],
    "an index too high": [*rows(1, 2), {"index": 3, "score": 3}],
    "a negative index": [*rows(1, 2), {"index": -1, "score": 3}],
    "an index that is a boolean": [*rows(1)[:0], {"index": True, "score": 3}, *rows(1, 2, 3)[::2]],
    "an index that is a float": [*rows(1, 2), {"index": 2.0, "score": 3}],
    "an index that is a list": [*rows(1, 2), {"index": [2], "score": 3}],
    "no index": [*rows(1, 2), {"score": 3}],
    "no score": [*rows(1, 2), {"index": 2}],
    "a score that is null": [*rows(1, 2), {"index": 2, "relevance_score": None}],
    "a score that is a text": [*rows(1, 2), {"index": 2, "score": "3"}],
    "a score that is a boolean": [*rows(1, 2), {"index": 2, "score": True}],
    "a score that is not a number": [*rows(1, 2), {"index": 2, "score": float("nan")}],
    "a score that is infinite": [*rows(1, 2), {"index": 2, "score": float("inf")}],
    "a score beyond all floats": [*rows(1, 2), {"index": 2, "score": 10**400}],
    "rows that are numbers": [1, 2, 3],
    "rows that are texts": ["1", "2", "3"],
    "null": None,
    "a number": 3,
    "an object": {"index": 0, "score": 1},
}


@pytest.mark.parametrize("results", WRONG.values(), ids=WRONG)
def test_an_answer_without_one_score_for_each_document_is_an_error(results):
    with pytest.raises(ResponseError, match="3 documents were sent") as raised:
        read({"results": results})
    assert raised.value.request_id == "req-1"


@pytest.mark.parametrize("results", [rows(1), rows(1, 2, 3, 4)])
def test_too_few_or_too_many_results_are_refused(results):
    with pytest.raises(ResponseError, match="3 documents were sent"):
        read({"results": results}, top_n=2)


@pytest.mark.parametrize("answer", [{}, {"data": rows(1, 2, 3)}, []])
def test_an_answer_without_results_is_an_error(answer):
    with pytest.raises(ResponseError, match="3 documents were sent"):
        read(answer)


@pytest.mark.parametrize("answer", [5, None, "<html>"])
def test_an_answer_that_is_not_a_json_object_is_an_error(answer):
    with pytest.raises(ResponseError, match="not a JSON object"):
        read(answer)


def test_an_error_in_the_answer_is_reported():
    with pytest.raises(NoAnswerError, match="out of memory"):
        read({"error": {"message": "out of memory"}})


def test_parts_are_joined_with_one_order_and_one_limit():
    parts = [read({"results": rows(0.1, 0.9, 0.5)}), read({"results": rows(0.8, 0.5, 0.2)})]

    assert join_rerankings(parts, 3, None) == [
        RerankResult(1, 0.9),
        RerankResult(3, 0.8),
        RerankResult(2, 0.5),
        RerankResult(4, 0.5),
        RerankResult(5, 0.2),
        RerankResult(0, 0.1),
    ]
    assert join_rerankings(parts, 3, 2) == [RerankResult(1, 0.9), RerankResult(3, 0.8)]
    assert join_rerankings([], 3, 2) == []
