"""Effects of importing the package, each in a new interpreter."""

import subprocess
import sys

from llama_index.core.embeddings.loading import load_embed_model

from llama_index_tir import register

LISTS = "from llama_index.core.llms import loading as llms; from llama_index.core.embeddings import loading as others; "


def run(program):
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_saved_embedding_can_be_loaded(embedding):
    register()

    assert load_embed_model(embedding.to_dict()).to_dict() == embedding.to_dict()


def test_importing_registers_nothing_and_loads_no_openai_sdk():
    run(
        "import sys, llama_index_tir; assert 'openai' not in sys.modules; "
        + LISTS
        + "assert 'TIR' not in llms.RECOGNIZED_LLMS and 'TIREmbedding' not in others.RECOGNIZED_EMBEDDINGS"
    )


def test_registering_lets_saved_parts_of_a_pipeline_find_the_classes():
    run(
        "import llama_index_tir as ours; ours.register(); ours.register(); "
        + LISTS
        + "assert llms.RECOGNIZED_LLMS['TIR'] is ours.TIR; "
        + "assert others.RECOGNIZED_EMBEDDINGS['TIREmbedding'] is ours.TIREmbedding"
    )
