"""Calls under LlamaIndex's instrumentation, with the callbacks and events that its own decorators give.

Those decorators have three faults, for which this file exists: closing their generator does not close the one inside,
so that the server goes on writing (and billing) until the garbage collector comes by; they validate the whole history
again for the event of each chunk; and of a call inside a call they have the tokens counted twice.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.instrumentation.span import active_span_id
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler

from tir_client import Enclosed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator

    from llama_index.core.llms import LLM

dispatcher = get_dispatcher("llama_index.core.llms.callbacks")


Response = TypeVar("Response", ChatResponse, CompletionResponse)


@dataclass(frozen=True)
class Kind:
    """What chats and completions differ in: the names for what was asked and answered, and their events."""

    trace: str
    asked: str
    question: EventPayload
    answer: EventPayload
    started: type[Any]
    progressed: type[Any]
    ended: type[Any]


CHAT = Kind(
    trace="chat",
    asked="messages",
    question=EventPayload.MESSAGES,
    answer=EventPayload.RESPONSE,
    started=LLMChatStartEvent,
    progressed=LLMChatInProgressEvent,
    ended=LLMChatEndEvent,
)
COMPLETION = Kind(
    trace="completion",
    asked="prompt",
    question=EventPayload.PROMPT,
    answer=EventPayload.COMPLETION,
    started=LLMCompletionStartEvent,
    progressed=LLMCompletionInProgressEvent,
    ended=LLMCompletionEndEvent,
)


class Watch:
    """Reports one call of `llm`: that it began, each response of a stream, and how it ended.

    Args:
        kind: A chat or a completion.
        llm: Whose call it is.
        asked: The messages or the prompt.
        kwargs: The arguments of the call.
        counted: The tokens are this call's. If another one inside it reports them, the end of this one names no
            question, and LlamaIndex's `TokenCountingHandler` counts nothing.
    """

    def __init__(self, kind: Kind, llm: LLM, asked: Any, kwargs: dict[str, Any], *, counted: bool = True) -> None:
        if not isinstance(llm.callback_manager, CallbackManager):
            llm.callback_manager = CallbackManager()
        self._kind = kind
        self._llm = llm
        self._asked = asked
        self._kwargs = kwargs
        self._counted = counted
        self._callbacks = llm.callback_manager
        self._span_id = active_span_id.get()
        self._event_id = ""

    def call(self, ask: Callable[[], Response]) -> Response:
        """Get a whole answer and report it."""
        with self._callbacks.as_trace(self._kind.trace):
            with self._begun():
                if self._llm.rate_limiter is not None:
                    self._llm.rate_limiter.acquire()
                response = ask()
            self._ended(response)
        return response

    async def acall(self, ask: Callable[[], Awaitable[Response]]) -> Response:
        """`call` for async code."""
        with self._callbacks.as_trace(self._kind.trace):
            with self._begun():
                if self._llm.rate_limiter is not None:
                    await self._llm.rate_limiter.async_acquire()
                response = await ask()
            self._ended(response)
        return response

    def stream(self, begin: Callable[[], Generator[Response]]) -> Generator[Response]:
        """Begin a stream and report it; closing the generator that is returned closes the one that `begin` gave."""
        with self._begun():
            if self._llm.rate_limiter is not None:
                self._llm.rate_limiter.acquire()
            responses = begin()
        return self._followed(responses)

    async def astream(self, begin: Callable[[], AsyncGenerator[Response]]) -> AsyncGenerator[Response]:
        """`stream` for async code."""
        with self._begun():
            if self._llm.rate_limiter is not None:
                await self._llm.rate_limiter.async_acquire()
            responses = begin()
        return self._afollowed(responses)

    def _followed(self, responses: Generator[Response]) -> Generator[Response]:
        last = None
        with self._ended_badly(), closing(responses):
            for response in responses:
                self._progressed(response)
                yield response
                last = response
        self._ended(last)

    async def _afollowed(self, responses: AsyncGenerator[Response]) -> AsyncGenerator[Response]:
        last = None
        with self._ended_badly():
            async with Enclosed(responses) as enclosed:
                async for response in enclosed:
                    self._progressed(response)
                    yield response
                    last = response
        self._ended(last)

    @contextmanager
    def _begun(self) -> Iterator[None]:
        with self._callbacks.as_trace(self._kind.trace):
            payload = self._llm.to_payload()
            question = {self._kind.asked: self._asked}
            started = self._kind.started(
                model_dict=payload, additional_kwargs=self._kwargs, span_id=self._span_id, **question
            )
            dispatcher.event(started)
            self._event_id = self._callbacks.on_event_start(
                CBEventType.LLM,
                payload={
                    self._kind.question: self._asked,
                    EventPayload.ADDITIONAL_KWARGS: self._kwargs,
                    EventPayload.SERIALIZED: payload,
                },
            )
            # What was asked, as the event has validated it: good for the events of all chunks.
            self._asked = getattr(started, self._kind.asked)
            try:
                yield
            except BaseException as error:
                self._report({EventPayload.EXCEPTION: error})
                raise

    def _progressed(self, response: Response) -> None:
        if not _is_heard():
            return
        question = {self._kind.asked: type(self._asked)()}
        event = self._kind.progressed(response=response, span_id=self._span_id, **question)
        setattr(event, self._kind.asked, self._asked)
        dispatcher.event(event)

    @contextmanager
    def _ended_badly(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._report({EventPayload.EXCEPTION: error})
            dispatcher.event(ExceptionEvent(exception=error, span_id=self._span_id))
            raise

    def _ended(self, last: Response | None) -> None:
        payload: dict[str, Any] = {self._kind.answer: last}
        self._report(payload | ({self._kind.question: self._asked} if self._counted else {}))
        question = {self._kind.asked: self._asked}
        dispatcher.event(self._kind.ended(response=last, span_id=self._span_id, **question))

    def _report(self, payload: dict[str, Any]) -> None:
        self._callbacks.on_event_end(CBEventType.LLM, payload=payload, event_id=self._event_id)


def _is_heard() -> bool:
    """Whether an event would reach anybody now; to make one costs more than the response that it tells of."""
    node = dispatcher
    while all(type(handler) is NullEventHandler for handler in node.event_handlers):
        if not node.propagate:
            return False
        node = node.parent
    return True
