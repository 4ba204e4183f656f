"""How long each phase of a call may take. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from tir_client.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait in each phase of a call; None waits for ever.

    Args:
        connect: Opening a connection: looking up the host, TCP and TLS.
        first_byte: From sending the request to the answer's headers, and for a free connection where all are in use.
            Long, because a deployment scaled to zero may start in this phase, and because an answer that is not
            streamed is written in it.
        chunk: Between two pieces of the answer, and until the server takes the next piece of the request.
        total: The whole call, its retries, its pauses and the wait for a deployment to start included. Sync calls
            with an `http_client` of the user's may take one `chunk` longer.
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
                    f"`timeout`: `{name}` must be seconds above 0, or None to wait for ever; not {seconds!r}."
                )

    @classmethod
    def of(cls, value: object) -> Timeouts:
        """Accept what users pass as `timeout`: None, seconds in all, a mapping of phases, or `httpx.Timeout`.

        Plain seconds bound the wait for the headers and between pieces, as in the openai SDK; a mapping names phases.
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
        """These, with no wait for a connection, the headers or a piece of the answer that is longer than `seconds`."""
        shorter = {name: getattr(self, name) for name in ("connect", "first_byte", "chunk")}
        return replace(self, **{name: min(limit or seconds, seconds) for name, limit in shorter.items()})


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
