"""Accumulates the events of an answer. Pure, and the same code for streamed and whole answers.

It handles the differences between servers: the name of the reasoning field, the way tool calls are split, and repeated
usage and finish reasons.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tir_client.errors import NoAnswerError, ResponseError
from tir_client.protocol.choice_accumulator import ChoiceAccumulator, ChoiceDelta
from tir_client.protocol.json_fields import as_dict, as_list, as_str
from tir_client.protocol.reasoning import ThinkSplitter
from tir_client.protocol.responses import Completion, Json, ToolCall, Usage
from tir_client.protocol.tool_calls import ToolCallAssembler

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tir_client.protocol.stop_words import StopCutter

_ABORTED = frozenset({"error", "abort"})
"""Finish reasons of choices that the server aborted."""


@dataclass(slots=True, kw_only=True)
class Delta(ChoiceDelta):
    """What one event of a stream added to one choice.

    Args:
        text: The next part of the answer.
        reasoning: The next part of the reasoning.
        tool_calls: The next parts of tool calls.
        finish_reason: Why the choice ended, once it has.
        refusal: The next part of a refusal.
        logprobs: Log probabilities of the tokens, if requested.
        token_ids: Ids of the tokens, if requested.
        accumulator: Everything up to here.
        event: The server's JSON, or an object of its form in the last delta and in those of a second answer.
        index: Index of the choice, from 0.
        usage: Token counts, in the last delta of a stream, if the server reports them.
        final: Whether this is the last delta of the stream.
    """

    accumulator: Accumulator
    event: Json
    index: int = 0
    usage: Usage | None = None
    final: bool = False


class Accumulator:
    """Accumulates the events of one answer.

    Args:
        tool_names: Names of the tools that were offered, to repair names that the model wrote wrongly.
        inline_think: Treat text between `<think>` and `</think>` at the start of an answer as reasoning.
        expected: Number of requested choices (`n`).
        tools_allowed: False if the request forbids calls. vLLM then omits a call from a whole answer, but streams it.
        only_tool: The tool that must be called, if the request names one.

    Attributes:
        request_id: The id of the request, if the server sends one.
        stop_cutter: Returns a new `StopCutter` for a choice, or None if its text is not cut.
    """

    __slots__ = (
        "_expected",
        "_first_index",
        "_head",
        "_inline_think",
        "_only_tool",
        "_second_usage",
        "_states",
        "_tool_names",
        "_tools_allowed",
        "_usage",
        "request_id",
        "stop_cutter",
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
        self._tools_allowed = tools_allowed
        self._only_tool = only_tool
        self._states: dict[int, ChoiceAccumulator] = {}
        self._first_index: int | None = None
        self._head: Json = {}
        self._usage: Json | None = None
        self._second_usage: Usage | None = None
        self.request_id: str | None = None
        self.stop_cutter: Callable[[], StopCutter | None] = lambda: None

    def add(self, event: Json) -> list[Delta]:
        """Add one event, a chunk or a whole answer, and return its deltas; an empty chunk has none.

        Raises:
            ResponseError: A field of the event has a wrong type.
        """
        if isinstance(usage := event.get("usage"), dict) and usage:
            self._usage = usage  # repeated usage is cumulative, so the last one wins
        choices = event.get("choices")
        if not choices or not self._head.get("model"):
            self._read_head(event)
        deltas = []
        for raw in as_list(choices, "choices"):
            state = self.choice(self._position(as_dict(raw, "choices[]").get("index") or 0))
            delta = Delta(accumulator=self, event=event, index=state.index)
            if state.add(raw, delta):
                if delta.finish_reason:
                    self._read_head(event)
                deltas.append(delta)
        return deltas

    def finish(self) -> Delta:
        """Check that the answer is complete, and return the last delta, which has the usage.

        Raises:
            NoAnswerError: There was no choice.
            ResponseError: A choice is missing, has no finish reason, or was aborted by the server.
        """
        missing = self.missing()
        if missing:
            error = ResponseError if self._states else NoAnswerError
            raise error(f"The answer is not complete: {missing}.", partial=self.completion())
        if len(self._states) < self._expected:
            warnings.warn(
                f"`n` is {self._expected}, but the server ignores it: it sent {len(self._states)}.",
                UserWarning,
                stacklevel=2,
            )
        return Delta(accumulator=self, event={"usage": self._usage}, usage=self.usage, final=True)

    def add_rescued_call(self, call: ToolCall, usage: Usage | None) -> Delta:
        """Add a tool call from a second request, and the tokens of that request."""
        calls = [{"id": call.id, "function": {"name": call.name, "arguments": call.arguments}}]
        choice = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": "tool_calls"}
        (delta,) = self.add_second_answer({"choices": [choice]}, usage)
        return delta

    def add_second_answer(self, event: Json, usage: Usage | None) -> list[Delta]:
        """Append the choices of a second answer to those of the first, and add the tokens of its request."""
        for raw in event["choices"]:
            self.choice(raw["index"]).finish_reason = None
        if usage is not None:
            self._second_usage = usage if self._second_usage is None else self._second_usage + usage
        return self.add(event)

    def missing(self, *, is_end_known: bool = True) -> str:
        """Why the answer is incomplete; empty if it is complete.

        Args:
            is_end_known: Whether the server has marked the end of the answer. If so, fewer choices than requested are
                not an error: many servers ignore `n`.
        """
        if not self._states:
            return "it has no choices"
        if len(self._states) < self._expected and not is_end_known:
            return f"it has {len(self._states)} of {self._expected} choices"
        for state in self._states.values():
            if state.error:
                return f"the server aborted it with an error: {state.error}"
            if state.finish_reason is None:
                return "it ended without a finish reason"
            if state.finish_reason in _ABORTED:
                return f"the server aborted it (finish_reason {state.finish_reason!r})"
        return ""

    @property
    def is_aborted(self) -> bool:
        """Whether the server aborted a choice."""
        return any(state.error or state.finish_reason in _ABORTED for state in self._states.values())

    @property
    def usage(self) -> Usage | None:
        """Token counts, once they have arrived."""
        if self._usage is None:
            return None
        usage = Usage.of(self._usage)
        return usage if self._second_usage is None else usage + self._second_usage

    def _raw_usage(self) -> Json | None:
        if self._second_usage is None or (usage := self.usage) is None:
            return self._usage
        return {**(self._usage or {}), **usage.counts()}

    def _position(self, index: Any) -> int:
        """The index of a choice. If one choice was requested, it is 0: some servers count from 1."""
        if not isinstance(index, int):
            raise ResponseError(f"The answer has a choice with the index {index!r}.")
        if self._first_index is None:
            self._first_index = index if self._expected == 1 else 0
        return 0 if index == self._first_index else index

    def choice(self, index: int = 0) -> ChoiceAccumulator:
        """The accumulator of one choice."""
        return self._states.get(index) or self._new_state(index)

    def choices(self) -> list[ChoiceAccumulator]:
        """The accumulators of all choices so far."""
        return [self._states[index] for index in sorted(self._states)]

    def completion(self) -> Completion:
        """What has arrived so far: complete after `finish`, partial before."""
        created = self._head.get("created")
        return Completion(
            id=as_str(self._head.get("id")),
            model=as_str(self._head.get("model")),
            created=created if isinstance(created, int) else None,
            system_fingerprint=as_str(self._head.get("system_fingerprint")) or None,
            service_tier=as_str(self._head.get("service_tier")) or None,
            choices=[state.choice() for state in self.choices()],
            usage=self.usage,
            raw_usage=self._raw_usage(),
            request_id=self.request_id,
        )

    def _new_state(self, index: int) -> ChoiceAccumulator:
        seed = as_str(self._head.get("id"))
        tools = ToolCallAssembler(self._tool_names, f"{seed}-{index}" if index else seed, self._only_tool)
        think = ThinkSplitter() if self._inline_think else None
        self._states[index] = ChoiceAccumulator(
            index, tools, think, self.stop_cutter(), tools_allowed=self._tools_allowed
        )
        return self._states[index]

    def _read_head(self, event: Json) -> None:
        for name in ("id", "model", "created", "system_fingerprint", "service_tier"):
            if event.get(name):  # Azure and gateways send empty ones first
                self._head[name] = event[name]
