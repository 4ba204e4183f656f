"""Makes the real servers available to the tests of this folder."""

from .plugin import (
    embedding_server,
    gpt_oss_server,
    pytest_collection_modifyitems,
    real_server,
    reranker_server,
)

__all__ = [
    "embedding_server",
    "gpt_oss_server",
    "pytest_collection_modifyitems",
    "real_server",
    "reranker_server",
]
