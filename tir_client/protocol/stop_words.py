"""Applies stop words on the client where gpt-oss's servers apply them wrongly. Pure.

vLLM matches stop words against the raw output of gpt-oss, reasoning, tool calls and markers included, and leaves the
word in the output; frameworks add stop words by themselves. A word in the text is cut off here. An answer that was
stopped before its text, or inside a tool call, is requested again without `stop`, and its text is cut here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.choice_accumulator import ChoiceAccumulator
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.responses import Choice, Json

_MARKERS = re.compile(r"(?:<\|[a-z_]++\|>[\w ]*+)+")
"""What is left in the text where a stop word matched the name of a channel or a role."""


class StopCutter:
    """Cuts the text of one choice at the stop word that ended it.

    Text that may belong to a stop word is held back. It is released if the server did not stop there.

    Args:
        words: The stop words.
        last: Cut at the last one, as the server passes over those before `min_tokens`.

    Attributes:
        cut: The text ended at a stop word.
        leaked: The stop word matched the name of a channel or a role, which is left out of the text.
    """

    __slots__ = ("_all", "_last", "_pieces", "_words", "cut", "leaked")

    def __init__(self, words: list[str], *, last: bool = False) -> None:
        self._words = words
        self._last = last
        self._pieces: list[str] = []
        self._all = False
        self.cut = False
        self.leaked = False

    @property
    def held(self) -> str:
        """The text that is held back."""
        return "".join(self._pieces)

    def feed(self, piece: str, *, first: bool) -> str:
        """Take a piece, `first` if there is no text before it; return what cannot belong to a stop word."""
        if self._all:
            self._pieces.append(piece)
            return ""
        text = self.held + piece
        found = _first_stop(text, self._words)
        self._all = found is not None or (first and text.startswith("<|"))
        if first and text[:2] in ("<", "<|"):
            start = 0
        else:
            start = len(text) - _overlap(text, self._words) if found is None else found[0]
        self._pieces = [text[start:]]
        return text[:start]

    def end(self, stop_reason: object) -> str:
        """Take the end of the choice; return the rest of its text."""
        rest, self._pieces, self._all = self.held, [], False
        if not isinstance(stop_reason, str) or stop_reason not in self._words or stop_reason not in rest:
            return rest
        place = rest.rfind(stop_reason) if self._last else (_first_stop(rest, self._words) or (0, ""))[0]
        self.leaked = _MARKERS.fullmatch(rest) is not None
        self.cut = not self.leaked
        return rest[:place] if self.cut else ""


class StoppedAnswer:
    """Checks whether a stop word ended an answer before its text, and builds the second request if it did.

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
        return bool(delta.reasoning or delta.tool_calls or delta.logprobs or delta.token_ids)

    def rescue(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Add the second answer, cut at the first stop word, to the first one, and return its deltas.

        Its calls replace those of the first one. From a stream that has shown them they cannot be taken back.
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
            return any(not call.is_readable() for call in state.tools.calls())
        cutter = state.stop_cutter
        if state.text or (cutter and cutter.cut):
            return False
        return bool(state.reasoning) or self._request.include_reasoning is False or bool(cutter and cutter.leaked)


def stop_words(request: ChatRequest) -> list[str]:
    """The stop words that `request` sends, those of its `extra_body` included."""
    stop = (request.extra_body or {}).get("stop", request.stop) or []
    return [stop] if isinstance(stop, str) else [word for word in stop if word]


def request_without_stop(request: ChatRequest, choices: int) -> ChatRequest:
    """`request` without stop words, for so many choices."""
    extra = {name: value for name, value in (request.extra_body or {}).items() if name != "stop"}
    number = request.n if request.n is None else choices
    return request.model_copy(update={"stop": None, "n": number, "extra_body": extra or None})


def stop_cutter(request: ChatRequest) -> StopCutter | None:
    """What cuts the text of a choice of the answer to `request`, if anything does."""
    words = stop_words(request)
    if not words or keeps_stop_word(request):
        return None
    return StopCutter(words, last=bool((request.extra_body or {}).get("min_tokens", request.min_tokens)))


def keeps_stop_word(request: ChatRequest) -> bool:
    """Whether the user wants the stop word in the text."""
    return bool((request.extra_body or {}).get("include_stop_str_in_output"))


def continuation(choice: Choice, first: Choice, words: list[str], *, keep: bool = False) -> Json:
    """What a choice of the second answer adds to `first`, which a stop word ended, as an event's choice.

    Where its reasoning or text does not continue that of `first`, it follows after an empty line.
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


def cut_at_stop(text: str, words: list[str], *, keep: bool = False) -> tuple[str, str | None]:
    """`text` up to the first of `words`, or with it (`keep`), and that word; None if none of them occurs."""
    found = _first_stop(text, words)
    if found is None:
        return text, None
    place, word = found
    return text[: place + len(word) if keep else place], word


def _first_stop(text: str, words: list[str]) -> tuple[int, str] | None:
    return min(((text.find(word), word) for word in words if word in text), default=None)


def _overlap(text: str, words: list[str]) -> int:
    """How many characters at the end of `text` could begin one of `words`."""
    most = max(map(len, words)) - 1
    return next(
        (size for size in range(min(most, len(text)), 0, -1) if any(word.startswith(text[-size:]) for word in words)), 0
    )
