"""What the endpoint refuses, in the order in which vLLM looks: types, combinations, the model, values, length."""

from collections.abc import Callable, Mapping
from typing import Any

from tir_sandbox import errors, words
from tir_sandbox.generation import is_gpt_oss

Body = Mapping[str, Any]
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_ROLES = ("user", "assistant", "system", "developer", "tool")
_FLOATS = ("temperature", "top_p", "frequency_penalty", "presence_penalty")
_INTS = ("max_tokens", "max_completion_tokens", "n", "seed", "top_logprobs")
_SCHEMA_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_MAX_LOGPROBS = 20


def _messages_are_there(body: Body) -> None:
    if "messages" not in body:
        raise errors.invalid(missing("body.messages", body))
    if not isinstance(body["messages"], list):
        problem = {"type": "list_type", "loc": "body.messages", "msg": "Input should be a valid list"}
        raise errors.invalid(problem | {"input": body["messages"]})
    for index, message in enumerate(body["messages"]):
        if not isinstance(message, Mapping):
            problem = {"type": "dict_type", "loc": f"body.messages.{index}", "msg": "Input should be an object"}
            raise errors.invalid(problem | {"input": message})


def _numbers_are_numbers(body: Body) -> None:
    for names, kind, what in ((_FLOATS, "float", "number"), (_INTS, "int", "integer")):
        for name in names:
            value = body.get(name)
            if isinstance(value, str):
                message = f"Input should be a valid {what}, unable to parse string as "
                message += "a number" if what == "number" else "an integer"
                loc = f"body.{name}"
                raise errors.invalid({"type": f"{kind}_parsing", "loc": loc, "msg": message, "input": value})


def _effort_is_a_word_of_the_list(body: Body) -> None:
    effort = body.get("reasoning_effort")
    if effort is None or effort in _EFFORTS:
        return
    known = ", ".join(f"'{one}'" for one in _EFFORTS[:-1]) + f" or '{_EFFORTS[-1]}'"
    problem = {"type": "literal_error", "loc": "body.reasoning_effort", "msg": f"Input should be {known}"}
    raise errors.invalid(problem | {"input": effort, "ctx": {"expected": known}})


def _tools_are_functions(body: Body) -> None:
    for index, tool in enumerate(body.get("tools") or []):
        loc = f"body.tools.{index}"
        problems = []
        if tool.get("type", "function") != "function":
            problems.append(_literal(f"{loc}.type", "'function'", tool["type"]))
        if "function" not in tool:
            problems.append(missing(f"{loc}.function", tool))
        elif "name" not in tool["function"]:
            problems.append(missing(f"{loc}.function.name", tool["function"]))
        if problems:
            raise errors.invalid(*problems)


def _literal(loc: str, expected: str, value: Any) -> dict[str, Any]:
    problem = {"type": "literal_error", "loc": loc, "msg": f"Input should be {expected}", "input": value}
    return problem | {"ctx": {"expected": expected}}


def missing(loc: str, within: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a field that is not there."""
    size = len(within)
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": f"<dict of {size} items>"}


def _response_format_is_known(body: Body) -> None:
    wanted = body.get("response_format") or {}
    kind = wanted.get("type", "text")
    if kind not in ("text", "json_object", "json_schema", "structural_tag"):
        raise _unknown_format(kind)
    if kind == "json_schema" and not wanted.get("json_schema"):
        message = "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        raise errors.bad_value(message, "response_format")


def _unknown_format(kind: Any) -> errors.ApiError:
    loc = "body.response_format"
    tag = _literal(f"{loc}.type", "'structural_tag'", kind)
    within = {"type": kind}
    return errors.invalid(
        _literal(f"{loc}.type", "'text', 'json_object' or 'json_schema'", kind),
        tag,
        missing(f"{loc}.format", within),
        tag,
        missing(f"{loc}.structures", within),
        missing(f"{loc}.triggers", within),
    )


def _stream_options_need_stream(body: Body) -> None:
    if body.get("stream_options") is not None and not body.get("stream"):
        raise errors.bad_value("Stream options can only be defined when `stream=True`.", "stream_options")


def _top_logprobs_need_logprobs(body: Body) -> None:
    top = body.get("top_logprobs")
    if top and not body.get("logprobs"):
        raise errors.bad_value("when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs")


def _tool_choice_needs_tools(body: Body) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools == []:
        message = "`tools` must not be an empty array. Either provide at least one tool or omit the field entirely."
        raise errors.bad_value(message, "tools")
    if choice is not None and choice != "none" and not tools:
        raise errors.bad_value("When using `tool_choice`, `tools` must be set.", "tool_choice")
    if not isinstance(choice, Mapping):
        return
    name = choice.get("function", {}).get("name")
    if name not in [tool["function"]["name"] for tool in tools or []]:
        message = "The tool specified in `tool_choice` does not match any of the specified `tools`"
        raise errors.bad_value(message, "tool_choice")


def _messages_can_be_rendered(body: Body) -> None:
    messages, model = body["messages"], str(body.get("model", ""))
    if is_gpt_oss(model):
        for message in messages:
            _role_is_known(message.get("role"))
    elif not messages:
        raise errors.bad_request("Cannot apply chat template to an empty conversation. Provide at least one message.")


def _role_is_known(role: Any) -> None:
    if role not in _ROLES:
        known = "Input should be 'user', 'assistant', 'system', 'developer' or 'tool'"
        found = f"[type=enum, input_value={role!r}, input_type={type(role).__name__}]"
        link = "For further information visit https://errors.pydantic.dev/2.14/v/enum"
        raise errors.bad_request(f"1 validation error for Author\nrole\n  {known} {found}\n    {link}")


def _effort_suits_gpt_oss(body: Body) -> None:
    effort = body.get("reasoning_effort")
    if effort in (None, "low", "medium", "high") or not is_gpt_oss(str(body.get("model", ""))):
        return
    message = f"reasoning_effort={effort!r} is not supported by Harmony. Supported values are: high, medium, low."
    if effort == "none":
        message = "Harmony does not support reasoning_effort='none'"
    raise errors.bad_value(message, "reasoning_effort")


def _schema_is_a_schema(body: Body) -> None:
    wanted = (body.get("response_format") or {}).get("json_schema") or {}
    kind = (wanted.get("schema") or {}).get("type", "object")
    if isinstance(kind, str) and kind not in _SCHEMA_TYPES:
        raise errors.bad_request(f"Grammar error: Invalid type: {kind}")


def _sampling_is_possible(body: Body) -> None:
    n, top_p, temperature = body.get("n"), body.get("top_p"), body.get("temperature")
    if n is not None and n < 1:
        raise errors.bad_request(f"n must be at least 1, got {n}.")
    if temperature is not None and temperature < 0:
        value = float(temperature)
        raise errors.bad_value(f"temperature must be non-negative, got {value}.", "temperature", value)
    if top_p is not None and not 0 < top_p <= 1:
        value = float(top_p)
        raise errors.bad_value(f"top_p must be in (0, 1], got {value}.", "top_p", value)
    top = body.get("top_logprobs") or 0
    if top > _MAX_LOGPROBS:
        message = f"Requested sample logprobs of {top}, which is greater than max allowed: {_MAX_LOGPROBS}"
        raise errors.bad_value(message, "logprobs", top)


_SHAPE: tuple[Callable[[Body], None], ...] = (
    _messages_are_there,
    _numbers_are_numbers,
    _effort_is_a_word_of_the_list,
    _tools_are_functions,
    _response_format_is_known,
    _stream_options_need_stream,
    _top_logprobs_need_logprobs,
    _tool_choice_needs_tools,
)
_VALUES: tuple[Callable[[Body], None], ...] = (
    _messages_can_be_rendered,
    _effort_suits_gpt_oss,
    _schema_is_a_schema,
    _sampling_is_possible,
)


def check_shape(body: Body) -> None:
    """Refuse a chat request that is no such request."""
    for check in _SHAPE:
        check(body)


def check_values(body: Body, window: int) -> None:
    """Refuse a chat request that cannot be served, or whose prompt does not fit the context window."""
    for check in _VALUES:
        check(body)
    _tokens_fit(body, window)


def _tokens_fit(body: Body, window: int) -> None:
    limit = body.get("max_completion_tokens")
    limit = body.get("max_tokens") if limit is None else limit
    if limit is not None and limit < 1:
        raise errors.bad_value(f"max_tokens must be at least 1, got {limit}.", "max_tokens", limit)
    template = not is_gpt_oss(str(body.get("model", "")))
    if template and limit is not None and limit > window:
        message = (
            f"max_tokens={limit} cannot be greater than max_model_len={window}. Please request fewer output tokens."
        )
        raise errors.bad_value(message, "max_tokens", limit)
    prompt_fits(words.prompt_tokens(body), window, template=template)


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
