"""LlamaIndex's evaluators, extractors and pipelines on TIR; they create an event loop for each call."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.evaluation import (
    AnswerRelevancyEvaluator,
    BatchEvalRunner,
    ContextRelevancyEvaluator,
    CorrectnessEvaluator,
    FaithfulnessEvaluator,
    GuidelineEvaluator,
    PairwiseComparisonEvaluator,
    RelevancyEvaluator,
)
from llama_index.core.extractors import (
    KeywordExtractor,
    PydanticProgramExtractor,
    QuestionsAnsweredExtractor,
    SummaryExtractor,
    TitleExtractor,
)
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.program import FunctionCallingProgram
from pydantic import BaseModel

from tir_sandbox import Reply

from .corpus import DOCUMENTS, QUESTION

CLAIM = "The Godavari rises at Trimbak near Nashik."
CONTEXT = [DOCUMENTS[1].text]


@pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])
def test_evaluators_pass_a_good_answer(llm, evaluator):
    judge = evaluator(llm=llm)
    for _ in range(2):
        assert judge.evaluate(query=QUESTION, response=CLAIM, contexts=CONTEXT).passing


@pytest.mark.parametrize("evaluator", [FaithfulnessEvaluator, RelevancyEvaluator])
async def test_evaluators_fail_a_bad_answer(llm, evaluator):
    result = await evaluator(llm=llm).aevaluate(query="Who won?", response="Dragons live on Mars.", contexts=CONTEXT)
    assert result.passing is False


def test_correctness_is_a_score(llm, sandbox):
    sandbox.script(Reply(text="4.0\nClose."))
    result = CorrectnessEvaluator(llm=llm).evaluate(query=QUESTION, response=CLAIM, reference=CONTEXT[0])
    assert (result.score, result.passing) == (4.0, True)


@pytest.mark.parametrize("evaluator", [AnswerRelevancyEvaluator, ContextRelevancyEvaluator])
def test_relevancy_is_a_score(llm, evaluator):
    result = evaluator(llm=llm).evaluate(query=QUESTION, response=CLAIM, contexts=CONTEXT)
    assert result.score is not None


def test_two_answers_are_compared(llm):
    result = PairwiseComparisonEvaluator(llm=llm).evaluate(
        query=QUESTION, response=CLAIM, second_response="Dragons live on Mars.", reference=CONTEXT[0]
    )
    assert result.score is not None


def test_the_guideline_evaluator_reads_an_object(llm, sandbox):
    sandbox.script(Reply(text='{"passing": true, "feedback": "Brief."}'))
    result = GuidelineEvaluator(llm=llm, guidelines="Be brief.").evaluate(query=QUESTION, response=CLAIM)
    assert result.passing


@pytest.mark.filterwarnings("ignore:asyncio_module:DeprecationWarning")  # LlamaIndex warns about its own code
async def test_a_batch_of_evaluations_runs(llm):
    runner = BatchEvalRunner(
        {"faithful": FaithfulnessEvaluator(llm=llm), "relevant": RelevancyEvaluator(llm=llm)}, workers=4
    )
    engine = SummaryIndex.from_documents(DOCUMENTS).as_query_engine(llm=llm)
    results = await runner.aevaluate_queries(engine, queries=[QUESTION] * 3)
    assert [len(found) for found in results.values()] == [3, 3]


class Topic(BaseModel):
    """What a text is about."""

    name: str


@pytest.fixture
def pipeline(llm):
    program = FunctionCallingProgram.from_defaults(Topic, prompt_template_str="What is this about?\n{input}", llm=llm)
    return IngestionPipeline(
        transformations=[
            SentenceSplitter(chunk_size=64, chunk_overlap=0),
            TitleExtractor(llm=llm),
            KeywordExtractor(llm=llm),
            SummaryExtractor(llm=llm),
            QuestionsAnsweredExtractor(llm=llm, questions=1),
            PydanticProgramExtractor(program=program, input_key="input"),
        ],
        cache=IngestionCache(),
    )


def test_a_pipeline_extracts(pipeline):
    nodes = pipeline.run(documents=DOCUMENTS, show_progress=False)
    wanted = {"document_title", "excerpt_keywords", "section_summary", "questions_this_excerpt_can_answer", "name"}
    assert all(wanted <= set(node.metadata) for node in nodes)


def test_a_pipeline_extracts_for_async_code(pipeline):
    """Each run has its own event loop."""
    for _ in range(2):
        pipeline.disable_cache = True
        assert asyncio.run(pipeline.arun(documents=DOCUMENTS, show_progress=False))


def test_a_pipeline_caches_answers(llm, sandbox):
    """An equal LLM made later uses the cached answers, as its saved form is the same."""
    cache = IngestionCache()

    def run(model) -> None:
        IngestionPipeline(transformations=[SentenceSplitter(), KeywordExtractor(llm=model)], cache=cache).run(
            documents=DOCUMENTS
        )

    run(llm)
    asked = len(sandbox.requests)
    run(type(llm)(max_retries=0))
    assert asked == len(sandbox.requests) == len(DOCUMENTS)


def test_an_extractor_can_be_saved_and_loaded(llm):
    saved = KeywordExtractor(llm=llm).to_dict()
    assert saved["llm"]["class_name"] == "TIR"
    assert KeywordExtractor.from_dict(saved).llm.to_dict() == llm.to_dict()
