"""One choice of an answer, as the tokens a model would have made: whole answers and streams both come from it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tir_sandbox import tokenizer
from tir_sandbox.replies import Reply, ToolCall

Kind = Literal["reasoning", "content", "refusal", "call", "arguments", "marker"]
_CHANNELS: dict[Kind, str] = {"reasoning": "analysis", "content": "final"}
_CALL_TOKEN = 200012  # `<|call|>`, where gpt-oss stops to have a tool called


def is_gpt_oss(model: str) -> bool:
    """Tell whether a slug names a gpt-oss model, which vLLM serves along its own path."""
    return "gptoss" in model.lower().replace("-", "").replace("_", "")


@dataclass(frozen=True)
class Piece:
    """What one step of the model adds: text, or the head of a tool call."""

    kind: Kind
    text: str = ""
    call: int = 0


@dataclass(frozen=True)
class Generation:
    """All pieces of one choice, and why it ended."""

    reply: Reply
    pieces: tuple[Piece, ...]
    calls: tuple[ToolCall, ...]
    finish_reason: str
    stop_reason: int | str | None
    ends_with_text: bool

    def text(self, kind: Kind, call: int = 0) -> str:
        """Join the pieces of one kind."""
        return "".join(piece.text for piece in self.pieces if piece.kind == kind and piece.call == call)

    def called(self) -> list[tuple[int, ToolCall]]:
        """Return the calls whose head was reached, with their position."""
        return [(piece.call, self.calls[piece.call]) for piece in self.pieces if piece.kind == "call"]

    def tokens(self, kind: Kind | None = None) -> int:
        """Count the tokens made; the head of a call counts for one."""
        return sum(_cost(piece) for piece in self.pieces if kind in (None, piece.kind))


def generate(reply: Reply, body: Mapping[str, Any], ids: Iterator[int]) -> list[Generation]:
    """Turn a scripted reply into the choices the request asks for."""
    n = body.get("n") or 1
    replies = [reply.choices[i % len(reply.choices)] if reply.choices else reply for i in range(n)]
    return [_generation(one, body, ids) for one in replies]


def _generation(reply: Reply, body: Mapping[str, Any], ids: Iterator[int]) -> Generation:
    calls = tuple(_identified(reply.tool_calls, body, ids))
    whole = Generation(
        reply=reply,
        pieces=tuple(_pieces(reply, calls, body)),
        calls=calls,
        finish_reason=reply.finish_reason or _finish(calls, body),
        stop_reason=_stop_reason(reply, calls, body),
        ends_with_text=reply.final_delta_holds_text,
    )
    if reply.finish_reason is not None:
        return whole
    return _cut_by_length(_cut_by_stop(whole, body), body)


def _identified(calls: Iterable[ToolCall], body: Mapping[str, Any], ids: Iterator[int]) -> list[ToolCall]:
    if body.get("tool_choice") == "none" and not is_gpt_oss(str(body.get("model", ""))):
        return []
    one_only = body.get("parallel_tool_calls") is False
    kept = list(calls)[:1] if one_only else list(calls)
    return [replace(call, id=call.id or f"chatcmpl-tool-{next(ids):016x}") for call in kept]


def _finish(calls: tuple[ToolCall, ...], body: Mapping[str, Any]) -> str:
    named = isinstance(body.get("tool_choice"), Mapping)
    return "tool_calls" if calls and not named else "stop"


def _stop_reason(reply: Reply, calls: tuple[ToolCall, ...], body: Mapping[str, Any]) -> int | str | None:
    if reply.stop_reason is not None or not (calls and is_gpt_oss(str(body.get("model", "")))):
        return reply.stop_reason
    return None if len(calls) < len(reply.tool_calls) else _CALL_TOKEN


def _pieces(reply: Reply, calls: tuple[ToolCall, ...], body: Mapping[str, Any]) -> Iterator[Piece]:
    if body.get("include_reasoning") is not False:
        yield from _reasoning(reply)
    yield from (Piece("content", text) for text in _cut(reply.text))
    yield from (Piece("refusal", text) for text in _cut(reply.refusal))
    for index, call in enumerate(calls):
        yield Piece("call", call=index)
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        yield from (Piece("arguments", text, index) for text in _cut(arguments))


def _reasoning(reply: Reply) -> Iterator[Piece]:
    pieces = _cut(reply.reasoning)
    if reply.reasoning_field != "think" or not pieces:
        yield from (Piece("reasoning", text) for text in pieces)
        return
    yield from (Piece("content", text) for text in ["<think>", "\n", *pieces, "\n", "</think>", "\n\n"])


def _cut(text: str | Iterable[str] | None) -> list[str]:
    return tokenizer.pieces(text or "") if text is None or isinstance(text, str) else list(text)


def marked(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Add the tokens with which gpt-oss opens its channels. They are seen where single tokens are asked for."""
    before: Kind | None = None
    for piece in pieces:
        if piece.kind in _CHANNELS and piece.kind != before:
            opening = ["<|channel|>", _CHANNELS[piece.kind], "<|message|>"]
            closing = ["<|end|>", "<|start|>", "assistant"] if before else []
            yield from (Piece("marker", text) for text in closing + opening)
        before = piece.kind
        yield piece


def _cost(piece: Piece) -> int:
    return 1 if piece.kind == "call" else max(1, tokenizer.count(piece.text))


def _cut_by_length(whole: Generation, body: Mapping[str, Any]) -> Generation:
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is None or whole.tokens() <= limit:
        return whole
    kept: list[Piece] = []
    for piece in whole.pieces:
        room = limit - sum(_cost(one) for one in kept)
        if _cost(piece) > room:
            kept += [replace(piece, text="".join(tokenizer.pieces(piece.text)[:room]))] if room else []
            break
        kept.append(piece)
    return replace(whole, pieces=tuple(kept), finish_reason="length", stop_reason=None, ends_with_text=True)


def _cut_by_stop(whole: Generation, body: Mapping[str, Any]) -> Generation:
    """End the answer at the first stop string, which is looked for in the reasoning, too."""
    stop = body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    keep = bool(body.get("include_stop_str_in_output")) or is_gpt_oss(str(body.get("model", "")))
    kinds: tuple[Kind, ...] = ("reasoning", "content")
    for kind in kinds:
        text = whole.text(kind)
        found = min(((text.find(one), one) for one in stops if one in text), default=None)
        if found is not None:
            at, matched = found
            return _ended(whole, kind, at + (len(matched) if keep else 0), matched)
    return whole


def _ended(whole: Generation, kind: Kind, end: int, stop: str) -> Generation:
    kept: list[Piece] = []
    room = end
    for piece in whole.pieces:
        if piece.kind != kind:
            if kind == "content" and piece.kind == "reasoning":
                kept.append(piece)
            continue
        if room <= 0:
            break
        kept.append(replace(piece, text=piece.text[:room]))
        room -= len(piece.text)
    return replace(whole, pieces=tuple(kept), finish_reason="stop", stop_reason=stop, ends_with_text=True)
