"""TIR's embedding models under LlamaIndex's conventional name; the code is in `llama_index_tir`."""

from llama_index_tir import TIREmbedding

__all__ = ["TIREmbedding"]
