"""What importing the package does, in an interpreter of its own."""

import subprocess
import sys

import pytest

BEFORE = "import sys, llama_index_tir; "
AFTER = "; from llama_index.core.llms import loading; assert loading.RECOGNIZED_LLMS['TIR'] is llama_index_tir.TIR"


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
