"""TIR's rerankers under LlamaIndex's conventional name; the code is in `llama_index_tir`."""

from llama_index_tir import TIRRerank

__all__ = ["TIRRerank"]
