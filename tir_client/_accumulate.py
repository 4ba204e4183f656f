"""Chunks in, the answer so far out. Pure, and the same code for streamed and for whole answers.

What servers do differently is settled here, once for both frameworks: where reasoning stands, how tool calls are
cut into pieces, how often usage and the finish reason are repeated.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tir_client._errors import EmptyAnswerError, ResponseError
from tir_client._think import State, ThinkSplitter
from tir_client._tool_calls import ToolCallAssembler
from tir_client._wire import Choice, Completion, Json, ToolCall, ToolCallDelta, Usage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@dataclass(slots=True)
class Delta:
    """What one event of a stream added to one choice; the last of a stream has `final` set, and the usage.

    `so_far` is the accumulator, with everything up to here; `event` the server's own JSON.
    """

    so_far: Accumulator
    event: Json
    index: int = 0
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] | tuple[()] = ()
    finish_reason: str | None = None
    refusal: str = ""
    logprobs: list[Json] | None = None
    token_ids: list[int] | None = None
    usage: Usage | None = None
    final: bool = False


class Accumulator:
    """Adds up the events of one answer.

    Args:
        tool_names: Names of the tools that were offered, to repair names that the model garbled.
        inline_think: Take text between `<think>` and `</think>` at the start of an answer as reasoning.
        expected: How many choices were asked for (`n`).
        tools_allowed: False if the request forbids calls: vLLM then hides a call in a whole answer, and streams it.
        only_tool: The tool that must be called, if the request names one.
    """

    __slots__ = (
        "_expected",
        "_head",
        "_inline_think",
        "_only_tool",
        "_rescue_usage",
        "_states",
        "_tool_names",
        "_usage",
        "request_id",
        "tools_allowed",
    )

    def __init__(
        self,
        tool_names: Collection[str] = (),
        *,
        inline_think: bool = True,
        expected: int | None = None,
        tools_allowed: bool = True,
        only_tool: str | None = None,
    ) -> None:
        self._tool_names = tool_names
        self._inline_think = inline_think
        self._expected = expected or 1
        self.tools_allowed = tools_allowed
        self._only_tool = only_tool
        self._states: dict[int, ChoiceSoFar] = {}
        self._head: Json = {}
        self._usage: Json | None = None
        self._rescue_usage: Usage | None = None
        self.request_id: str | None = None

    def add(self, event: Json) -> Iterator[Delta]:
        """Add one event: a chunk, or a whole answer. Yields what it added; nothing for an empty chunk.

        Raises:
            ResponseError: A part of the event has a type that no answer has.
        """
        usage = event.get("usage")
        if usage:
            self._usage = _object(usage, "usage")  # cumulative where it is repeated: the last one counts
        choices = event.get("choices")
        if not self._head or not choices:
            self._read_head(event)
        for raw in _array(choices, "choices"):
            index = _object(raw, "choices[]").get("index") or 0
            state = self.choice(index)
            delta = state.add(raw, self, event)
            if delta is not None:
                if delta.finish_reason:
                    self._read_head(event)
                yield delta

    def finish(self) -> Delta:
        """The last delta, with the usage, once the answer is complete.

        Raises:
            EmptyAnswerError: There was no choice at all.
            ResponseError: A choice is missing, has no finish reason, or the server broke it off.
        """
        missing = self.missing()
        if missing:
            error = ResponseError if self._states else EmptyAnswerError
            raise error(f"The answer is not complete: {missing}.", partial=self.completion())
        return Delta(self, {"usage": self._usage}, usage=self.usage, final=True)

    def rescue(self, call: ToolCall, usage: Usage | None) -> Delta:
        """Add a demanded tool call that took a second request, and the tokens of that request."""
        state = self.choice()
        function = {"name": call.name, "arguments": call.arguments}
        event = {"index": 0, "delta": {"tool_calls": [{"id": call.id, "function": function}]}}
        state.finish_reason = None
        self._rescue_usage = usage
        (delta,) = self.add({"choices": [{**event, "finish_reason": "tool_calls"}]})
        return delta

    def missing(self) -> str:
        """What keeps this from being a whole answer, in words; empty if nothing does."""
        if not self._states:
            return "it has no choices"
        if len(self._states) < self._expected:
            return f"it has {len(self._states)} of {self._expected} choices"
        for state in self._states.values():
            if state.finish_reason is None:
                return "it ended without a finish reason"
            if state.finish_reason in {"error", "abort"}:
                return f"the server broke it off (finish_reason {state.finish_reason!r})"
        return ""

    @property
    def usage(self) -> Usage | None:
        """Token counts, when they have come."""
        if self._usage is None:
            return None
        usage = Usage.of(self._usage)
        return usage if self._rescue_usage is None else usage + self._rescue_usage

    def _raw_usage(self) -> Json | None:
        usage = self.usage
        if self._rescue_usage is None or usage is None:
            return self._usage
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        return {**(self._usage or {}), **{name: getattr(usage, name) for name in counts}}

    def choice(self, index: int = 0) -> ChoiceSoFar:
        """One choice as it stands."""
        if not isinstance(index, int):
            raise ResponseError(f"The answer has a choice with the index {index!r}.")
        return self._states.get(index) or self._new_state(index)

    def completion(self) -> Completion:
        """Everything that has arrived, as an answer: whole after `finish`, partial before."""
        created = self._head.get("created")
        return Completion(
            id=_string(self._head.get("id")),
            model=_string(self._head.get("model")),
            created=created if isinstance(created, int) else None,
            system_fingerprint=_string(self._head.get("system_fingerprint")) or None,
            service_tier=_string(self._head.get("service_tier")) or None,
            choices=[self._states[index].choice() for index in sorted(self._states)],
            usage=self.usage,
            raw_usage=self._raw_usage(),
            request_id=self.request_id,
        )

    def _new_state(self, index: int) -> ChoiceSoFar:
        seed = _string(self._head.get("id"))
        tools = ToolCallAssembler(self._tool_names, f"{seed}-{index}" if index else seed, self._only_tool)
        self._states[index] = ChoiceSoFar(index, tools, ThinkSplitter() if self._inline_think else None)
        return self._states[index]

    def _read_head(self, event: Json) -> None:
        for name in ("id", "model", "created", "system_fingerprint", "service_tier"):
            if event.get(name) is not None:
                self._head[name] = event[name]


class ChoiceSoFar:
    """One choice while it arrives. Text is kept in pieces and joined when somebody asks."""

    __slots__ = (
        "_logprobs",
        "_reasoning",
        "_refusal",
        "_text",
        "_think",
        "_token_ids",
        "_tools",
        "finish_reason",
        "index",
        "stop_reason",
    )

    def __init__(self, index: int, tools: ToolCallAssembler, think: ThinkSplitter | None) -> None:
        self.index = index
        self.finish_reason: str | None = None
        self.stop_reason: int | str | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal = ""
        self._tools = tools
        self._think = think
        self._logprobs: list[Json] | None = None
        self._token_ids: list[int] | None = None

    @property
    def text(self) -> str:
        """The answer's text up to here."""
        return _joined(self._text)

    @property
    def reasoning(self) -> str:
        """The model's reasoning up to here."""
        return _joined(self._reasoning)

    @property
    def tools(self) -> ToolCallAssembler:
        """The tool calls up to here."""
        return self._tools

    def choice(self) -> Choice:
        """The choice as it stands, in a form that no longer changes."""
        return Choice(
            index=self.index,
            text=self.text,
            reasoning=self.reasoning,
            tool_calls=self._tools.calls(cut=self.finish_reason == "length"),
            finish_reason=self.finish_reason,
            stop_reason=self.stop_reason,
            refusal=self._refusal,
            logprobs=None if self._logprobs is None else [*self._logprobs],
            token_ids=None if self._token_ids is None else [*self._token_ids],
        )

    def add(self, raw: Json, so_far: Accumulator, event: Json) -> Delta | None:
        """Add what one event says of this choice; None if it says nothing new."""
        message = _object(raw.get("delta") or raw.get("message") or _empty(raw), "message")
        # Servers from 0.11.1 to 0.15 send both names with the same text: take one, never add them up.
        reasoning = _text(message.get("reasoning") or message.get("reasoning_content"))
        text = _text(message.get("content"))
        finish = self._finish(raw, so_far)
        if self._think is not None and (text or finish):
            inline, text = self._split(text, finish=finish, reasoned=bool(reasoning))
            reasoning += inline
        if text:
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        delta = Delta(so_far, event, self.index, text, reasoning, (), finish)
        calls = message.get("tool_calls") if so_far.tools_allowed else None
        if calls:
            delta.tool_calls = self._tools.add(_array(calls, "tool_calls"), whole="message" in raw)
        rare = self._rare(raw, message, delta)
        return delta if text or reasoning or delta.tool_calls or finish or rare else None

    def _split(self, text: str, *, finish: str | None, reasoned: bool) -> tuple[str, str]:
        think = self._think
        if think is None:
            return "", text
        if think.state is State.START and (reasoned or self._reasoning):
            self._think = None  # this server splits by itself: what looks like a tag is text
            return "", think.flush()[1] + text
        inline, text = think.feed(text)
        if not finish:
            return inline, text
        last_inline, last_text = think.flush()
        return inline + last_inline, text + last_text

    def _finish(self, raw: Json, so_far: Accumulator) -> str | None:
        reason = raw.get("finish_reason")
        if not reason or self.finish_reason is not None:
            return None
        self.finish_reason = "stop" if reason == "tool_calls" and not so_far.tools_allowed else _string(reason)
        self.stop_reason = raw.get("stop_reason")
        return self.finish_reason

    def _rare(self, raw: Json, message: Json, delta: Delta) -> bool:
        """What most events do not have: log probabilities, token ids, a refusal."""
        found = False
        if logprobs := raw.get("logprobs"):
            delta.logprobs = _tokens(_object(logprobs, "logprobs").get("content"), "logprobs.content")
            self._logprobs = _extended(self._logprobs, delta.logprobs)
            found = True
        if token_ids := raw.get("token_ids"):
            delta.token_ids = _array(token_ids, "token_ids")
            self._token_ids = _extended(self._token_ids, delta.token_ids)
            found = True
        if refusal := message.get("refusal"):
            delta.refusal = _text(refusal)
            self._refusal += delta.refusal
            found = True
        return found


def _tokens(value: Any, name: str) -> list[Json]:
    tokens = _array(value, name)
    for token in tokens:
        said, chance = (_object(token, name).get(part) for part in ("token", "logprob"))
        is_float = isinstance(chance, float) or (isinstance(chance, int) and abs(chance) <= sys.maxsize)
        if not isinstance(said, str) or not is_float:
            raise ResponseError(f"The answer's `{name}` has a token without a text or a log probability.")
        if not all(isinstance(byte, int) for byte in _array(token.get("bytes"), "bytes")):
            raise ResponseError(f"The answer's `{name}` has a token whose bytes are no numbers.")
        _tokens(token.get("top_logprobs"), "top_logprobs")
    return tokens


def _extended(known: list[Any] | None, more: list[Any]) -> list[Any]:
    """`known` with `more` behind it; in place, for a copy at each chunk would cost the square of an answer's length."""
    if known is None:
        return [*more]
    known += more
    return known


def _empty(raw: Json) -> Json:
    if "delta" not in raw and "message" not in raw:
        raise ResponseError("The answer has a choice with neither a `message` nor a `delta`: it is no chat completion.")
    return {}


def _joined(pieces: list[str]) -> str:
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):  # content parts, which some gateways send
        return "".join(_text(part.get("text") if isinstance(part, dict) else part) for part in value)
    raise ResponseError(f"The answer has a text that is not a string but {type(value).__name__}.")


def _string(value: object) -> str:
    return "" if value is None else str(value)


def _object(value: Any, name: str) -> Json:
    if not isinstance(value, dict):
        raise ResponseError(f"The answer's `{name}` is not an object but {type(value).__name__}.")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ResponseError(f"The answer's `{name}` is not an array but {type(value).__name__}.")
    return value
