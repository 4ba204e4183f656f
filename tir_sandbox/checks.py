"""What the endpoint refuses, in the order in which vLLM looks."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from tir_sandbox import errors, request_models, tokenizer
from tir_sandbox.generation import is_gpt_oss
from tir_sandbox.schema import problem_of

Body = Mapping[str, Any]
_USAGE = 'Correct usage: `{"type": "function", "function": {"name": "my_function"}}`'
_GPT_OSS_ROLES = ("user", "assistant", "system", "developer", "tool")
_SEES = re.compile(r"(?<![a-z])vl(?![a-z])|vision|llava|pixtral|multimodal|omni|gemma_?3|llama_?4")
_MEDIA = frozenset(["image_url", "input_image", "audio_url", "input_audio", "video_url"])
_PARTS = _MEDIA | {"text", "input_text", "output_text", "refusal", "thinking"}
_MOST_LOGPROBS = 20


def check_shape(body: Body) -> dict[str, Any]:
    """Refuse a chat request that is malformed; return it with its values converted."""
    _tool_choice_needs_tools(body)
    _logprobs_are_asked_for(body)
    if body.get("stream_options") and not body.get("stream"):
        raise errors.bad_value("Stream options can only be defined when `stream=True`.", "stream_options")
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema" and wanted.get("json_schema") is None:
        message = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        raise errors.bad_value(message, "response_format")
    return request_models.chat(body)


def _tool_choice_needs_tools(body: Body) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools == []:
        message = "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely."
        raise errors.bad_value(message, "tools")
    if choice in (None, "none"):
        return
    if tools is None:
        raise errors.bad_value("When using `tool_choice`, `tools` must be set.", "tool_choice")
    if isinstance(choice, Mapping):
        _named_tool_is_there(choice, tools)
    elif choice not in ("auto", "required"):
        message = f'Invalid value for `tool_choice`: {choice}! Only named tools, "none", "auto" or "required" are'
        raise errors.bad_value(f"{message} supported.", "tool_choice")


def _named_tool_is_there(choice: Body, tools: Any) -> None:
    function = choice.get("function")
    if not isinstance(function, Mapping):
        message = f"Invalid value for `function`: `{function}` in `tool_choice`! {_USAGE}"
        raise errors.bad_value(message, "tool_choice.function")
    if "name" not in function:
        message = f"Expected field `name` in `function` in `tool_choice`! {_USAGE}"
        raise errors.bad_value(message, "tool_choice.function.name")
    offered = [tool.get("function") for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
    if function["name"] not in [one.get("name") for one in offered if isinstance(one, Mapping)]:
        message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
        raise errors.bad_value(message, "tool_choice")


def _logprobs_are_asked_for(body: Body) -> None:
    top = body.get("top_logprobs")
    if isinstance(top, int) and top < -1:
        raise errors.bad_value("`top_logprobs` must be a positive value or -1.", "top_logprobs", top)
    if top and not body.get("logprobs"):
        raise errors.bad_value("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")


def check_values(body: Body, window: int) -> None:
    """Refuse a request that cannot be served, or whose prompt does not fit the context window."""
    _messages_are_readable(body)
    _effort_suits_gpt_oss(body)
    _tokens_fit(body, window)
    _numbers_are_in_bounds(body)
    _constraints_are_sound(body)


def _messages_are_readable(body: Body) -> None:
    model = str(body["model"])
    if not body["messages"] and not is_gpt_oss(model):
        raise errors.bad_request("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for at, message in enumerate(body["messages"]):
        if is_gpt_oss(model) and message["role"] not in _GPT_OSS_ROLES:
            raise errors.unknown_role(message["role"])
        if message.get("content", "") is None and message["role"] not in ("assistant", "function"):
            raise errors.not_a_string(f"body.messages.{at}.content")
        if isinstance(message.get("content"), list):
            _parts_are_readable(message["content"], model)


def _parts_are_readable(parts: list[Any], model: str) -> None:
    """Refuse parts that the model does not read; gpt-oss leaves media out without an error."""
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in _PARTS and not (kind == "file" and is_gpt_oss(model)):
            message = f"Unsupported chat content part type: {kind!r}. Supported types: {', '.join(sorted(_PARTS))}."
            raise errors.bad_value(message, "type", kind)
        if kind in _MEDIA and not is_gpt_oss(model) and not _SEES.search(model.lower().replace("-", "_")):
            raise errors.bad_request(f"{model} is not a multimodal model")


def _effort_suits_gpt_oss(body: Body) -> None:
    effort = body.get("reasoning_effort")
    if effort in (None, "low", "medium", "high") or not is_gpt_oss(str(body["model"])):
        return
    message = f"reasoning_effort={effort!r} is not supported by Harmony. Supported values are: high, medium, low."
    if effort == "none":
        message = "Harmony does not support reasoning_effort='none'"
    raise errors.bad_value(message, "reasoning_effort")


def limit(body: Body) -> int | None:
    """Return how many tokens the answer may have."""
    newer: int | None = body.get("max_completion_tokens")
    return body.get("max_tokens") if newer is None else newer


def _tokens_fit(body: Body, window: int) -> None:
    most, template = limit(body), not is_gpt_oss(str(body["model"]))
    if template and most is not None and most > window:
        message = (
            f"max_tokens={most} cannot be greater than max_model_len={window}. Please request fewer output tokens."
        )
        raise errors.bad_value(message, "max_tokens", most)
    prompt_fits(tokenizer.prompt_tokens(body), window, template=template)


def prompt_fits(tokens: int, window: int, *, template: bool) -> None:
    """Refuse a prompt longer than the context window; gpt-oss and chat-template models word it differently."""
    if tokens <= window:
        return
    if not template:
        message = f"Input length ({tokens}) exceeds model's maximum context length ({window})."
        raise errors.bad_request(message)
    message = (
        f"This model's maximum context length is {window} tokens. However, your prompt contains at least "
        f"{window + 1} input tokens, which exceeds this limit even without any output tokens. "
        "Please reduce the length of the input prompt."
    )
    raise errors.bad_value(message, "input_tokens", window + 1)


_TWO = 2
_BOUNDS: tuple[tuple[str, Callable[[Any], bool], str, bool], ...] = (
    ("n", lambda n: n >= 1, "n must be at least 1, got {}.", False),
    ("presence_penalty", lambda value: abs(value) <= _TWO, "presence_penalty must be in [-2, 2], got {}.", False),
    ("frequency_penalty", lambda value: abs(value) <= _TWO, "frequency_penalty must be in [-2, 2], got {}.", False),
    ("repetition_penalty", lambda value: value > 0, "repetition_penalty must be greater than zero, got {}.", False),
    ("temperature", math.isfinite, "temperature must be a finite number, got {}.", True),
    ("temperature", lambda value: value >= 0, "temperature must be non-negative, got {}.", True),
    ("temperature", lambda value: value <= _TWO, "temperature must be in [0, 2], got {}.", True),
    ("top_p", lambda value: 0 < value <= 1, "top_p must be in (0, 1], got {}.", True),
    ("top_k", lambda value: value >= -1, "top_k must be 0 (disable), or at least 1, got {}.", False),
    ("min_p", lambda value: 0 <= value <= 1, "min_p must be in [0, 1], got {}.", False),
    ("max_tokens", lambda value: value >= 1, "max_tokens must be at least 1, got {}.", True),
    ("min_tokens", lambda value: value >= 0, "min_tokens must be greater than or equal to 0, got {}.", False),
)
"""A parameter, its bounds, vLLM's words, and whether they name the parameter."""


def _numbers_are_in_bounds(body: Body) -> None:
    values = {**body, "max_tokens": limit(body)}
    for name, is_allowed, message, names_it in _BOUNDS:
        value = values.get(name)
        if value is not None and not is_allowed(value):
            text = message.format(value)
            raise errors.bad_value(text, name, value) if names_it else errors.bad_request(text)
    top = body.get("top_logprobs") or 0
    if top > _MOST_LOGPROBS:
        message = f"Requested sample logprobs of {top}, which is greater than max allowed: {_MOST_LOGPROBS}"
        raise errors.bad_value(message, "logprobs", top)
    if "" in ([body.get("stop")] if isinstance(body.get("stop"), str) else body.get("stop") or []):
        raise errors.bad_request("stop cannot contain an empty string.")


def _constraints_are_sound(body: Body) -> None:
    """Refuse a schema or a pattern that an answer cannot be bound to."""
    outputs, wanted = body.get("structured_outputs") or {}, body.get("response_format") or {}
    schemas = [outputs.get("json"), (wanted.get("json_schema") or {}).get("schema")]
    for schema in schemas:
        try:
            loaded = json.loads(schema) if isinstance(schema, str) else schema
        except ValueError as problem:
            raise errors.bad_request("Invalid JSON grammar specification.") from problem
        if loaded is not None and (found := problem_of(loaded)):
            raise errors.bad_request(f"Grammar error: {found}")
    if found := problem_of({"pattern": outputs.get("regex") or ""}):
        raise errors.bad_request(f"Grammar error: {found}")
