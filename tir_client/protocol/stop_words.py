"""Replaces an answer that a stop word ended inside its reasoning. Pure.

vLLM matches stop words against the raw output of gpt-oss, reasoning included, and frameworks add stop words by
themselves. Such an answer has no text. It is requested again without `stop`, and its text is cut here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.choice_accumulator import ChoiceAccumulator
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.responses import Choice, Json


class StoppedReasoning:
    """Checks whether a stop word ended the reasoning, and builds the second request if it did.

    Args:
        request: The request.

    Attributes:
        second: The request without `stop`, set by `check`.
    """

    def __init__(self, request: ChatRequest) -> None:
        self.second: ChatRequest | None = None
        self._request = request
        self._words = stop_words(request)
        self._stopped: list[int] = []

    def check(self, accumulator: Accumulator) -> bool:
        """Return whether a complete answer needs no second request; if it needs one, set `second`."""
        self._stopped = [state.index for state in accumulator.choices() if self._is_stopped(state)]
        self.second = request_without_stop(self._request, len(self._stopped)) if self._stopped else None
        return self.second is None

    def pass_through(self, delta: Delta) -> bool:
        """Whether to yield a delta: the end of a stopped choice is held back until the second answer is there."""
        if not delta.finish_reason or not self._is_stopped(delta.accumulator.choice(delta.index)):
            return True
        delta.finish_reason = None
        return bool(delta.reasoning or delta.logprobs or delta.token_ids)

    def rescue(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Add the second answer, cut at the first stop word, to the first one, and return its deltas."""
        words, self._words, self.second = self._words, [], None
        answer = second.completion()
        seen = [(accumulator.choice(index).reasoning, index) for index in self._stopped]
        choices = [
            continuation(choice, reasoning, words) | {"index": index}
            for (reasoning, index), choice in zip(seen, answer.choices, strict=False)
        ]
        return [*accumulator.add_second_answer({"choices": choices}, answer.usage), accumulator.finish()]

    def _is_stopped(self, state: ChoiceAccumulator) -> bool:
        if state.finish_reason != "stop" or state.stop_reason not in self._words or state.text or len(state.tools):
            return False
        return bool(state.reasoning) or self._request.include_reasoning is False


def stop_words(request: ChatRequest) -> list[str]:
    """The stop words that `request` sends, those of its `extra_body` included."""
    stop = (request.extra_body or {}).get("stop", request.stop) or []
    return [stop] if isinstance(stop, str) else [word for word in stop if word]


def request_without_stop(request: ChatRequest, choices: int = 1) -> ChatRequest:
    """`request` without stop words, for so many choices."""
    extra = {name: value for name, value in (request.extra_body or {}).items() if name != "stop"}
    number = request.n if request.n is None else choices
    return request.model_copy(update={"stop": None, "n": number, "extra_body": extra or None})


def continuation(choice: Choice, reasoning: str, words: list[str]) -> Json:
    """What a choice of the second answer adds to one of which only `reasoning` has arrived, as an event's choice.

    Where the new reasoning does not continue the old one, it follows after an empty line.
    """
    text, word = cut_at_stop(choice.text, words)
    more = choice.reasoning.removeprefix(reasoning)
    if more == choice.reasoning and more and reasoning:
        more = f"\n\n{more}"
    calls = [] if word else choice.tool_calls
    wire_calls = [{"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in calls]
    message = {"reasoning": more, "content": text, "tool_calls": wire_calls, "refusal": choice.refusal or None}
    return {
        "message": message,
        "finish_reason": "stop" if word else choice.finish_reason,
        "stop_reason": word or choice.stop_reason,
        "logprobs": {"content": choice.logprobs} if choice.logprobs else None,
        "token_ids": choice.token_ids,
    }


def cut_at_stop(text: str, words: list[str]) -> tuple[str, str | None]:
    """`text` up to the first of `words`, and that word; None if none of them occurs."""
    found = min(((text.find(word), word) for word in words if word in text), default=None)
    return (text, None) if found is None else (text[: found[0]], found[1])
