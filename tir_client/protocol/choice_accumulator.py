"""Accumulates the events of one choice of an answer. Pure."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tir_client.errors import ResponseError
from tir_client.protocol.error_responses import describe_body
from tir_client.protocol.json_fields import as_dict, as_list, as_str, as_text
from tir_client.protocol.placeholders import value_placeholder
from tir_client.protocol.reasoning import State, ThinkSplitter
from tir_client.protocol.responses import Choice, Json, ToolCallDelta

if TYPE_CHECKING:
    from tir_client.protocol.stop_words import StopCutter
    from tir_client.protocol.tool_calls import ToolCallAssembler


@dataclass(slots=True)
class ChoiceDelta:
    """What one event adds to a choice."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] | tuple[()] = ()
    finish_reason: str | None = None
    refusal: str = ""
    logprobs: list[Json] | None = None
    token_ids: list[int] | None = None


class ChoiceAccumulator:
    """One choice while it arrives. Text is kept in pieces and joined when it is read.

    Attributes:
        tools: The tool calls up to here.
    """

    __slots__ = (
        "_logprobs",
        "_reasoning",
        "_refusal",
        "_text",
        "_think",
        "_token_ids",
        "_tools_allowed",
        "error",
        "finish_reason",
        "index",
        "stop_cutter",
        "stop_reason",
        "tools",
    )

    def __init__(
        self,
        index: int,
        tools: ToolCallAssembler,
        think: ThinkSplitter | None,
        stop_cutter: StopCutter | None,
        *,
        tools_allowed: bool,
    ) -> None:
        self.index = index
        self.error = ""
        self.finish_reason: str | None = None
        self.stop_reason: int | str | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self.tools = tools
        self._tools_allowed = tools_allowed
        self._think = think
        self.stop_cutter = stop_cutter
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

    def choice(self) -> Choice:
        """A copy of what has arrived so far; later events do not change it."""
        return Choice(
            index=self.index,
            text=self.text + (self.stop_cutter.held if self.stop_cutter else ""),
            reasoning=self.reasoning,
            tool_calls=self.tools.calls(cut=self.finish_reason == "length"),
            finish_reason=self.finish_reason,
            stop_reason=self.stop_reason,
            refusal=_joined(self._refusal),
            logprobs=None if self._logprobs is None else [*self._logprobs],
            token_ids=None if self._token_ids is None else [*self._token_ids],
        )

    def add(self, raw: Json, added: ChoiceDelta) -> bool:
        """Add one event, and write the new parts into `added`; return False if there are none."""
        message = as_dict(raw.get("delta") or raw.get("message") or _empty(raw), "message")
        # vLLM 0.11.1 to 0.15 sends the same text under both names: use one of them.
        reasoning = as_text(message.get("reasoning") or message.get("reasoning_content"))
        content = message.get("content")
        if isinstance(content, list):
            thoughts, content = _split_parts(content)
            reasoning = reasoning or thoughts
        text = as_text(content)
        if raw.get("error"):  # some routers report it here
            self.error = describe_body({"error": raw["error"]})
        finish = self._finish(raw) if raw.get("finish_reason") else None
        if self._think is not None and (text or finish):
            inline, text = self._split(self._think, text, finish=finish, reasoned=bool(reasoning))
            reasoning += inline
        if self.stop_cutter is not None and (text or finish):
            text = self.stop_cutter.feed(text, first=not self._text) + (
                self.stop_cutter.end(self.stop_reason) if finish else ""
            )
        if text:
            self._text.append(text)
        if reasoning:
            self._reasoning.append(reasoning)
        added.text, added.reasoning, added.finish_reason = text, reasoning, finish
        if (calls := message.get("tool_calls") or _old_call(message)) and self._tools_allowed:
            added.tool_calls = self.tools.add(as_list(calls, "tool_calls"), whole="message" in raw)
        rare = raw.get("logprobs") or raw.get("token_ids") or message.get("refusal")
        if rare:
            self._add_rare(raw, message, added)
        return bool(text or reasoning or added.tool_calls or finish or rare)

    def _split(self, think: ThinkSplitter, text: str, *, finish: str | None, reasoned: bool) -> tuple[str, str]:
        if think.state is State.START and (reasoned or self._reasoning):
            self._think = None  # the server splits the reasoning itself, so tags are text
            return "", think.flush()[1] + text
        inline, text = think.feed(text)
        if not finish:
            return inline, text
        last_inline, last_text = think.flush()
        return inline + last_inline, text + last_text

    def _finish(self, raw: Json) -> str | None:
        if self.finish_reason is not None:
            return None  # it is repeated
        reason = as_str(raw["finish_reason"])
        self.finish_reason = "stop" if reason == "tool_calls" and not self._tools_allowed else reason
        self.stop_reason = _stop_reason(raw)
        return self.finish_reason

    def _add_rare(self, raw: Json, message: Json, added: ChoiceDelta) -> None:
        """Add the rare parts: log probabilities, token ids, a refusal."""
        if logprobs := raw.get("logprobs"):
            added.logprobs = _tokens(as_dict(logprobs, "logprobs").get("content"), "logprobs.content")
            self._logprobs = _extended(self._logprobs, added.logprobs)
        if token_ids := raw.get("token_ids"):
            added.token_ids = as_list(token_ids, "token_ids")
            self._token_ids = _extended(self._token_ids, added.token_ids)
        if refusal := message.get("refusal"):
            added.refusal = as_text(refusal)
            self._refusal.append(added.refusal)


def _tokens(value: Any, name: str) -> list[Json]:
    tokens = as_list(value, name)
    for token in tokens:
        text, logprob = (as_dict(token, name).get(part) for part in ("token", "logprob"))
        is_float = isinstance(logprob, float) or (isinstance(logprob, int) and abs(logprob) <= sys.maxsize)
        if not isinstance(text, str) or not is_float:
            raise ResponseError(f"The answer's `{name}` has a token without a text or a log probability.")
        if not all(isinstance(byte, int) for byte in as_list(token.get("bytes"), "bytes")):
            raise ResponseError(f"The answer's `{name}` has a token whose bytes are not numbers.")
        _tokens(token.get("top_logprobs"), "top_logprobs")
    return tokens


def _extended(items: list[Any] | None, more: list[Any]) -> list[Any]:
    """`items` with `more` appended in place: copying for each chunk would take quadratic time."""
    if items is None:
        return [*more]
    items += more
    return items


def _split_parts(parts: list[Any]) -> tuple[str, list[Any]]:
    """The reasoning among content parts, of Mistral (`thinking`) or Databricks (`summary`), and the other parts.

    A placeholder replaces a part that is not text, such as an image.
    """
    thoughts = [part for part in parts if _is_thought(part)]
    names = ("reasoning", "thinking", "summary", "text")
    texts = [as_text(next(filter(None, map(thought.get, names)), None)) for thought in thoughts]
    return "\n".join(filter(None, texts)), [_as_text(part) for part in parts if not _is_thought(part)]


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in ("reasoning", "thinking")


def _as_text(part: Any) -> Any:
    if not isinstance(part, dict) or "text" in part or part.get("type") in (None, "", "text"):
        return part
    return value_placeholder(as_str(part["type"]), part)


def _empty(raw: Json) -> Json:
    if not {"delta", "message", "error"} & raw.keys():
        raise ResponseError("The answer is not a chat completion: a choice has neither a `message` nor a `delta`.")
    return {}


def _old_call(message: Json) -> list[Json] | None:
    """OpenAI's old `function_call` as a tool call."""
    call = message.get("function_call")
    return [{"index": 0, "function": call}] if isinstance(call, dict) else None


def _joined(pieces: list[str]) -> str:
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def _stop_reason(raw: Json) -> int | str | None:
    """The stop word or token at which a choice ended.

    SGLang calls it `matched_stop`, and also reports the token that ends every answer there; that token is left out.
    """
    reason, matched = raw.get("stop_reason"), raw.get("matched_stop")
    return matched if reason is None and isinstance(matched, str) else reason
