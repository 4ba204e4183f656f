"""LlamaIndex's indexes and query engines on TIR, over a real socket to the sandbox."""

from __future__ import annotations

import pytest
from llama_index.core import (
    KeywordTableIndex,
    PropertyGraphIndex,
    SummaryIndex,
    TreeIndex,
    VectorStoreIndex,
)
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.postprocessor import LLMRerank, StructuredLLMRerank
from llama_index.core.query_engine import (
    CitationQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import ResponseMode
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.selectors import (
    LLMMultiSelector,
    LLMSingleSelector,
    PydanticMultiSelector,
    PydanticSingleSelector,
)
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from tir_sandbox import Reply

from .corpus import DOCUMENTS, PLACE, QUESTION


class Place(BaseModel):
    """A place."""

    name: str


@pytest.fixture
def index(embedding):
    return VectorStoreIndex.from_documents(DOCUMENTS, embed_model=embedding)


@pytest.fixture
def tools(index, llm):
    """Two query engines; only one has the answer."""
    summary = SummaryIndex.from_documents(DOCUMENTS)
    return [
        QueryEngineTool.from_defaults(
            index.as_query_engine(llm=llm, similarity_top_k=1), name="rivers", description="Where a river does rise."
        ),
        QueryEngineTool.from_defaults(summary.as_query_engine(llm=llm), name="food", description="What people eat."),
    ]


def test_a_vector_index_answers_from_its_documents(index, llm):
    answer = index.as_query_engine(llm=llm, similarity_top_k=1).query(QUESTION)
    assert PLACE in str(answer)
    assert answer.source_nodes[0].metadata["topic"] == "godavari"


async def test_a_vector_index_answers_async_code(index, llm):
    assert PLACE in str(await index.as_query_engine(llm=llm, similarity_top_k=1).aquery(QUESTION))


def test_a_vector_index_streams_its_answer(index, llm, sandbox):
    """LlamaIndex up to 0.14.24 collects the pieces, so their number is not checked."""
    answer = index.as_query_engine(llm=llm, streaming=True, similarity_top_k=1).query(QUESTION)
    assert PLACE in "".join(answer.response_gen)
    assert sandbox.requests[-1].body["stream"] is True


async def test_a_vector_index_streams_its_answer_to_async_code(index, llm, sandbox):
    answer = await index.as_query_engine(llm=llm, streaming=True, similarity_top_k=1).aquery(QUESTION)
    assert PLACE in "".join([piece async for piece in answer.async_response_gen()])
    assert sandbox.requests[-1].body["stream"] is True


@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize"])
def test_a_query_engine_answers_with_an_object(index, llm, mode):
    engine = index.as_query_engine(llm=llm, output_cls=Place, response_mode=mode, similarity_top_k=1)
    assert isinstance(engine.query(QUESTION).response, Place)


def test_a_query_engine_of_a_structured_llm_answers_with_an_object(index, llm):
    engine = index.as_query_engine(llm=llm.as_structured_llm(Place), similarity_top_k=1)
    assert isinstance(engine.query(QUESTION).response, Place)


SYNTHESES = sorted(set(ResponseMode) - {ResponseMode.NO_TEXT, ResponseMode.CONTEXT_ONLY, ResponseMode.GENERATION})


@pytest.mark.parametrize("mode", SYNTHESES)
def test_a_summary_index_answers_in_all_modes(llm, mode):
    index = SummaryIndex.from_documents(DOCUMENTS)
    assert PLACE in str(index.as_query_engine(llm=llm, response_mode=mode).query(QUESTION))


def test_a_summary_index_answers_without_its_documents(llm, sandbox):
    index = SummaryIndex.from_documents(DOCUMENTS)
    assert str(index.as_query_engine(llm=llm, response_mode=ResponseMode.GENERATION).query(QUESTION))
    assert "Trimbak" not in str(sandbox.requests[-1].body)


@pytest.mark.parametrize("mode", SYNTHESES)
async def test_a_summary_index_answers_async_code_in_all_modes(llm, mode):
    index = SummaryIndex.from_documents(DOCUMENTS)
    assert PLACE in str(await index.as_query_engine(llm=llm, response_mode=mode).aquery(QUESTION))


def test_refining_uses_structured_output(llm):
    """`structured_answer_filtering` uses a program that requires a call."""
    engine = SummaryIndex.from_documents(DOCUMENTS).as_query_engine(
        llm=llm, response_mode="refine", structured_answer_filtering=True
    )
    assert str(engine.query(QUESTION))


def test_a_summary_index_chooses_its_nodes_with_the_llm(llm, sandbox):
    retriever = SummaryIndex.from_documents(DOCUMENTS).as_retriever(retriever_mode="llm", llm=llm)
    assert PLACE in retriever.retrieve(QUESTION)[0].text
    assert sandbox.requests


def test_a_tree_index_builds_its_summaries_and_answers(llm):
    index = TreeIndex.from_documents(DOCUMENTS, llm=llm, num_children=2)
    assert PLACE in str(index.as_query_engine(llm=llm, child_branch_factor=2).query(QUESTION))


def test_a_keyword_table_extracts_keywords_and_answers(llm):
    index = KeywordTableIndex.from_documents(DOCUMENTS, llm=llm)
    assert "godavari" in {word.lower() for word in index.index_struct.table}
    assert PLACE in str(index.as_query_engine(llm=llm).query(QUESTION))


in_any_loop = pytest.mark.parametrize("use_async", [False, True])  # with True, LlamaIndex makes a loop for each call


@in_any_loop
def test_a_property_graph_extracts_paths_and_answers(llm, embedding, use_async):
    index = PropertyGraphIndex.from_documents(DOCUMENTS, llm=llm, embed_model=embedding, use_async=use_async)
    assert str(index.as_query_engine(llm=llm, include_text=True).query(QUESTION))


@pytest.mark.parametrize("selector", [PydanticSingleSelector, LLMSingleSelector])
def test_a_router_chooses_an_engine(llm, tools, selector):
    router = RouterQueryEngine.from_defaults(tools, llm=llm, selector=selector.from_defaults(llm=llm))
    answer = router.query(QUESTION)
    assert PLACE in str(answer)
    assert answer.metadata["selector_result"].selections


async def test_a_router_chooses_an_engine_in_async_code(llm, tools):
    router = RouterQueryEngine.from_defaults(tools, llm=llm, selector=PydanticSingleSelector.from_defaults(llm=llm))
    assert PLACE in str(await router.aquery(QUESTION))


@pytest.mark.parametrize("selector", [PydanticMultiSelector, LLMMultiSelector])
def test_a_router_chooses_several_engines(llm, tools, selector):
    chosen = selector.from_defaults(llm=llm).select([tool.metadata for tool in tools], QUESTION)
    assert chosen.selections


@pytest.mark.parametrize(
    "text",
    [
        '[{"choice": 2, "reason": "It is."}]',
        '{"choice": 2, "reason": "It is."}',
        'Sure, here it is:\n```json\n[{"choice": 2, "reason": "It is."}]\n```',
    ],
)
def test_a_choice_is_parsed_from_any_text_around_it(llm, sandbox, tools, text):
    sandbox.script(Reply(reasoning='Not {"choice": 1}.', text=text))
    chosen = LLMSingleSelector.from_defaults(llm=llm).select([tool.metadata for tool in tools], QUESTION)
    assert chosen.ind == 1


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "think"])
def test_reasoning_is_not_read_as_queries(make_llm, sandbox, index, field):
    """LlamaIndex reads each line of the answer as a query."""
    sandbox.script(Reply(reasoning="The user\nwants\nqueries.", text="rivers\nsprings", reasoning_field=field))
    fusion = QueryFusionRetriever(
        [index.as_retriever()], llm=make_llm("qwen3_32b"), num_queries=3, use_async=False, similarity_top_k=1
    )
    assert fusion.retrieve(QUESTION)
    queries = [text for request in sandbox.requests for text in request.body.get("input", ())][-2:]
    assert [query.rpartition(": ")[2] for query in queries] == ["rivers", "springs"]


def test_the_default_router_selects_by_tool_calls(llm, tools):
    """`select_multi` chooses a selector by the LLM's metadata."""
    router = RouterQueryEngine.from_defaults(tools, llm=llm, select_multi=True)
    assert isinstance(router._selector, PydanticMultiSelector)
    assert str(router.query(QUESTION))


@in_any_loop
def test_questions_are_split_for_several_engines(llm, tools, use_async):
    engine = SubQuestionQueryEngine.from_defaults(
        tools, llm=llm, question_gen=LLMQuestionGenerator.from_defaults(llm=llm), use_async=use_async, verbose=False
    )
    answer = engine.query("Where does the Godavari rise, and what do people eat?")
    assert PLACE in str(answer)
    assert answer.source_nodes


async def test_questions_are_split_for_several_engines_in_async_code(llm, tools):
    engine = SubQuestionQueryEngine.from_defaults(
        tools, llm=llm, question_gen=LLMQuestionGenerator.from_defaults(llm=llm), use_async=True, verbose=False
    )
    assert PLACE in str(await engine.aquery("Where does the Godavari rise, and what do people eat?"))


def test_citations_have_their_sources(llm, sandbox):
    sandbox.script(Reply(text="At Trimbak [1]."))
    answer = CitationQueryEngine.from_args(SummaryIndex.from_documents(DOCUMENTS), llm=llm).query(QUESTION)
    assert str(answer) == "At Trimbak [1]."
    assert "Source 3" in sandbox.requests[-1].body["messages"][-1]["content"]
    assert answer.source_nodes[0].text.startswith("Source 1")


def test_hyde_generates_a_document_first(index, llm, sandbox):
    engine = TransformQueryEngine(index.as_query_engine(llm=llm, similarity_top_k=1), HyDEQueryTransform(llm=llm))
    assert str(engine.query(QUESTION))
    assert sum("chat" in request.path for request in sandbox.requests) == 2


@in_any_loop
def test_query_fusion_generates_other_queries(index, llm, use_async):
    retriever = QueryFusionRetriever(
        [index.as_retriever()], llm=llm, num_queries=3, use_async=use_async, mode="reciprocal_rerank"
    )
    assert retriever.retrieve(QUESTION)


async def test_query_fusion_generates_other_queries_in_async_code(index, llm):
    retriever = QueryFusionRetriever([index.as_retriever()], llm=llm, num_queries=3, use_async=True)
    assert await retriever.aretrieve(QUESTION)


@pytest.mark.parametrize("reranker", [LLMRerank, StructuredLLMRerank])
def test_rerankers_order_the_nodes(index, llm, reranker):
    nodes = index.as_retriever(similarity_top_k=3).retrieve(QUESTION)
    best = reranker(llm=llm, top_n=1).postprocess_nodes(nodes, query_str=QUESTION)
    assert len(best) == 1
