"""What importing the package does, in an interpreter of its own."""

import subprocess
import sys

import pytest
from llama_index.core.embeddings.loading import load_embed_model

BEFORE = "import sys, llama_index_tir; "
AFTER = "; from llama_index.core.llms import loading; assert loading.RECOGNIZED_LLMS['TIR'] is llama_index_tir.TIR"


def test_a_saved_embedding_can_be_loaded(embedding):
    assert load_embed_model(embedding.to_dict()).to_dict() == embedding.to_dict()


@pytest.mark.parametrize(
    "program",
    [
        BEFORE + "assert 'openai' not in sys.modules" + AFTER,
        "from llama_index.core.llms import loading; " + BEFORE + AFTER[2:],
    ],
    ids=["ours first", "theirs first"],
)
def test_saved_parts_of_a_pipeline_find_the_class_and_nobody_pays_for_the_openai_sdk(program):
    subprocess.run([sys.executable, "-c", program], check=True)
