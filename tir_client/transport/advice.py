"""Logs advice on answers that have nothing but reasoning, which otherwise look like a fault of the library."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.protocol.responses import Completion

logger = logging.getLogger("tir_client")


class AdviceLog:
    """Logs each advice once, however many answers it is for. Each client has one."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def check(self, completion: Completion) -> Completion:
        """Log the advice on an answer, if there is any; return the answer."""
        for choice in completion.choices:
            advice = choice.advice()
            if advice and advice not in self._logged:
                self._logged.add(advice)
                logger.warning("%s: %s", completion.model, advice)
        return completion
