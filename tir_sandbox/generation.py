"""Splits a reply into the pieces that a model would generate, for whole answers and streams."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tir_sandbox import tokenizer
from tir_sandbox.answers import Reply, ToolCall

Kind = Literal["reasoning", "content", "refusal", "call", "arguments"]
_CALL_TOKEN = 200012  # `<|call|>`, with which gpt-oss ends a tool call


def is_gpt_oss(model: str) -> bool:
    """Whether a slug names a gpt-oss model, for which vLLM has separate code."""
    return "gptoss" in model.lower().replace("-", "").replace("_", "")


@dataclass(frozen=True)
class Piece:
    """One step of the generation: text, or the name of a tool call."""

    kind: Kind
    text: str = ""
    call: int = 0

    @property
    def tokens(self) -> int:
        """The number of tokens; a tool call's name counts as one."""
        return 1 if self.kind == "call" else max(1, tokenizer.count(self.text))


@dataclass(frozen=True)
class Generation:
    """All pieces of one choice, and its finish reason."""

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
        """Return the calls whose names were generated, with their positions."""
        return [(piece.call, self.calls[piece.call]) for piece in self.pieces if piece.kind == "call"]

    def tokens(self) -> Counter[Kind]:
        """Count the tokens of each kind of piece."""
        counts: Counter[Kind] = Counter()
        for piece in self.pieces:
            counts[piece.kind] += piece.tokens
        return counts


def generate(reply: Reply, body: Mapping[str, Any], ids: Iterator[int]) -> list[Generation]:
    """Return as many choices as the request sets."""
    n = body.get("n") or 1
    replies = [reply.choices[i % len(reply.choices)] if reply.choices else reply for i in range(n)]
    return [_generation(one, body, ids) for one in replies]


def _generation(reply: Reply, body: Mapping[str, Any], ids: Iterator[int]) -> Generation:
    calls = tuple(_calls(reply.tool_calls, body, ids))
    is_named = isinstance(body.get("tool_choice"), Mapping)
    whole = Generation(
        reply=reply,
        pieces=tuple(_pieces(reply, calls, body)),
        calls=calls,
        finish_reason=reply.finish_reason or ("tool_calls" if calls and not is_named else "stop"),
        stop_reason=reply.stop_reason,
        ends_with_text=reply.final_delta_holds_text,
    )
    if calls and reply.stop_reason is None and is_gpt_oss(body["model"]) and len(calls) == len(reply.tool_calls):
        whole = replace(whole, stop_reason=_CALL_TOKEN)
    return whole if reply.finish_reason is not None else _cut_by_length(_cut_by_stop(whole, body), body)


def _calls(calls: Iterable[ToolCall], body: Mapping[str, Any], ids: Iterator[int]) -> list[ToolCall]:
    if body.get("tool_choice") == "none" and not is_gpt_oss(body["model"]):
        return []
    most = 1 if body.get("parallel_tool_calls") is False else None
    return [replace(call, id=call.id or f"chatcmpl-tool-{next(ids):016x}") for call in list(calls)[:most]]


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
    if reply.reasoning_field == "think" and pieces:
        return (Piece("content", text) for text in ["<think>", "\n", *pieces, "\n", "</think>", "\n\n"])
    return (Piece("reasoning", text) for text in pieces)


def _cut(text: str | Iterable[str] | None) -> list[str]:
    return tokenizer.pieces(text or "") if text is None or isinstance(text, str) else list(text)


def _cut_by_length(whole: Generation, body: Mapping[str, Any]) -> Generation:
    room = body.get("max_tokens")
    if room is None or whole.tokens().total() <= room:
        return whole
    pieces = _first(whole.pieces, room, tokenizer.pieces)
    return replace(whole, pieces=pieces, finish_reason="length", stop_reason=None, ends_with_text=True)


def _cut_by_stop(whole: Generation, body: Mapping[str, Any]) -> Generation:
    """Cut the answer at the first stop string. vLLM also searches the reasoning."""
    stop = body.get("stop") or []
    text = whole.text("reasoning") + whole.text("content")
    found = [(text.find(one), one) for one in ([stop] if isinstance(stop, str) else stop) if one in text]
    if not found:
        return whole
    room, matched = min(found)
    if body.get("include_stop_str_in_output") or is_gpt_oss(body["model"]):
        room += len(matched)
    pieces = _first(whole.pieces, room, list)
    return replace(whole, pieces=pieces, finish_reason="stop", stop_reason=matched, ends_with_text=True)


def _first(pieces: Iterable[Piece], room: int, units: Callable[[str], Sequence[str]]) -> tuple[Piece, ...]:
    """Return the first pieces up to `room` units of text, which are tokens or characters."""
    kept: list[Piece] = []
    for piece in pieces:
        if room <= 0:
            break
        kept.append(replace(piece, text="".join(units(piece.text)[:room])))
        room -= piece.tokens if units is tokenizer.pieces else len(piece.text)
    return tuple(kept)
