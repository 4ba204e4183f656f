"""Facts about some models on TIR. A user can override them; models that are not listed can be called, too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Facts about one model.

    Args:
        context_window: Tokens of prompt and answer together, or None if unknown.
        max_output: Most tokens of an answer, reasoning included, or None if unknown.
        reasoning: It reasons before it answers.
        tools: It calls tools.
        images: It reads images.
        reasoning_efforts: The values of `reasoning_effort` that it accepts.
        inline_think: Its reasoning may be in the text between `<think>` and `</think>`.
        dimensions: Length of an embedding, for an embedding model.
        query_instruction: The prefix of a query, for an embedding model.
        text_instruction: The prefix of a text that is not a query, for an embedding model.
    """

    context_window: int | None = None
    max_output: int | None = None
    reasoning: bool = False
    tools: bool = True
    images: bool = False
    reasoning_efforts: tuple[str, ...] = ()
    inline_think: bool = True
    dimensions: int | None = None
    query_instruction: str = ""
    text_instruction: str = ""


UNKNOWN = ModelInfo()

_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_BGE_EN = "Represent this sentence for searching relevant passages: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："  # noqa: RUF001 - its colon is that of the model card

_GPT_OSS = ModelInfo(
    context_window=131_072,
    max_output=131_072,
    reasoning=True,
    reasoning_efforts=("low", "medium", "high"),
    inline_think=False,
)

KNOWN: dict[str, ModelInfo] = {
    "gpt_oss_120b": _GPT_OSS,
    "gpt_oss_20b": _GPT_OSS,
    "qwen3_32b": ModelInfo(context_window=40_960, reasoning=True),
    "deepseek_r1": ModelInfo(context_window=163_840, reasoning=True, tools=False),
    "deepseek_v3": ModelInfo(context_window=163_840),
    "llama3_1_8b_instruct": ModelInfo(context_window=131_072),
    "llama3_2_3b_instruct": ModelInfo(context_window=131_072),
    "llama_3_3_70b_instruct_fp8": ModelInfo(context_window=131_072),
    "llama_4_scout_17b_16e_instruct": ModelInfo(images=True),
    "qwen2_vl_72b_instruct": ModelInfo(context_window=32_768, images=True),
    "phi_4": ModelInfo(context_window=16_384),
    "gemma_7b": ModelInfo(context_window=8_192, tools=False),
    "llama_guard_3_8b": ModelInfo(context_window=131_072, tools=False),
    "e5-mistral-7b-instruct": ModelInfo(
        context_window=4_096, tools=False, dimensions=4_096, query_instruction=f"{_SEARCH} "
    ),
    "bge-large-en-v1_5": ModelInfo(context_window=512, tools=False, dimensions=1_024, query_instruction=_BGE_EN),
}
"""The facts by slug. Slugs of embedding models have dashes."""

_E5 = ModelInfo(query_instruction="query: ", text_instruction="passage: ")
_FAMILIES = (
    (r"bge_(small|base|large)_en(_v1_5)?", ModelInfo(query_instruction=_BGE_EN)),
    (r"bge_(small|base|large)_zh(_v1_5)?", ModelInfo(query_instruction=_BGE_ZH)),
    (r"(multilingual_)?e5_(small|base|large)(_v2)?", _E5),
    (r"multilingual_e5_large_instruct", ModelInfo(query_instruction=f"{_SEARCH} ")),
    (r"qwen3_embedding_(0_6b|4b|8b)", ModelInfo(query_instruction=_SEARCH)),
)
"""Families of embedding models, with the instructions in their model cards."""


@lru_cache(maxsize=256)
def model_info(model: str) -> ModelInfo:
    """The facts about `model`, or the defaults of `ModelInfo` for an unknown one.

    A model is found by its slug on TIR and by its Hugging Face id, such as `openai/gpt-oss-120b`.
    """
    slug = slug_of(model)
    if slug is not None:
        return KNOWN[slug]
    return next((info for pattern, info in _FAMILIES if re.fullmatch(pattern, _key(model))), UNKNOWN)


def reads_text_only(model: str) -> bool:
    """Whether `model` is known to be text-only."""
    slug = slug_of(model)
    return slug is not None and not KNOWN[slug].images


@lru_cache(maxsize=256)
def slug_of(model: str) -> str | None:
    """The slug of a known model from its name on TIR or elsewhere, such as `openai/gpt-oss-120b`; else None."""
    return _SLUGS.get(_key(model))


def _key(model: str) -> str:
    return model.rpartition("/")[2].lower().replace("-", "_").replace(".", "_")


_SLUGS = {_key(slug): slug for slug in KNOWN}
