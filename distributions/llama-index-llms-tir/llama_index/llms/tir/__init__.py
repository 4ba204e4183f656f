"""TIR's LLMs under LlamaIndex's conventional name; the code is in `llama_index_tir`."""

from llama_index_tir import TIR

__all__ = ["TIR"]
