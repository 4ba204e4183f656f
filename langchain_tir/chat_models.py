"""ChatTIR: the chat model. Fields and requests are in `_settings`, conversions in `_messages` and `_stream`.

Tools are in `_tool_methods`, structured output in `_structured_methods`, token counts in `_token_methods`, copies and
changes in place in `_copy_methods`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from langchain_tir._aliases import rename_parameters
from langchain_tir._content_blocks import PROVIDER
from langchain_tir._copy_methods import CopyMethods
from langchain_tir._errors import model_errors
from langchain_tir._messages import from_completion, set_only
from langchain_tir._past_calls import with_readable_calls
from langchain_tir._stream import DeltaMapper
from langchain_tir._structured_methods import StructuredMethods
from langchain_tir._token_methods import TokenMethods
from langchain_tir._tool_methods import ToolMethods
from tir_client import __version__
from tir_client.environment import TOKEN_VARIABLES
from tir_client.protocol.responses import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self, Unpack

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LangSmithParams, LanguageModelInput
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult
    from langchain_core.prompt_values import PromptValue

    from langchain_tir._settings import ChatArguments
    from tir_client.protocol.responses import Json


class ChatTIR(ToolMethods, StructuredMethods, TokenMethods, CopyMethods, defer_build=False):
    """A chat model on TIR, or on any compatible server.

    Setup:
        Install `tir-llm[langchain]`. Set `E2E_TIR_ACCESS_TOKEN` to the Auth Token that TIR shows when you create a
        token, and `E2E_TIR_PROJECT_ID` to the number in your project's URL; or pass `api_key` and `project_id`.

    Args:
        model: Slug of the model; by default "gpt_oss_120b". It is part of the URL on TIR, so a call with another
            `model` goes to another URL.

    All other arguments are keywords, described in the fields (`ChatTIR.model_fields`). By group:
        Server: `project_id`, `host`; `endpoint_id` for a deployment of your own; `base_url` for another server.
        Credentials: `api_key`, a token or a function that returns it.
        Generation: `temperature`, `max_tokens`, `stop`, `reasoning_effort`, `seed`, `logprobs` and the other
            parameters of `tir_client.ChatRequest`. `extra_body` takes parameters without a field.
        Connection: `timeout`, `max_retries`, `http_client`, `http_async_client`, `default_headers`,
            `default_query`.
        Cost: `prices`.
        LangChain: `streaming`, `disable_streaming`, `output_version`, `rate_limiter`, `cache`, `callbacks`.

    None is not sent, so the server's default applies. A call's arguments override the constructor's:
    `model.invoke(..., temperature=None)` sends no temperature. Fields may be changed in place.

    Instantiate:
        ```python
        from langchain_tir import ChatTIR

        model = ChatTIR("gpt_oss_120b", reasoning_effort="low", max_tokens=2000)
        ```

    Invoke:
        ```python
        answer = model.invoke([("system", "Answer in one sentence."), ("human", "Why is the sky blue?")])
        print(answer.text)
        ```

    Stream:
        ```python
        for chunk in model.stream("Why is the sky blue?"):
            print(chunk.text, end="", flush=True)
        ```

    Async:
        ```python
        answer = await model.ainvoke("Why is the sky blue?")
        async for chunk in model.astream("Why is the sky blue?"):
            print(chunk.text, end="", flush=True)
        answers = await model.abatch(["Why is the sky blue?", "Why is the sea salty?"])
        ```

    Tools:
        ```python
        def get_weather(city: str) -> str:
            '''The weather in a city.'''
            return f"{city}: 31 °C, haze"

        answer = model.bind_tools([get_weather]).invoke("How is the weather in Delhi?")
        print(answer.tool_calls)
        ```
        `tool_choice="any"` requires a call; an answer without one raises `ForcedToolError`. A call whose arguments
        are not a JSON object is in `invalid_tool_calls`.

    Structured output:
        ```python
        from pydantic import BaseModel

        class City(BaseModel):
            name: str
            population: int

        city = model.with_structured_output(City).invoke("Describe Pune.")
        ```
        A truncated, refused or unparsable answer raises a `StructuredOutputError` with the raw text.

    Images:
        ```python
        from langchain_core.messages import HumanMessage

        image = {"type": "image", "url": "https://example.com/photo.png"}
        text = {"type": "text", "text": "What is in the photo?"}
        answer = ChatTIR("qwen2_vl_72b_instruct").invoke([HumanMessage([text, image])])
        ```

    Reasoning:
        ```python
        answer = model.invoke("Why is the sky blue?")
        print(answer.additional_kwargs.get("reasoning_content"))
        ```
        It is also in `content_blocks`. Append answers to the conversation unchanged: their reasoning is sent too,
        which gpt-oss needs between two tool calls.

    Token usage:
        ```python
        print(answer.usage_metadata["total_tokens"])
        ```
        `count_tokens` counts the tokens of a prompt, on servers that expose vLLM's `/tokenize`. With `prices`, each
        answer has its cost:
        ```python
        model = ChatTIR("gpt_oss_120b", prices={"gpt_oss_120b": (0.15, 0.6)})
        print(model.invoke("Why is the sky blue?").response_metadata["cost"]["total_cost"])
        ```

    Response metadata:
        ```python
        print(answer.response_metadata["model_name"], answer.response_metadata["finish_reason"])
        ```

    Errors:
        Each error is both a `tir_client.TIRError` and a LangChain `ModelError` (for structured output, an
        `OutputParserException`), with `status_code`, `request_id`, `body`, and the received part of the answer in
        `partial`. A stream that ends early raises `StreamInterruptedError`.
        ```python
        from tir_client import RateLimitError, TIRError

        try:
            model.invoke("Why is the sky blue?")
        except RateLimitError as error:
            print(error.retry_after)
        except TIRError as error:
            print(error.status_code, error.request_id)
        ```

    Timeouts and retries:
        ```python
        patient = ChatTIR(timeout={"connect": 5, "first_byte": 600, "chunk": 60}, max_retries=4)
        ```
        A stream is retried only until it has yielded something, a whole answer until it is complete.
    """

    def __init__(self, model: str | None = None, **fields: Unpack[ChatArguments]) -> None:
        super().__init__(**({} if model is None else {"model": model}), **fields)

    @model_validator(mode="after")
    def _set_tir_version(self) -> Self:
        self._add_version("tir-llm", __version__)
        return self

    # Properties that LangChain reads

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """True. Load with `loads(text, allowed_objects=[ChatTIR], valid_namespaces=["langchain_tir"])`."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """The environment variable that replaces the token in a dump."""
        return {"api_key": TOKEN_VARIABLES[0]}

    @property
    def _llm_type(self) -> str:
        return "chat-tir"

    @property
    def _identifying_params(self) -> Json:
        return self._own_parameters()

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        with model_errors():
            call = rename_parameters(kwargs)
        given = call.pop("stop", None)
        given = stop or given or self.stop
        stops = [given] if isinstance(given, str) else given
        return {**super()._get_ls_params(stop=stops, **call), "ls_provider": PROVIDER}

    def _combine_llm_outputs(self, llm_outputs: list[Json | None], /) -> Json:
        outputs = [output for output in llm_outputs if output]
        usages = [Usage.of(output["token_usage"]) for output in outputs if output.get("token_usage")]
        first = {
            name: next(filter(None, (output.get(name) for output in outputs)), None) for name in ("id", "model_name")
        }
        return set_only(**first, token_usage=sum(usages, Usage()).counts() if usages else None)

    # Requests and answers

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        return super()._convert_input(with_readable_calls(model_input))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain passes it by name
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            request = self._request(messages, stop, kwargs)
            completion = self.client.chat(request, lenient=self._lenient)
            return from_completion(completion, self.output_version, self._price_of(request.model))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain passes it by name
        **kwargs: Any,
    ) -> ChatResult:
        with model_errors():
            request = self._request(messages, stop, kwargs)
            completion = await self.client.achat(request, lenient=self._lenient)
            return from_completion(completion, self.output_version, self._price_of(request.model))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with model_errors():
            request = self._request(messages, stop, kwargs)
            mapper = DeltaMapper(self._price_of(request.model))
            with self.client.stream(request, lenient=self._lenient) as deltas:
                for chunk in filter(None, map(mapper.map, deltas)):
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with model_errors():
            request = self._request(messages, stop, kwargs)
            mapper = DeltaMapper(self._price_of(request.model))
            async with self.client.astream(request, lenient=self._lenient) as deltas:
                async for delta in deltas:
                    if chunk := mapper.map(delta):
                        if run_manager:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk
