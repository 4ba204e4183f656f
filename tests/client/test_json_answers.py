"""Answers other than chat completions: embeddings, lists of models, token counts. No I/O."""

from __future__ import annotations

import json

import pytest

from tir_client import EmbeddingRequest, ResponseError
from tir_client.protocol.json_answers import read_embeddings, read_models, read_token_count
from tir_client.protocol.responses import Embeddings, ModelCard, Usage


def rows(*vectors, **fields):
    return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)], **fields}


def embed(answer, texts=("a", "b"), **fields):
    return embed_bytes(json.dumps(answer).encode(), texts, **fields)


def embed_bytes(content, texts=("a", "b"), **fields):
    return read_embeddings(EmbeddingRequest.of(model="m", input=list(texts), **fields), content, "id-7")


def test_vectors_come_in_the_order_of_the_texts():
    answer = rows([1], [2.5], model="served", usage={"prompt_tokens": 3})
    answer["data"].reverse()

    assert embed(answer) == Embeddings([[1.0], [2.5]], "served", Usage(3, 0, 3))
    assert embed(rows([1], [2])) == Embeddings([[1.0], [2.0]], "m", None)
    assert embed(rows([1, 2.5], [2.5, 1])).vectors == [[1.0, 2.5], [2.5, 1.0]]
    assert all(type(number) is float for vector in embed(rows([1], [2])).vectors for number in vector)


@pytest.mark.parametrize(
    ("answer", "fields", "words"),
    [
        (rows([1.0]), {}, "2 texts were sent"),
        (rows([1.0], [2.0], [3.0]), {}, "2 texts were sent"),
        (rows([1.0], []), {}, "2 texts were sent"),
        ({"data": None}, {}, "2 texts were sent"),
        ({"data": [5]}, {}, "2 texts were sent"),
        ({"data": {}}, {}, "2 texts were sent"),
        ({}, {}, "2 texts were sent"),
        (rows([1.0], [2.0, 3.0]), {}, r"have \[1, 2\] dimensions; one length was expected"),
        (rows([1.0], [2.0]), {"dimensions": 3}, r"have \[1\] dimensions; 3 was expected"),
    ],
)
def test_vectors_that_do_not_fit_their_texts_are_an_error(answer, fields, words):
    with pytest.raises(ResponseError, match=words) as caught:
        embed(answer, **fields)
    assert caught.value.request_id == "id-7"


def test_vectors_of_the_requested_length_are_accepted():
    assert embed(rows([1.0, 2.0]), ["a"], dimensions=2).vectors == [[1.0, 2.0]]


def test_models_are_listed_with_their_context_windows():
    listed = [{"id": "a", "max_model_len": 8, "owner": "x"}, {"id": "b"}, {"id": "c", "max_model_len": "8"}]

    assert read_models(json.dumps({"data": listed}).encode(), None) == [
        ModelCard("a", 8, listed[0]),
        ModelCard("b", None, listed[1]),
        ModelCard("c", None, listed[2]),
    ]


@pytest.mark.parametrize(
    "answer", [{}, {"data": {}}, {"data": [5]}, {"data": [{"id": ""}]}, {"data": [{"id": "a"}, {}]}]
)
def test_an_answer_that_is_not_a_list_of_models_is_an_error_that_shows_it(answer):
    with pytest.raises(ResponseError, match="not a list of models") as caught:
        read_models(json.dumps(answer).encode(), "id-7")
    assert (caught.value.body, caught.value.request_id) == (answer, "id-7")


@pytest.mark.parametrize(
    "read",
    [
        embed_bytes,
        lambda content: read_models(content, "id-7"),
        lambda content: read_token_count(content, "id-7"),
    ],
    ids=["embeddings", "models", "token count"],
)
def test_a_page_instead_of_an_answer_is_an_error_with_the_request_id(read):
    with pytest.raises(ResponseError, match="not a JSON object: Hello") as caught:
        read(b"<h1>Hello</h1>")
    assert caught.value.request_id == "id-7"


def test_a_token_count_is_read():
    assert read_token_count(b'{"count": 7}', None) == 7


@pytest.mark.parametrize("content", [b"{}", b'{"count": "7"}', b'{"count": true}', b'{"count": null}'])
def test_an_answer_without_a_token_count_is_an_error(content):
    with pytest.raises(ResponseError, match="no token count") as caught:
        read_token_count(content, "id-7")
    assert caught.value.request_id == "id-7"


@pytest.mark.parametrize(
    "vector",
    ["[NaN]", "[Infinity]", "[1e400]", f"[1{'0' * 400}]", '"123"', '["0.5"]', "[true]", '{"0": 1}', "[[1]]", "[]"],
)
def test_a_vector_is_of_finite_numbers(vector: str):
    content = f'{{"data": [{{"index": 0, "embedding": {vector}}}]}}'.encode()

    with pytest.raises(ResponseError, match="one vector of numbers for each"):
        read_embeddings(EmbeddingRequest.of(model="m", input=["a"]), content, None)


def test_two_vectors_for_one_text_are_refused():
    row = b'{"index": 0, "embedding": [1]}'

    with pytest.raises(ResponseError, match="one vector of numbers for each"):
        read_embeddings(EmbeddingRequest.of(model="m", input=["a"]), b'{"data": [%b, %b]}' % (row, row), None)
