"""The form of a request: what vLLM's pydantic models accept and convert, and how vLLM words what they refuse.

The names of the messages' types appear in the errors, so they are vLLM's. Names with an underscore do not appear.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Required

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it below Python 3.12

from tir_sandbox import errors

Json = dict[str, Any]
_Content = str | Iterable[Any]
_INT64 = 2**63


class _Form(BaseModel):
    model_config = ConfigDict(extra="allow")


class ChatCompletionDeveloperMessageParam(TypedDict, total=False):
    """What the developer says."""

    content: Required[_Content]
    role: Required[Literal["developer"]]
    name: str


class ChatCompletionSystemMessageParam(TypedDict, total=False):
    """What holds for the whole conversation."""

    content: Required[_Content]
    role: Required[Literal["system"]]
    name: str


class ChatCompletionUserMessageParam(TypedDict, total=False):
    """What the user says."""

    content: Required[_Content]
    role: Required[Literal["user"]]
    name: str


class ChatCompletionAssistantMessageParam(TypedDict, total=False):
    """What the model said."""

    role: Required[Literal["assistant"]]
    content: _Content | None
    name: str
    refusal: str | None
    tool_calls: Any


class ChatCompletionToolMessageParam(TypedDict, total=False):
    """What a tool answered."""

    content: Required[_Content]
    role: Required[Literal["tool"]]
    tool_call_id: Required[str]


class ChatCompletionFunctionMessageParam(TypedDict, total=False):
    """What a tool answered, in an older form."""

    content: Required[str | None]
    name: Required[str]
    role: Required[Literal["function"]]


class CustomChatCompletionMessageParam(TypedDict, total=False):
    """A message of any other role."""

    role: Required[str]
    content: str | list[Any]
    name: str
    tool_call_id: str | None
    tool_calls: Any


class Message(BaseModel):
    """A message in the form of the harmony library, which vLLM takes as well."""

    author: Json
    content: list[Any]


_Message = (
    ChatCompletionDeveloperMessageParam
    | ChatCompletionSystemMessageParam
    | ChatCompletionUserMessageParam
    | ChatCompletionAssistantMessageParam
    | ChatCompletionToolMessageParam
    | ChatCompletionFunctionMessageParam
    | CustomChatCompletionMessageParam
    | Message
)


class _StreamOptions(_Form):
    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class _JsonSchema(_Form):
    name: str
    description: str | None = None
    schema_: Json | None = Field(default=None, alias="schema")
    strict: bool | None = None


class _ResponseFormat(_Form):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StructuralTag(_Form):
    type: Literal["structural_tag"]
    format: Any


class _OldStructuralTag(_Form):
    type: Literal["structural_tag"]
    structures: list[Json]
    triggers: list[str]


class _Function(_Form):
    name: str
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None


class _Tool(_Form):
    type: Literal["function"] = "function"
    function: _Function


class _NamedFunction(_Form):
    name: str


class _NamedChoice(_Form):
    function: _NamedFunction
    type: Literal["function"] = "function"


class _StructuredOutputs(_Form):
    # `json` would hide a method of pydantic's
    json_: str | Json | None = Field(default=None, alias="json")
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: str | None = None


class _Sampling(_Form):
    model: str | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    max_tokens: int | None = None
    n: int | None = 1
    presence_penalty: float | None = None
    response_format: _ResponseFormat | _StructuralTag | _OldStructuralTag | None = None
    seed: int | None = Field(None, ge=-_INT64, le=_INT64 - 1)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    user: str | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    min_tokens: int = 0
    bad_words: list[str] = []
    prompt_logprobs: int | None = None
    echo: bool = False
    structured_outputs: _StructuredOutputs | None = None
    return_token_ids: bool | None = None
    request_id: str = ""


class _Chat(_Sampling):
    messages: list[_Message]
    logprobs: bool | None = False
    top_logprobs: Annotated[int, BeforeValidator(lambda value: value or 0)] = 0
    max_completion_tokens: int | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none"] | Literal["auto"] | Literal["required"] | _NamedChoice | None = None  # noqa: PYI030
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    include_reasoning: bool = True
    parallel_tool_calls: bool | None = True
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    documents: list[dict[str, str]] | None = None
    chat_template_kwargs: Json | None = None


class _Completion(_Sampling):
    prompt: list[int] | list[list[int]] | str | list[str] | None
    logprobs: int | None = None


class _Embedding(_Form):
    input: list[int] | list[list[int]] | str | list[str]
    model: str | None = None
    dimensions: int | None = None
    encoding_format: Literal["float", "base64", "bytes", "bytes_only"] = "float"


class _Tokenize(_Form):
    prompt: str = ""
    messages: list[_Message] | None = None
    return_token_strs: bool | None = False


class _CalledFunction(TypedDict):
    name: str
    arguments: str


class ChatCompletionMessageFunctionToolCallParam(TypedDict):
    """A call of a function."""

    id: str
    function: _CalledFunction
    type: Literal["function"]


class ChatCompletionMessageCustomToolCallParam(TypedDict):
    """A call of a tool that takes text."""

    id: str
    custom: Json
    type: Literal["custom"]


_Calls = list[ChatCompletionMessageFunctionToolCallParam | ChatCompletionMessageCustomToolCallParam]
_CALLS: TypeAdapter[Any] = TypeAdapter(_Calls)


def chat(body: Mapping[str, Any]) -> Json:
    """Return a chat request with its values converted, such as `"0.5"` to a number.

    Raises:
        ApiError: 400, if it is no chat request.
    """
    read = _read(_Chat, body)
    for message in body["messages"]:
        if message.get("role") == "assistant" and message.get("tool_calls") is not None:
            _calls(message["tool_calls"])
    return read


def completion(body: Mapping[str, Any]) -> Json:
    """Do the same for a request of the older completions API."""
    return _read(_Completion, body)


def embedding(body: Mapping[str, Any]) -> Json:
    """Do the same for a request of embeddings."""
    return _read(_Embedding, body)


def tokenize(body: Mapping[str, Any]) -> Json:
    """Do the same for a prompt to cut into tokens."""
    return _read(_Tokenize, body)


def _read(form: type[_Form], body: Mapping[str, Any]) -> Json:
    try:
        read = form.model_validate(body, from_attributes=True)  # in vLLM's words for what is no object
    except ValidationError as problem:
        raise errors.invalid(*errors.described(problem)) from problem
    # What has one-shot iterators in it is taken as it came.
    return {**body, **read.model_dump(exclude={"messages"}, exclude_unset=True, by_alias=True)}


def _calls(calls: Iterable[Any]) -> None:
    try:
        _CALLS.validate_python(list(calls))
    except ValidationError as problem:
        raise errors.invalid(*errors.described(problem)) from problem
