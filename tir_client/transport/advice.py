"""Logs warnings about images that the model cannot read, and about answers that have only reasoning."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tir_client.models import reads_text_only
from tir_client.protocol.text_only import has_media_of_user

if TYPE_CHECKING:
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.responses import Completion

logger = logging.getLogger("tir_client")


class AdviceLog:
    """Logs each warning once per client and model."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def check(self, request: ChatRequest, completion: Completion) -> Completion:
        """Log the advice for the answer to a request, if any; return the answer."""
        for choice in completion.choices:
            self._log(request.model, choice.advice())
        return completion

    def check_request(self, request: ChatRequest) -> None:
        """Log a warning if a user's message has images, audio or video and the model reads only text."""
        if has_media_of_user(request) and reads_text_only(request.model):
            self._log(request.model, UNREAD_MEDIA)

    def _log(self, model: str, advice: str) -> None:
        if advice and (model, advice) not in self._logged:
            self._logged.add((model, advice))
            logger.warning("%s: %s", model, advice)


UNREAD_MEDIA = (
    "this model reads text only. The server ignores images, audio and videos in the messages, or refuses them; use a "
    "model that reads them."
)
