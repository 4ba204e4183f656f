"""StructuredMethods: the mixin with the `structured_predict` methods of `TIR`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.llms.llm import dispatcher
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import Model, PydanticProgramMode

from llama_index_tir._messages import with_system_prompt
from llama_index_tir._schemas import schema_of_class
from llama_index_tir._settings import ChatSettings
from llama_index_tir._structured import StructuredTask
from llama_index_tir._structured_llm import ProgramTIR, StructuredTIR
from llama_index_tir._structured_run import (
    acheck_stream,
    apredict,
    astream_objects,
    check_stream,
    predict,
    stream_objects,
)
from tir_client import InvalidRequestError
from tir_client.aliases import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from llama_index.core.prompts import PromptTemplate
    from pydantic import BaseModel


class StructuredMethods(ChatSettings):
    """The methods of `TIR` that return objects of a pydantic class."""

    @dispatcher.span
    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Answer a prompt with an object of `output_cls`.

        The server enforces its JSON schema; an invalid answer is requested once more. `pydantic_program_mode` selects
        one of LlamaIndex's programs instead, which raise a `ValueError` for an invalid answer.

        Raises:
            StructuredOutputError: Both answers are invalid, or one was truncated or refused.
        """
        if not self._by_schema:
            kwargs = dict(llm_kwargs or {})  # copied, because LlamaIndex's programs remove keys
            output: Model = super().structured_predict(output_cls, prompt, kwargs, **prompt_args)
            return output
        task = self._task(output_cls, prompt, llm_kwargs, prompt_args)
        predict(self, task)
        return task.result

    @dispatcher.span
    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`structured_predict` for async code."""
        if not self._by_schema:
            kwargs = dict(llm_kwargs or {})
            output: Model = await super().astructured_predict(output_cls, prompt, kwargs, **prompt_args)
            return output
        task = self._task(output_cls, prompt, llm_kwargs, prompt_args)
        await apredict(self, task)
        return task.result

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any]:
        if self._by_schema:
            return stream_objects(self, self._task(output_cls, prompt, llm_kwargs, prompt_args))
        objects = super()._structured_stream_call(output_cls, prompt, self._program_kwargs(llm_kwargs), **prompt_args)
        return check_stream(objects, output_cls)

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any]:
        if self._by_schema:
            return astream_objects(self, self._task(output_cls, prompt, llm_kwargs, prompt_args))
        kwargs = self._program_kwargs(llm_kwargs)
        return acheck_stream(
            await super()._structured_astream_call(output_cls, prompt, kwargs, **prompt_args), output_cls
        )

    def as_structured_llm(self, output_cls: type[BaseModel], **kwargs: Any) -> StructuredLLM:
        """Return an LLM that always answers with an object of `output_cls`.

        Raises:
            InvalidRequestError: `output_cls` is not a pydantic class, or has no JSON schema.
            ConfigurationError: `kwargs` has a name that is not a field of LlamaIndex's `StructuredLLM`.
        """
        schema_of_class(output_cls)
        fields = StructuredLLM.model_fields
        refuse_unknown(kwargs.keys() - fields.keys(), fields, "as_structured_llm")
        return (StructuredTIR if self._by_schema else ProgramTIR)(llm=self, output_cls=output_cls, **kwargs)

    @property
    def _by_schema(self) -> bool:
        return self.pydantic_program_mode is PydanticProgramMode.DEFAULT

    def _task(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        kwargs: Mapping[str, Any] | None,
        args: dict[str, Any],
    ) -> StructuredTask[Model]:
        if not isinstance(prompt, BasePromptTemplate):
            raise InvalidRequestError(f"The prompt is a {type(prompt).__name__}, not a PromptTemplate.")
        messages = with_system_prompt(self.system_prompt, prompt.format_messages(llm=self, **args))
        return StructuredTask(output_cls, (prompt, args), messages, kwargs, strict=self.strict)

    def _program_kwargs(self, kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the arguments of a streaming program: `FunctionCallingProgram` does not pass `tool_required` then."""
        calls = self.pydantic_program_mode is PydanticProgramMode.FUNCTION
        return {**(kwargs or {}), **({"must_call": True} if calls else {})}
