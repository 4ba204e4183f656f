"""What the endpoint refuses, in the order in which vLLM looks: combinations, types, the model, values, length."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tir_sandbox import content, errors, grammar, request_models, sampling, tokenizer
from tir_sandbox.generation import is_gpt_oss

Body = Mapping[str, Any]
_USAGE = 'Correct usage: `{"type": "function", "function": {"name": "my_function"}}`'


def _messages_can_be_walked(body: Body) -> None:
    _walk(body.get("messages", []))
    if body.get("continue_final_message") and body.get("add_generation_prompt"):
        raise errors.bad_request("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")


def _walk(value: Any) -> None:
    if not isinstance(value, Iterable):
        raise errors.bad_request(f"'{type(value).__name__}' object is not iterable")


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
    name = function["name"]
    if not isinstance(name, str) or not name:
        message = f"Invalid `name` in `function`: `{name}` in `tool_choice`! {_USAGE}"
        raise errors.bad_value(message, "tool_choice.function.name")
    offered = tools if isinstance(tools, list) else []
    functions = [tool.get("function") for tool in offered if isinstance(tool, Mapping)]
    if name not in [one.get("name") for one in functions if isinstance(one, Mapping)]:
        message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
        raise errors.bad_value(message, "tool_choice")


def _one_constraint_only(body: Body) -> None:
    outputs = body.get("structured_outputs")
    if not isinstance(outputs, Mapping):
        return
    given = [one for one in ("json", "regex", "choice") if outputs.get(one) is not None]
    if len(given) > 1:
        message = "You can only use one kind of constraints for structured outputs ('json', 'regex' or 'choice')."
        raise errors.bad_request(message)
    if given and isinstance(body.get("tool_choice"), Mapping):
        raise errors.bad_request("You can only either use constraints for structured outputs or tools, not both.")


def _logprobs_are_asked_for(body: Body) -> None:
    for name in ("prompt_logprobs", "top_logprobs"):
        value = body.get(name)
        if value is not None and not isinstance(value, int | float):
            raise errors.bad_value(f"`{name}` must be an integer.", name, value)
        if name == "prompt_logprobs" and body.get("stream") and ((value or 0) > 0 or value == -1):
            raise errors.bad_value("`prompt_logprobs` are not available when `stream=True`.", name)
        if value is not None and value < 0 and value != -1:
            raise errors.bad_value(f"`{name}` must be a positive value or -1.", name, value)
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise errors.bad_value("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")


def _stream_options_need_stream(body: Body) -> None:
    if body.get("stream_options") and not body.get("stream"):
        raise errors.bad_value("Stream options can only be defined when `stream=True`.", "stream_options")


def _formats_are_complete(body: Body) -> None:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind == "json_schema" and wanted and wanted.get("json_schema") is None:
        message = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        raise errors.bad_value(message, "response_format")
    if kind == "structural_tag" and wanted and not wanted.keys() & {"format", "structures"}:
        raise errors.bad_value("Invalid response_format structural_tag specification.", "response_format")


def _calls_can_be_walked(body: Body) -> None:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, Mapping) and message.get("tool_calls") is not None:
            _walk(message["tool_calls"])


_COMBINATIONS: tuple[Callable[[Body], None], ...] = (
    _messages_can_be_walked,
    _tool_choice_needs_tools,
    _one_constraint_only,
    _logprobs_are_asked_for,
    _stream_options_need_stream,
    _formats_are_complete,
    _calls_can_be_walked,
)


def check_shape(body: Body) -> dict[str, Any]:
    """Refuse a chat request that is no such request; return it with its values converted."""
    for check in _COMBINATIONS:
        check(body)
    return request_models.chat(body)


def check_values(body: Body, window: int) -> None:
    """Refuse a request that cannot be served, or whose prompt does not fit the context window."""
    content.check(body)
    _effort_suits_gpt_oss(body)
    _tokens_fit(body, window)
    grammar.check_constraints(body)
    sampling.check(body)
    grammar.check(body)


def _effort_suits_gpt_oss(body: Body) -> None:
    effort = body.get("reasoning_effort")
    if effort in (None, "low", "medium", "high") or not is_gpt_oss(str(body.get("model", ""))):
        return
    message = f"reasoning_effort={effort!r} is not supported by Harmony. Supported values are: high, medium, low."
    if effort == "none":
        message = "Harmony does not support reasoning_effort='none'"
    raise errors.bad_value(message, "reasoning_effort")


def _tokens_fit(body: Body, window: int) -> None:
    limit = sampling.limit(body)
    template = not is_gpt_oss(str(body.get("model", "")))
    if template and limit is not None and limit > window:
        message = (
            f"max_tokens={limit} cannot be greater than max_model_len={window}. Please request fewer output tokens."
        )
        raise errors.bad_value(message, "max_tokens", limit)
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
