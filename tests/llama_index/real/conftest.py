"""Makes the real server available to the tests of this folder."""

from tests.real.plugin import pytest_collection_modifyitems, real_server

__all__ = ["pytest_collection_modifyitems", "real_server"]
