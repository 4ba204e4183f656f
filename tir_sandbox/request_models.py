"""vLLM's requests as pydantic models, with the fields that the sandbox reads."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tir_sandbox import errors

Json = dict[str, Any]


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow")


class _CalledFunction(_Model):
    name: str
    arguments: str


class _ToolCall(_Model):
    id: str
    type: Literal["function"]
    function: _CalledFunction


class _Message(_Model):
    role: str
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None


class _JsonSchema(_Model):
    name: str
    schema_: Json | None = Field(default=None, alias="schema")
    strict: bool | None = None


class _ResponseFormat(_Model):
    type: Literal["text", "json_object", "json_schema", "structural_tag"]
    json_schema: _JsonSchema | None = None


class _Function(_Model):
    name: str
    parameters: Json | None = None


class _Tool(_Model):
    type: Literal["function"] = "function"
    function: _Function


class _StructuredOutputs(_Model):
    # `json` would hide a method of pydantic's
    json_: str | Json | None = Field(default=None, alias="json")
    regex: str | None = None
    choice: list[str] | None = Field(None, min_length=1)


class Chat(_Model):
    """A chat request."""

    messages: list[_Message]
    model: str | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = 1
    presence_penalty: float | None = None
    response_format: _ResponseFormat | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stream: bool | None = False
    stream_options: Json | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    include_stop_str_in_output: bool = False
    min_tokens: int = 0
    structured_outputs: _StructuredOutputs | None = None
    return_token_ids: bool | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, BeforeValidator(lambda value: value or 0)] = 0
    tools: list[_Tool] | None = None
    tool_choice: str | Json | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    include_reasoning: bool = True
    parallel_tool_calls: bool | None = True


class Embedding(_Model):
    """A request for embeddings."""

    input: str | list[str]
    model: str | None = None
    dimensions: int | None = Field(None, ge=1)
    encoding_format: Literal["float", "base64"] = "float"


class Rerank(_Model):
    """A request to rank documents."""

    query: str
    documents: str | list[str]
    model: str | None = None
    top_n: int = Field(default=0, ge=0)
    truncate_prompt_tokens: int | None = Field(None, ge=-1)


class Tokenize(_Model):
    """A request to count tokens."""

    prompt: str = ""
    messages: list[_Message] | None = None
    return_token_strs: bool | None = False


def validated(model: type[BaseModel], body: Any) -> Json:
    """Return a request with converted values, such as the number for `"0.5"`.

    Raises:
        ApiError: 400, if the body does not fit the model.
    """
    try:
        valid = model.model_validate(body, from_attributes=True)  # vLLM's error texts depend on this option
    except ValidationError as problem:
        raise errors.invalid(*errors.described(problem)) from problem
    return {**body, **valid.model_dump(exclude_unset=True, by_alias=True)}
