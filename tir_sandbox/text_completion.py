"""The older completions API: bare text in, bare text out."""

from collections.abc import Iterator, Mapping
from typing import Any

from tir_sandbox import tokenizer
from tir_sandbox.responses import FINGERPRINT, Answer, usage

Json = dict[str, Any]


def as_chat(body: Mapping[str, Any]) -> Json:
    """Give a completion request the messages a chat request has."""
    return {**body, "messages": [{"role": "user", "content": tokenizer.text_of(body["prompt"])}]}


def completion(answer: Answer) -> Json:
    """Build a whole text completion."""
    return _frame(answer, [_choice(answer, index, whole=True) for index in range(len(answer.choices))]) | {
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": _usage(answer, whole=True),
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def _choice(answer: Answer, index: int, *, whole: bool) -> Json:
    choice = answer.choices[index]
    echo = tokenizer.text_of(answer.body["prompt"]) if answer.body.get("echo") else ""
    ids = {"token_ids": None, "prompt_logprobs": None, "prompt_token_ids": None, "routed_experts": None}
    return {
        "index": index,
        "text": echo + choice.text("content"),
        "logprobs": None,
        "finish_reason": choice.finish_reason,
        "stop_reason": choice.stop_reason,
    } | (ids if whole else {"prompt_token_ids": None, "token_ids": None})


def chunks(answer: Answer) -> Iterator[Json]:
    """Build the chunks of a streamed text completion; the last piece carries the finish reason."""
    for index, choice in enumerate(answer.choices):
        pieces = [piece.text for piece in choice.pieces if piece.kind == "content"] or [""]
        ended = _choice(answer, index, whole=False)
        going = ended | {"finish_reason": None, "stop_reason": None}
        for text in pieces[:-1]:
            yield _frame(answer, [going | {"text": text}])
        yield _frame(answer, [ended | {"text": pieces[-1]}])
    if (answer.body.get("stream_options") or {}).get("include_usage"):
        yield _frame(answer, []) | {"usage": _usage(answer, whole=False), "system_fingerprint": FINGERPRINT}


def _frame(answer: Answer, choices: list[Json]) -> Json:
    return {
        "id": answer.id,
        "object": "text_completion",
        "created": answer.created,
        "model": answer.model,
        "choices": choices,
    }


def _usage(answer: Answer, *, whole: bool) -> Json:
    counted = usage(answer, whole=whole)
    cached = {"cached_tokens": counted["prompt_tokens_details"]["cached_tokens"]}
    details = cached | ({"created_cache_tokens": None, "multimodal_tokens": None} if whole else {})
    return counted | {"prompt_tokens_details": details}
