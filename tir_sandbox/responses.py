"""Builds whole answers and stream chunks, with the keys and their order of vLLM 0.32."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tir_sandbox import tokenizer
from tir_sandbox.generation import Generation, Kind, Piece, is_gpt_oss

_FINGERPRINT = "tir-sandbox-not-a-model"
Json = dict[str, Any]


@dataclass(frozen=True)
class ChatAnswer:
    """The answer to one chat request, to be sent whole or as chunks."""

    id: str
    created: int
    body: Mapping[str, Any]
    prompt_tokens: int
    choices: Sequence[Generation]

    @property
    def gpt_oss(self) -> bool:
        """Whether the model is a gpt-oss model, whose answers differ in details."""
        return is_gpt_oss(self.body["model"])


def completion(answer: ChatAnswer) -> Json:
    """Build a whole chat completion."""
    return {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.body["model"],
        "choices": [_choice(answer, index, choice) for index, choice in enumerate(answer.choices)],
        "service_tier": None,
        "system_fingerprint": _FINGERPRINT,
        "usage": usage(answer, whole=True),
        "prompt_logprobs": None,
        "prompt_token_ids": _prompt_ids(answer),
        **dict.fromkeys(["prompt_text", "kv_transfer_params", "ec_transfer_params", "metrics"]),
    }


def _choice(answer: ChatAnswer, index: int, choice: Generation) -> Json:
    finish, calls = choice.finish_reason, choice.called()
    if answer.body.get("tool_choice") == "none":  # vLLM drops calls from whole answers, but streams them
        calls, finish = [], choice.reply.finish_reason or ("stop" if calls else finish)
    elif calls and finish == "length" and choice.reply.finish_reason is None and answer.gpt_oss:
        finish = "tool_calls"  # unlike its streams, vLLM's whole answers do not report truncated arguments
    return {
        "index": index,
        "message": _message(answer, choice, calls),
        "logprobs": _logprobs(answer.body, choice.pieces),
        "finish_reason": finish,
        "stop_reason": choice.stop_reason,
        "token_ids": _ids(answer.body, choice.pieces),
        "routed_experts": None,
    }


def _message(answer: ChatAnswer, choice: Generation, calls: Sequence[tuple[int, Any]]) -> Json:
    forced = answer.body.get("tool_choice") not in (None, "auto", "none")
    silent = not choice.pieces and choice.reply.text is not None
    message: Json = {
        "role": "assistant",
        "content": choice.text("content") or ("" if silent or (forced and calls) else None),
        "refusal": choice.text("refusal") or None,
        **dict.fromkeys(["annotations", "audio", "function_call"]),
    }
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": choice.text("arguments", index)},
            }
            for index, call in calls
        ]
    return message | dict.fromkeys(_reasoning_keys(choice), choice.text("reasoning") or None)


def _reasoning_keys(choice: Generation) -> list[str]:
    field = choice.reply.reasoning_field
    names = {"both": ["reasoning", "reasoning_content"], "think": ["reasoning"]}
    return names.get(field, [field])


def usage(answer: ChatAnswer, made: Counter[Kind] | None = None, *, whole: bool = False) -> Json:
    """Count the tokens of an answer, or of `made`, its pieces so far. Whole answers have more keys."""
    override = dict(answer.choices[0].reply.usage or {}) if answer.choices else {}
    counts = sum((choice.tokens() for choice in answer.choices), Counter[Kind]()) if made is None else made
    cached = {"cached_tokens": override.pop("cached_tokens", 0), "created_cache_tokens": 0}
    thought = override.pop("reasoning_tokens", counts["reasoning"] if answer.gpt_oss else None)
    counted: Json = {
        "prompt_tokens": answer.prompt_tokens,
        "total_tokens": answer.prompt_tokens + counts.total(),
        "completion_tokens": counts.total(),
    }
    if made is None:
        counted["prompt_tokens_details"] = cached | ({"multimodal_tokens": None} if whole else {})
    if whole or made is not None or thought is not None:
        counted["completion_tokens_details"] = None if thought is None else {"reasoning_tokens": thought}
    return counted | override


def chunks(answer: ChatAnswer) -> Iterator[Json]:
    """Build the chunks of a stream: roles, the pieces of all choices in turn, and usage if requested."""
    options = answer.body.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))
    continuous = with_usage and bool(options.get("continuous_usage_stats"))
    continuous = continuous or any(choice.reply.continuous_usage for choice in answer.choices)
    made: Counter[Kind] = Counter()
    for step, piece in _steps(answer):
        chunk = _frame(answer, [step])
        if piece is not None:
            made[piece.kind] += piece.tokens
        if continuous:
            chunk["usage"] = usage(answer, made)
        if "role" in step["delta"]:
            chunk |= {"prompt_token_ids": _prompt_ids(answer), "prompt_text": None}
        if step["finish_reason"] is not None and not with_usage:
            chunk["system_fingerprint"] = _FINGERPRINT
        yield chunk
    if with_usage:
        yield _frame(answer, []) | {"usage": usage(answer), "system_fingerprint": _FINGERPRINT}


def _frame(answer: ChatAnswer, choices: list[Json]) -> Json:
    return {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.body["model"],
        "choices": choices,
    }


def _steps(answer: ChatAnswer) -> Iterator[tuple[Json, Piece | None]]:
    for index in range(len(answer.choices)):
        delta = {"role": "assistant", "content": ""}
        yield {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}, None
    rows = [list(_choice_steps(answer, i, choice)) for i, choice in enumerate(answer.choices)]
    for row in zip_longest(*rows):
        yield from (step for step in row if step is not None)


def _choice_steps(answer: ChatAnswer, index: int, choice: Generation) -> Iterator[tuple[Json, Piece | None]]:
    """Yield a delta for each piece, and an empty one for the finish reason unless the last piece has it."""
    pieces: list[Piece | None] = [*choice.pieces]
    if not (pieces and choice.ends_with_text):
        pieces.append(None)
    for left, piece in zip(reversed(range(len(pieces))), pieces, strict=True):
        made = [] if piece is None else [piece]
        finish: Json = {"finish_reason": None}
        if left == 0:
            finish = {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason}
        step: Json = {"index": index, "delta": {} if piece is None else _delta(answer, choice, piece)}
        logprobs = _logprobs(answer.body, made) if made else None
        yield step | {"logprobs": logprobs, **finish, "token_ids": _ids(answer.body, made)}, piece


def _delta(answer: ChatAnswer, choice: Generation, piece: Piece) -> Json:
    match piece.kind:
        case "reasoning":
            return dict.fromkeys(_reasoning_keys(choice), piece.text)
        case "content":
            hidden = answer.body.get("include_reasoning") is False and answer.gpt_oss
            return {"content": piece.text} | ({"reasoning": None} if hidden else {})
        case "refusal":
            return {"refusal": piece.text}
        case "call":
            made = choice.calls[piece.call]
            function = {"name": made.name} | ({"arguments": ""} if answer.gpt_oss else {})
            call: Json = {"id": made.id, "type": "function", "index": piece.call, "function": function}
        case "arguments":
            call = {"index": piece.call, "function": {"arguments": piece.text}}
    return ({} if answer.gpt_oss else {"content": None}) | {"tool_calls": [call]}


def _ids(body: Mapping[str, Any], pieces: Sequence[Piece]) -> list[int] | None:
    return [tokenizer.token_id(token) for token in _tokens(pieces)] if body.get("return_token_ids") else None


def _prompt_ids(answer: ChatAnswer) -> list[int] | None:
    return list(range(answer.prompt_tokens)) if answer.body.get("return_token_ids") else None


def _logprobs(body: Mapping[str, Any], pieces: Sequence[Piece]) -> Json | None:
    if not body.get("logprobs"):
        return None
    ranks = range(body.get("top_logprobs") or 0)
    return {
        "content": [
            _logprob(token) | {"top_logprobs": [_logprob(f"{token}{rank or ''}", rank) for rank in ranks]}
            for token in _tokens(pieces)
        ]
    }


def _tokens(pieces: Sequence[Piece]) -> Iterator[str]:
    return (token for piece in pieces for token in tokenizer.pieces(piece.text))


def _logprob(token: str, rank: int = 0) -> Json:
    return {"token": token, "logprob": -0.125 * (1 + rank) * (1 + len(token) % 4), "bytes": list(token.encode())}
