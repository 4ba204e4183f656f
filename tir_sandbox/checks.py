"""Checks chat requests as vLLM does, with the same errors in the same order."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tir_sandbox import errors, tokenizer
from tir_sandbox.generation import is_gpt_oss
from tir_sandbox.request_models import Chat, validated
from tir_sandbox.schema import problem_of

Body = Mapping[str, Any]
_GPT_OSS_ROLES = ("user", "assistant", "system", "developer", "tool")
_UNKNOWN_ROLE = (
    "1 validation error for Author\nrole\n  Input should be 'user', 'assistant', 'system', 'developer' or 'tool' "
    "[type=enum, input_value={!r}, input_type=str]\n"
    "    For further information visit https://errors.pydantic.dev/2.14/v/enum"
)
_VISION = re.compile(r"(?<![a-z])vl(?![a-z])|vision|llava|pixtral|multimodal|omni|gemma_?3|llama_?4")
_MEDIA = frozenset(["image_url", "input_image", "audio_url", "input_audio", "video_url"])
_PARTS = _MEDIA | {"text", "input_text", "output_text", "refusal", "thinking"}
_MOST_LOGPROBS = 20
_TWO = 2


def check_shape(body: Body) -> dict[str, Any]:
    """Refuse a malformed chat request; return it with converted values, and its token limit as `max_tokens`."""
    _check_tool_choice(body)
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise errors.bad_value("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")
    if body.get("stream_options") and not body.get("stream"):
        raise errors.bad_value("Stream options can only be defined when `stream=True`.", "stream_options")
    wanted = body.get("response_format")
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_schema" and wanted.get("json_schema") is None:
        message = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        raise errors.bad_value(message, "response_format")
    valid = validated(Chat, body)
    newer = valid.get("max_completion_tokens")
    return valid if newer is None else valid | {"max_tokens": newer}


def _check_tool_choice(body: Body) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools == []:
        message = "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely."
        raise errors.bad_value(message, "tools")
    if choice in (None, "none"):
        return
    if tools is None:
        raise errors.bad_value("When using `tool_choice`, `tools` must be set.", "tool_choice")
    if isinstance(choice, Mapping):
        _check_named_tool(choice, tools)
    elif choice not in ("auto", "required"):
        message = f'Invalid value for `tool_choice`: {choice}! Only named tools, "none", "auto" or "required" are'
        raise errors.bad_value(f"{message} supported.", "tool_choice")


def _check_named_tool(choice: Body, tools: Any) -> None:
    function = choice.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        usage = 'Correct usage: `{"type": "function", "function": {"name": "my_function"}}`'
        message = f"Invalid value for `function`: `{function}` in `tool_choice`! {usage}"
        raise errors.bad_value(message, "tool_choice.function")
    offered = [tool.get("function") for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list) else []
    if function["name"] not in [one.get("name") for one in offered if isinstance(one, Mapping)]:
        message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
        raise errors.bad_value(message, "tool_choice")


def check_values(body: Body, window: int) -> None:
    """Refuse values that the model does not support, and a prompt that exceeds the context window."""
    _check_messages(body)
    _check_effort(body)
    _check_limit(body, window)
    _check_numbers(body)
    _check_constraints(body)


def _check_messages(body: Body) -> None:
    model = str(body["model"])
    if not body["messages"] and not is_gpt_oss(model):
        raise errors.bad_request("Cannot apply chat template to an empty conversation. Provide at least one message.")
    for at, message in enumerate(body["messages"]):
        if is_gpt_oss(model) and message["role"] not in _GPT_OSS_ROLES:
            raise errors.bad_request(_UNKNOWN_ROLE.format(message["role"]))
        if message.get("content", "") is None and message["role"] not in ("assistant", "function"):
            problem = {"type": "string_type", "loc": f"body.messages.{at}.content"}
            raise errors.invalid({**problem, "msg": "Input should be a valid string", "input": "None"})
        if isinstance(message.get("content"), list):
            _check_parts(message["content"], model)


def _check_parts(parts: list[Any], model: str) -> None:
    """Refuse parts that the model does not support; for gpt-oss, media are dropped without an error."""
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in _PARTS and not (kind == "file" and is_gpt_oss(model)):
            message = f"Unsupported chat content part type: {kind!r}. Supported types: {', '.join(sorted(_PARTS))}."
            raise errors.bad_value(message, "type", kind)
        if kind in _MEDIA and not is_gpt_oss(model) and not _VISION.search(model.lower().replace("-", "_")):
            raise errors.bad_request(f"{model} is not a multimodal model")


def _check_effort(body: Body) -> None:
    effort = body.get("reasoning_effort")
    if effort in (None, "low", "medium", "high") or not is_gpt_oss(str(body["model"])):
        return
    message = f"reasoning_effort={effort!r} is not supported by Harmony. Supported values are: high, medium, low."
    if effort == "none":
        message = "Harmony does not support reasoning_effort='none'"
    raise errors.bad_value(message, "reasoning_effort")


def _check_limit(body: Body, window: int) -> None:
    most, model = body.get("max_tokens"), str(body["model"])
    if most is not None and most > window and not is_gpt_oss(model):
        message = f"max_tokens={most} cannot be greater than max_model_len={window}."
        raise errors.bad_value(f"{message} Please request fewer output tokens.", "max_tokens", most)
    check_prompt(tokenizer.prompt_tokens(body), window, model)


def check_prompt(tokens: int, window: int, model: str) -> None:
    """Refuse a prompt that exceeds the context window. vLLM has another message for gpt-oss."""
    if tokens <= window:
        return
    if is_gpt_oss(model):
        raise errors.bad_request(f"Input length ({tokens}) exceeds model's maximum context length ({window}).")
    message = (
        f"This model's maximum context length is {window} tokens. However, your prompt contains at least "
        f"{window + 1} input tokens, which exceeds this limit even without any output tokens. "
        "Please reduce the length of the input prompt."
    )
    raise errors.bad_value(message, "input_tokens", window + 1)


_BOUNDS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("n", lambda n: n >= 1, "must be at least 1"),
    ("presence_penalty", lambda value: abs(value) <= _TWO, "must be in [-2, 2]"),
    ("frequency_penalty", lambda value: abs(value) <= _TWO, "must be in [-2, 2]"),
    ("repetition_penalty", lambda value: value > 0, "must be greater than zero"),
    ("temperature", lambda value: value >= 0, "must be non-negative"),
    ("temperature", lambda value: value <= _TWO, "must be in [0, 2]"),
    ("top_p", lambda value: 0 < value <= 1, "must be in (0, 1]"),
    ("top_k", lambda value: value >= -1, "must be 0 (disable), or at least 1"),
    ("min_p", lambda value: 0 <= value <= 1, "must be in [0, 1]"),
    ("max_tokens", lambda value: value >= 1, "must be at least 1"),
    ("min_tokens", lambda value: value >= 0, "must be greater than or equal to 0"),
)
_WITH_PARAM = ("temperature", "top_p", "max_tokens")


def _check_numbers(body: Body) -> None:
    for name, is_allowed, rule in _BOUNDS:
        value = body.get(name)
        if value is not None and not is_allowed(value):
            text = f"{name} {rule}, got {value}."
            raise errors.bad_value(text, name, value) if name in _WITH_PARAM else errors.bad_request(text)
    top = body.get("top_logprobs") or 0
    if top > _MOST_LOGPROBS:
        message = f"Requested sample logprobs of {top}, which is greater than max allowed: {_MOST_LOGPROBS}"
        raise errors.bad_value(message, "logprobs", top)
    stop = body.get("stop")
    if stop == "" or (isinstance(stop, list) and "" in stop):
        raise errors.bad_request("stop cannot contain an empty string.")


def _check_constraints(body: Body) -> None:
    """Refuse an invalid schema or pattern."""
    outputs, wanted = body.get("structured_outputs") or {}, body.get("response_format") or {}
    schema = outputs.get("json")
    try:
        schema = json.loads(schema) if isinstance(schema, str) else schema
    except ValueError as problem:
        raise errors.bad_request("Invalid JSON grammar specification.") from problem
    pattern = {"pattern": outputs.get("regex") or ""}
    for one in (schema, (wanted.get("json_schema") or {}).get("schema"), pattern):
        if one is not None and (found := problem_of(one)):
            raise errors.bad_request(f"Grammar error: {found}")
