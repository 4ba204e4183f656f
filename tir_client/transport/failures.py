"""Converts httpx errors and timeouts to exceptions of this library. No I/O."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tir_client.errors import APIConnectionError, APITimeoutError, ConfigurationError, ResponseError, TIRError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_HTTP = ("HTTPError", "StreamError", "InvalidURL")
_RAISED = {"httpx": _OF_HTTP, "httpx2": _OF_HTTP, "socksio": ("ProtocolError",)}
"""The base error classes of httpx, of httpx2, whose client a user may pass, and of their SOCKS library."""

CERTIFICATE = "certificate"
"""The phase of a rejected certificate, which is not retried."""


def transport_errors() -> tuple[type[Exception], ...]:
    """The base error classes of the imported HTTP libraries."""
    used = {name: sys.modules[name] for name in _RAISED if name in sys.modules}
    return tuple(getattr(module, cls) for name, module in used.items() for cls in _RAISED[name])


def translate(failure: Exception, phase: str, url: str) -> TIRError:
    """Return the `TIRError` for an error of an HTTP library, which is matched by class name.

    The original is not chained, because its request and frames contain the token.
    """
    names = {cls.__name__ for cls in type(failure).__mro__}
    cause = f"{type(failure).__name__}: {failure}".rstrip(": ")
    if "TimeoutException" in names:
        if "ConnectTimeout" in names:
            phase = "connect"
        elif "WriteTimeout" in names:
            phase = "chunk"
        return timeout_in(phase)
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return APIConnectionError(
            f"The certificate of the server at {url} was not accepted ({cause}). If a corporate proxy or a private "
            "authority signed it, set SSL_CERT_FILE to a file with that authority's certificate; else check the URL.",
            phase=CERTIFICATE,
        )
    if "Too many open files" in cause:
        return APIConnectionError(
            f"No connection to the server at {url} could be opened: this process has too many open files. Raise its "
            "limit (`ulimit -n`), or make fewer calls at a time.",
            phase=phase,
        )
    if "DecodingError" in names:
        return ResponseError(f"The answer's body could not be decompressed ({cause}).")
    where = {"connect": "could not be reached", "first_byte": "sent no answer"}.get(phase, "ended its answer early")
    return APIConnectionError(f"The server at {url} {where} ({cause}). Check the URL and the network.", phase=phase)


@contextmanager
def loop_checked() -> Iterator[None]:
    """Convert the RuntimeError of httpx for a user's async client that was used in another event loop.

    Raises:
        ConfigurationError: The block raised such an error.
    """
    try:
        yield
    except RuntimeError as error:
        if "event loop" not in str(error).lower():
            raise
        raise ConfigurationError(
            f"`http_async_client` has connections of another event loop ({error}). Use one client for each loop."
        ) from None


def timeout_in(phase: str) -> APITimeoutError:
    """The error for a timeout in `phase`."""
    return APITimeoutError(
        f"The server took longer than the timeout for `{phase}`. Raise it with `timeout={{{phase!r}: seconds}}`.",
        phase=phase,
    )


def total_exceeded(failure: TIRError, waited: float) -> APITimeoutError:
    """The error for a call whose `total` would end before the next try; `failure` is the last one."""
    return _given_up(f"{timeout_in('total').message} The client gave up after {waited:.1f} s.", failure, "total")


def no_answer(failure: TIRError) -> TIRError:
    """The failure of a try that got no answer before `wait_for_start` was over."""
    return APITimeoutError("The server had sent no answer when the time was over.", phase=failure.phase)


def start_exceeded(failure: TIRError, tries: int, waited: float, seconds: float) -> APITimeoutError:
    """The error for a deployment that did not start in time; `failure` is that of the last try."""
    message = (
        f"The deployment did not start within {waited:.1f} s (tries: {tries}). If it takes longer, raise "
        f"`wait_for_start`, which is {seconds:g} s. It also limits the wait for a running model's first byte."
    )
    if failure.retry_after:
        message += f" The server requested a pause of {failure.retry_after:g} s."
    return _given_up(message, failure, "start")


def _given_up(message: str, failure: TIRError, phase: str) -> APITimeoutError:
    message = f"{message}\nThe last try failed with {type(failure).__name__}: {failure.message}"
    details = {name: value for name, value in failure.details().items() if name != "text"}
    return APITimeoutError(message, **{**details, "phase": phase})
