"""Fixtures for the real servers."""

from tests.real.plugin import gpt_oss_server, pytest_collection_modifyitems, real_server

__all__ = ["gpt_oss_server", "pytest_collection_modifyitems", "real_server"]
