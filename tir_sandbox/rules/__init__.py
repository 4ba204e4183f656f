"""What the sandbox answers when nobody told it what: rules, tried in order."""

from collections.abc import Mapping
from typing import Any

from tir_sandbox.replies import Reply


def answer_by_rule(body: Mapping[str, Any], *, ignores_forced_tools: bool = False) -> Reply:
    """Answer a chat request by the first rule that fits."""
    return Reply(text="I am the TIR sandbox, not a model.", reasoning="Say hello.")
