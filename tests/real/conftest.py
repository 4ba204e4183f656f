"""Makes the real servers available to the tests of this folder."""

from .plugin import gpt_oss_server, pytest_collection_modifyitems, real_server

__all__ = ["gpt_oss_server", "pytest_collection_modifyitems", "real_server"]
