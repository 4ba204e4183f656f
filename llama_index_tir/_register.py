"""Registers the classes with LlamaIndex, which can then load saved pipelines."""

from __future__ import annotations

from llama_index_tir.embeddings import TIREmbedding
from llama_index_tir.llms import TIR


def register() -> None:
    """Register `TIR` and `TIREmbedding`, so LlamaIndex can load saved objects, such as an `IngestionPipeline`.

    LlamaIndex has no public way to add a class, so this adds them to its dictionaries of recognized classes. Importing
    `llama_index_tir` does not.
    """
    # Imported here because these also import the openai SDK if it is installed, which is slow.
    from llama_index.core.embeddings import loading as embeddings  # noqa: PLC0415
    from llama_index.core.llms import loading as llms  # noqa: PLC0415

    llms.RECOGNIZED_LLMS[TIR.class_name()] = TIR
    embeddings.RECOGNIZED_EMBEDDINGS[TIREmbedding.class_name()] = TIREmbedding
