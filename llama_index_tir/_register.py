"""Loading saved parts of LlamaIndex by the names of our classes, when it is asked for."""

from __future__ import annotations

from llama_index_tir.embeddings import TIREmbedding
from llama_index_tir.llms import TIR


def register() -> None:
    """Make LlamaIndex find `TIR` and `TIREmbedding` where it loads what was saved, such as an `IngestionPipeline`.

    LlamaIndex has no public way to add a class, so this writes into its lists of known ones. Importing
    `llama_index_tir` does not.
    """
    # Importing these also imports the openai SDK where that is installed, which takes long.
    from llama_index.core.embeddings import loading as embeddings  # noqa: PLC0415
    from llama_index.core.llms import loading as llms  # noqa: PLC0415

    llms.RECOGNIZED_LLMS[TIR.class_name()] = TIR
    embeddings.RECOGNIZED_EMBEDDINGS[TIREmbedding.class_name()] = TIREmbedding
