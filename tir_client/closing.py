"""Closing: a base class for clients and models, which are closed at the end of a `with` or `async with` block."""

from __future__ import annotations

from typing import Self


class Closing:
    """A context manager in sync and in async code."""

    def close(self) -> None:
        """Close the connections of sync calls. A later call opens new ones."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Close the connections of sync calls, and those of the running event loop unless another client uses them."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
