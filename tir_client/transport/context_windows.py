"""Context windows read from servers' lists of models, for models that `model_info` does not list."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from math import inf
from typing import TYPE_CHECKING

from tir_client.errors import ResponseError, TIRError
from tir_client.protocol.error_responses import NOT_FORWARDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tir_client.protocol.responses import ModelCard

logger = logging.getLogger("tir_client")

SECONDS = 5.0
"""Timeout of the request in seconds."""
SECONDS_IN_LOOP = 1.0
"""Timeout in seconds in a running event loop, which the request blocks."""
PAUSE = 60.0
"""Seconds after a failure before the next request."""
FINAL = NOT_FORWARDED | {401}
"""Statuses after which the list is not requested again."""


class ContextWindows:
    """The context windows of models, as a client's endpoint reports them. It is thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, int] = {}
        self._ask_again: dict[str, float] = {}

    def keep(self, model: str, cards: list[ModelCard]) -> list[ModelCard]:
        """Store the window of `model` from a list of models; return the list."""
        window = window_of(model, cards)
        if window is not None:
            self._known[model] = window
        return cards

    def known(self, model: str) -> int | None:
        """The window of `model` if it has been read, else None."""
        return self._known.get(model)

    def get(self, model: str, fetch: Callable[[str, float], list[ModelCard]]) -> int | None:
        """The window of `model`, or None if the server does not report it.

        Args:
            model: The model.
            fetch: Lists the models at a model's endpoint, with a timeout in seconds.
        """
        if model in self._known:
            return self._known[model]
        seconds = SECONDS_IN_LOOP if _in_event_loop() else SECONDS
        if self._lock.acquire(timeout=seconds):  # one thread sends the request; others wait
            try:
                if model not in self._known and time.monotonic() >= self._ask_again.get(model, -inf):
                    self._ask(model, seconds, fetch)
            finally:
                self._lock.release()
        return self._known.get(model)

    def _ask(self, model: str, seconds: float, fetch: Callable[[str, float], list[ModelCard]]) -> None:
        warned = model in self._ask_again
        self._ask_again[model] = inf
        try:
            self.keep(model, fetch(model, seconds))
            reason = "the server's list of models does not report it"
        except Exception as error:  # noqa: BLE001 - a user's client or token function may raise anything
            reason = f"the server's list of models could not be read ({type(error).__name__})"
            if not _is_final(error):
                self._ask_again[model] = time.monotonic() + PAUSE
        if model not in self._known and not warned:
            logger.warning("%s: the context window is unknown, because %s. Pass it to the constructor.", model, reason)


def window_of(model: str, cards: list[ModelCard]) -> int | None:
    """The window of `model` in a list of models; if it is not listed, the window that all of them share."""
    windows = {card.max_model_len for card in [card for card in cards if card.id == model] or cards}
    return windows.pop() if len(windows) == 1 else None


def _is_final(error: Exception) -> bool:
    return isinstance(error, ResponseError) or (isinstance(error, TIRError) and error.status_code in FINAL)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
