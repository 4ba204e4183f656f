"""Timeouts: the time limits for the phases of a call. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from tir_client.errors import ConfigurationError

PIECE = 64 * 1024
"""Bytes of a request that are written at once. The timeout `chunk` limits each piece."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds for the phases of a call; None for no limit.

    Args:
        connect: Opening a connection: DNS, TCP and TLS.
        first_byte: Waiting for the response headers, or for a free connection if all are in use. It is long by
            default, because a deployment scaled to zero may start in this phase, and an answer without streaming is
            generated in it.
        chunk: Waiting for the next piece of the answer, or sending the next piece of the request.
        total: The whole call, including retries, pauses and the wait for a deployment to start. Sync calls with a
            user's `http_client` may take one `chunk` longer.
    """

    connect: float | None = 10.0
    first_byte: float | None = 600.0
    chunk: float | None = 120.0
    total: float | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            seconds = getattr(self, name)
            if seconds is not None and not (_is_number(seconds) and 0 < seconds < math.inf):
                raise ConfigurationError(
                    f"`timeout`: `{name}` must be seconds above 0, or None for no limit; not {seconds!r}."
                )

    @classmethod
    def of(cls, value: object) -> Timeouts:
        """Build timeouts from `timeout`: None, seconds, a mapping of phases, or an `httpx.Timeout`.

        Plain seconds limit the wait for the headers and for each piece, as in the openai SDK, and `connect` if they are
        fewer than its default.
        """
        if value is None:
            return cls()
        if isinstance(value, Timeouts):
            return value
        if _is_number(value):
            return cls(connect=min(10.0, value), first_byte=float(value), chunk=float(value))
        if isinstance(value, Mapping) and set(value) <= set(cls.__slots__):
            return cls(**value)
        if hasattr(value, "connect") and hasattr(value, "read"):  # httpx.Timeout, or httpx2's
            return cls(connect=value.connect, first_byte=value.read, chunk=value.read)
        raise ConfigurationError(
            f"`timeout` must be seconds, a mapping with any of {', '.join(cls.__slots__)}, or an httpx.Timeout, "
            f"not {value!r}."
        )

    def shortened(self, seconds: float) -> Timeouts:
        """A copy in which `connect`, `first_byte` and `chunk` are at most `seconds`."""
        shorter = {name: getattr(self, name) for name in ("connect", "first_byte", "chunk")}
        return replace(self, **{name: min(limit or seconds, seconds) for name, limit in shorter.items()})


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
