"""Requests an answer again if a stop word ended it before its text, or inside a tool call. Pure.

vLLM matches gpt-oss's stop words against reasoning and tool calls, too. The second request has no `stop`; its text is
cut here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.protocol.stop_words import cut_at_stop, keeps_stop_word, request_without_stop, stop_words

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.choice_accumulator import ChoiceAccumulator
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.responses import Choice, Json


class StoppedAnswer:
    """Checks whether a stop word ended an answer before its text, and builds the second request if it did.

    Args:
        request: The request.

    Attributes:
        second: The request without `stop`, set by `accepts`.
    """

    def __init__(self, request: ChatRequest) -> None:
        self.second: ChatRequest | None = None
        self._request = request
        self._words = stop_words(request)
        self._stopped: list[int] = []

    def accepts(self, accumulator: Accumulator) -> bool:
        """Return whether a complete answer needs no second request; if it needs one, set `second`."""
        self._stopped = [state.index for state in accumulator.choices() if self._is_stopped(state)]
        self.second = request_without_stop(self._request, len(self._stopped)) if self._stopped else None
        return self.second is None

    def pass_through(self, delta: Delta) -> bool:
        """Whether to yield a delta.

        The end of a stopped choice is held back until the second answer: the finish reason is removed from the delta,
        which is yielded if it has something else.
        """
        if not delta.finish_reason or not self._is_stopped(delta.accumulator.choice(delta.index)):
            return True
        delta.finish_reason = None
        return bool(delta.reasoning or delta.tool_calls or delta.logprobs or delta.token_ids)

    def merge(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Add the second answer, cut at the first stop word, to the first one, and return its deltas.

        Its calls replace those of the first answer, except for calls that a stream has already yielded.
        """
        words, self._words, self.second = self._words, [], None
        answer = second.completion()
        choices = []
        for index, choice in zip(self._stopped, answer.choices, strict=False):
            state = accumulator.choice(index)
            more = continuation(choice, state.choice(), words, keep=keeps_stop_word(self._request))
            choices.append(more | {"index": index})
            state.tools.drop()
        return [*accumulator.add_second_answer({"choices": choices}, answer.usage), accumulator.finish()]

    def _is_stopped(self, state: ChoiceAccumulator) -> bool:
        if state.finish_reason not in ("stop", "tool_calls") or state.stop_reason not in self._words:
            return False
        if len(state.tools):
            return any(call.problem() for call in state.tools.calls())
        cutter = state.stop_cutter
        if state.text or (cutter and cutter.cut):
            return False
        return bool(state.reasoning) or self._request.include_reasoning is False or bool(cutter and cutter.leaked)


def continuation(choice: Choice, first: Choice, words: list[str], *, keep: bool = False) -> Json:
    """The choice of an event that appends a second answer's `choice` to `first`, which a stop word ended.

    Reasoning or text that does not continue that of `first` is appended after an empty line.
    """
    text, word = cut_at_stop(choice.text, words, keep=keep)
    calls = [] if word else choice.tool_calls
    wire_calls = [{"id": call.id, "function": {"name": call.name, "arguments": call.arguments}} for call in calls]
    message = {
        "reasoning": _continued(first.reasoning, choice.reasoning),
        "content": _continued(first.text, text),
        "tool_calls": wire_calls,
        "refusal": choice.refusal or None,
    }
    return {
        "message": message,
        "finish_reason": "stop" if word else choice.finish_reason,
        "stop_reason": word or choice.stop_reason,
        "logprobs": {"content": choice.logprobs} if choice.logprobs else None,
        "token_ids": choice.token_ids,
    }


def _continued(first: str, second: str) -> str:
    return f"\n\n{second}" if first and second and not second.startswith(first) else second.removeprefix(first)
