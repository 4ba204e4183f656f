"""Whole answers and stream chunks, key by key in the order of a vLLM 0.32 server."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from tir_sandbox import tokenizer
from tir_sandbox.generation import Generation, Piece, is_gpt_oss, marked

FINGERPRINT = "tir-sandbox-not-a-model"
Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What one request is answered with, before it takes the form of a completion or of chunks."""

    id: str
    created: int
    model: str
    body: Mapping[str, Any]
    prompt_tokens: int
    choices: Sequence[Generation]

    @property
    def gpt_oss(self) -> bool:
        """Tell whether the model is served along vLLM's harmony path, whose details differ."""
        return is_gpt_oss(self.model)

    @property
    def hides_calls(self) -> bool:
        """Tell whether a whole answer leaves out the calls the model made all the same; a stream sends them."""
        return self.body.get("tool_choice") == "none"

    def pieces(self, choice: Generation) -> Sequence[Piece]:
        """Return the pieces of a choice, with gpt-oss's markers if single tokens are to be shown."""
        shows_tokens = self.body.get("logprobs") or self.body.get("return_token_ids")
        return tuple(marked(choice.pieces)) if self.gpt_oss and shows_tokens else choice.pieces


def completion(answer: Answer) -> Json:
    """Build a whole chat completion."""
    return {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_choice(answer, index, choice) for index, choice in enumerate(answer.choices)],
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": usage(answer, whole=True),
        "prompt_logprobs": None,
        "prompt_token_ids": _prompt_ids(answer),
        "prompt_text": None,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def _choice(answer: Answer, index: int, choice: Generation) -> Json:
    return {
        "index": index,
        "message": _message(answer, choice),
        "logprobs": _logprobs(answer.body, answer.pieces(choice)),
        "finish_reason": _whole_finish(answer, choice),
        "stop_reason": choice.stop_reason,
        "token_ids": _ids(answer.body, answer.pieces(choice)),
        "routed_experts": None,
    }


def _whole_finish(answer: Answer, choice: Generation) -> str:
    """Say `tool_calls` even of arguments that were cut: a whole gpt-oss answer does (a stream says `length`)."""
    if answer.hides_calls and choice.called():
        return choice.reply.finish_reason or "stop"
    cut_call = choice.reply.finish_reason is None and choice.finish_reason == "length" and choice.called()
    return "tool_calls" if cut_call and answer.gpt_oss else choice.finish_reason


def _message(answer: Answer, choice: Generation) -> Json:
    message: Json = {
        "role": "assistant",
        "content": choice.text("content") or _no_content(answer, choice),
        "refusal": choice.text("refusal") or None,
        "annotations": None,
        "audio": None,
        "function_call": None,
    }
    if choice.called() and not answer.hides_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": choice.text("arguments", index)},
            }
            for index, call in choice.called()
        ]
    return message | dict.fromkeys(_reasoning_keys(choice), choice.text("reasoning") or None)


def _no_content(answer: Answer, choice: Generation) -> str | None:
    forced = answer.body.get("tool_choice") not in (None, "auto", "none")
    silent = not choice.pieces and choice.reply.text is not None
    return "" if silent or (forced and choice.called()) else None


def _reasoning_keys(choice: Generation) -> list[str]:
    field = choice.reply.reasoning_field
    names = {"both": ["reasoning", "reasoning_content"], "think": ["reasoning"]}
    return names.get(field, [field])


def usage(answer: Answer, *, whole: bool = False, made: int | None = None, reasoned: int | None = None) -> Json:
    """Count the tokens of an answer, or of the first `made` of them."""
    override = dict(answer.choices[0].reply.usage or {}) if answer.choices else {}
    completion_tokens = sum(choice.tokens() for choice in answer.choices) if made is None else made
    if reasoned is None:
        reasoned = sum(choice.tokens("reasoning") for choice in answer.choices)
    cached = {"cached_tokens": override.pop("cached_tokens", 0), "created_cache_tokens": 0}
    thought = override.pop("reasoning_tokens", reasoned if answer.gpt_oss else None)
    counted: Json = {
        "prompt_tokens": answer.prompt_tokens,
        "total_tokens": answer.prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
    }
    if made is None:
        counted["prompt_tokens_details"] = cached | ({"multimodal_tokens": None} if whole else {})
    if whole or made is not None or thought is not None:
        counted["completion_tokens_details"] = None if thought is None else {"reasoning_tokens": thought}
    return counted | override


def chunks(answer: Answer) -> Iterator[Json]:
    """Build the chunks of a stream: roles, then the choices' pieces in turn, then usage if it is wanted."""
    options = answer.body.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))
    continuous = with_usage and bool(options.get("continuous_usage_stats"))
    continuous = continuous or any(choice.reply.continuous_usage for choice in answer.choices)
    made = reasoned = 0
    for step, kind, tokens in _steps(answer):
        made, reasoned = made + tokens, reasoned + (tokens if kind == "reasoning" else 0)
        chunk = _frame(answer, [step])
        if continuous:
            chunk["usage"] = usage(answer, made=made, reasoned=reasoned)
        if kind == "role":
            chunk |= {"prompt_token_ids": _prompt_ids(answer), "prompt_text": None}
        if step["finish_reason"] is not None and not with_usage:
            chunk["system_fingerprint"] = FINGERPRINT
        yield chunk
    if with_usage:
        yield _frame(answer, []) | {"usage": usage(answer), "system_fingerprint": FINGERPRINT}


def _frame(answer: Answer, choices: list[Json]) -> Json:
    return {
        "id": answer.id,
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
        "choices": choices,
    }


def _steps(answer: Answer) -> Iterator[tuple[Json, str, int]]:
    for index in range(len(answer.choices)):
        first = {"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": None}
        yield first | {"finish_reason": None}, "role", 0
    rows = [list(_choice_steps(answer, i, choice)) for i, choice in enumerate(answer.choices)]
    for row in zip_longest(*rows):
        yield from (step for step in row if step is not None)


def _choice_steps(answer: Answer, index: int, choice: Generation) -> Iterator[tuple[Json, str, int]]:
    pieces = answer.pieces(choice)
    for position, piece in enumerate(pieces, 1):
        step = _step(answer, index, _delta(answer, choice, piece), [piece])
        if position == len(pieces) and choice.ends_with_text:
            step = _finished(step, choice)
        yield step, piece.kind, 0 if piece.kind == "marker" else max(1, tokenizer.count(piece.text))
    if not (pieces and choice.ends_with_text):
        yield _finished(_step(answer, index, {}, []), choice), "finish", 0


def _step(answer: Answer, index: int, delta: Json, pieces: Sequence[Piece]) -> Json:
    logprobs = _logprobs(answer.body, pieces) if pieces else None
    ids = _ids(answer.body, pieces)
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None, "token_ids": ids}


def _finished(step: Json, choice: Generation) -> Json:
    ids = step.pop("token_ids")
    return step | {"finish_reason": choice.finish_reason, "stop_reason": choice.stop_reason, "token_ids": ids}


def _delta(answer: Answer, choice: Generation, piece: Piece) -> Json:
    if piece.kind == "reasoning":
        return dict.fromkeys(_reasoning_keys(choice), piece.text)
    if piece.kind == "content":
        hidden = answer.body.get("include_reasoning") is False and answer.gpt_oss
        return {"content": piece.text} | ({"reasoning": None} if hidden else {})
    if piece.kind == "refusal":
        return {"refusal": piece.text}
    if piece.kind == "marker":
        return {}
    call: Json = {"index": piece.call, "function": {"arguments": piece.text}}
    if piece.kind == "call":
        asked = choice.calls[piece.call]
        call = {"id": asked.id, "type": "function", "index": piece.call, "function": {"name": asked.name}}
        if answer.gpt_oss:
            call["function"]["arguments"] = ""
    return ({} if answer.gpt_oss else {"content": None}) | {"tool_calls": [call]}


def _ids(body: Mapping[str, Any], pieces: Sequence[Piece]) -> list[int] | None:
    if not body.get("return_token_ids"):
        return None
    return [tokenizer.token_id(token) for token in _tokens(pieces)]


def _prompt_ids(answer: Answer) -> list[int] | None:
    return list(range(answer.prompt_tokens)) if answer.body.get("return_token_ids") else None


def _logprobs(body: Mapping[str, Any], pieces: Sequence[Piece]) -> Json | None:
    if not body.get("logprobs"):
        return None
    top = body.get("top_logprobs") or 0
    return {"content": [_logprob(token) | {"top_logprobs": _likeliest(token, top)} for token in _tokens(pieces)]}


def _tokens(pieces: Sequence[Piece]) -> Iterator[str]:
    for piece in pieces:
        yield from [piece.text] if piece.kind == "marker" else tokenizer.pieces(piece.text)


def _likeliest(token: str, top: int) -> list[Json]:
    return [_logprob(one, rank) for rank, one in enumerate([token, *(f"{token}{i}" for i in range(1, top))][:top])]


def _logprob(token: str, rank: int = 0) -> Json:
    return {"token": token, "logprob": -0.125 * (1 + rank) * (1 + len(token) % 4), "bytes": list(token.encode())}
