"""Embeddings of both integrations, sync and async: the same requests, instructions and errors."""

from __future__ import annotations

import pytest

from langchain_tir import TIREmbeddings
from llama_index_tir import TIREmbedding
from tir_client import ContextOverflowError, model_info

WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
BGE_EN = "Represent this sentence for searching relevant passages: "
INSTRUCTIONS = {
    "e5-mistral-7b-instruct": (f"{WEB_SEARCH} ", ""),
    "intfloat/e5-mistral-7b-instruct": (f"{WEB_SEARCH} ", ""),
    "intfloat/multilingual-e5-large-instruct": (f"{WEB_SEARCH} ", ""),
    "intfloat/multilingual-e5-base": ("query: ", "passage: "),
    "intfloat/e5-large-v2": ("query: ", "passage: "),
    "bge-large-en-v1_5": (BGE_EN, ""),
    "BAAI/bge-small-en-v1.5": (BGE_EN, ""),
    "BAAI/bge-base-en": (BGE_EN, ""),
    "BAAI/bge-large-zh-v1.5": ("为这个句子生成表示以用于检索相关文章：", ""),  # noqa: RUF001 - as on its card
    "BAAI/bge-m3": ("", ""),
    "Qwen/Qwen3-Embedding-0.6B": (WEB_SEARCH, ""),
    "my/bge-large-en-v1.5-invoices": ("", ""),
    "/mnt/models": ("", ""),
}


@pytest.fixture
def endpoint(sandbox):
    """The user's own server, where a model may have any name."""
    return {"base_url": sandbox.base_url, "api_key": sandbox.token, "max_retries": 0}


async def embedded(sandbox, **fields):
    """What each way to embed a query, and each to embed a text, sends."""
    one, other = TIREmbeddings(**fields), TIREmbedding(**fields)
    one.embed_query("a")
    await one.aembed_query("a")
    other.get_query_embedding("a")
    await other.aget_query_embedding("a")
    one.embed_documents(["a"])
    await one.aembed_documents(["a"])
    other.get_text_embedding("a")
    await other.aget_text_embedding("a")
    other.get_text_embedding_batch(["a"])
    await other.aget_text_embedding_batch(["a"])
    bodies = [request.body for request in sandbox.requests]
    return bodies[:4], bodies[4:]


@pytest.mark.parametrize("model", INSTRUCTIONS)
async def test_queries_and_texts_have_the_instructions_of_the_models_card(model, sandbox, endpoint):
    query, text = INSTRUCTIONS[model]

    queries, texts = await embedded(sandbox, model=model, **endpoint)

    assert [body["input"] for body in queries] == [[f"{query}a"]] * 4
    assert [body["input"] for body in texts] == [[f"{text}a"]] * 6
    assert (model_info(model).query_instruction, model_info(model).text_instruction) == (query, text)


@pytest.mark.parametrize("given", ["", "Find: "])
async def test_instructions_that_are_given_replace_those_of_the_model(given, sandbox, endpoint):
    fields = {"query_instruction": given, "text_instruction": given}

    queries, texts = await embedded(sandbox, model="intfloat/e5-large-v2", **fields, **endpoint)

    assert {body["input"][0] for body in (*queries, *texts)} == {f"{given}a"}


async def test_everything_that_is_set_is_sent(sandbox, endpoint):
    fields = {"dimensions": 8, "truncate_prompt_tokens": -1, "extra_body": {"truncation_side": "left"}}

    queries, texts = await embedded(sandbox, model="m", **fields, **endpoint)

    body = {"model": "m", "input": ["a"], "encoding_format": "float", **fields, **fields["extra_body"]}
    del body["extra_body"]
    assert [*queries, *texts] == [body] * 10


async def test_a_text_that_is_too_long_is_refused_with_advice(sandbox, endpoint):
    one, other, text = TIREmbeddings(**endpoint), TIREmbedding(**endpoint), "word " * 140_000

    for call in (lambda: one.embed_documents([text]), lambda: other.get_text_embedding(text)):
        with pytest.raises(ContextOverflowError, match="cut them with `truncate_prompt_tokens`"):
            call()


@pytest.mark.parametrize("cls", [TIREmbeddings, TIREmbedding])
def test_an_invalid_limit_is_refused(cls, endpoint):
    with pytest.raises(ValueError, match="truncate_prompt_tokens"):
        cls(**endpoint, truncate_prompt_tokens=-2)
