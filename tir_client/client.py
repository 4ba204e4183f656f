"""TIRClient: the API calls, each in a sync and an async version.

Modules without I/O build requests, parse answers and decide about retries. `transport.sender` and `transport.streams`
do the I/O.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tir_client.closing import Closing
from tir_client.config import DEFAULT_MODEL, Config
from tir_client.errors import APIConnectionError
from tir_client.models import model_info
from tir_client.protocol.json_answers import read_embeddings, read_models, read_token_count
from tir_client.protocol.reader import read_answer
from tir_client.protocol.requests import ChatRequest, EmbeddingRequest, RerankRequest, to_bytes
from tir_client.protocol.rerank import read_reranking
from tir_client.protocol.second_request import SecondRequest
from tir_client.transport.advice import AdviceLog
from tir_client.transport.clients import Clients
from tir_client.transport.context_windows import ContextWindows
from tir_client.transport.http_call import HTTPCall
from tir_client.transport.retry import RetryPolicy, StartPolicy
from tir_client.transport.sender import Sender
from tir_client.transport.start import StartWait
from tir_client.transport.streams import AsyncChatStream, ChatStream
from tir_client.transport.timeouts import Timeouts

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator
    from tir_client.protocol.responses import Completion, Embeddings, Json, ModelCard, Reranking

CHAT = "chat/completions"
PROMPT = ("model", "messages", "tools")

READY_SECONDS = 900.0
"""How long `wait_until_ready` waits by default: a large model takes 10 to 15 minutes to load."""
POLL_SECONDS = 30.0
"""How long one poll of `wait_until_ready` waits for an answer."""


class TIRClient(Closing):
    """Calls TIR, or any server that speaks its protocol.

    Args:
        config: Token and address; `Config.resolve` fills it from arguments and environment.
        timeout: Seconds, a mapping of phases (`connect`, `first_byte`, `chunk`, `total`), or an httpx timeout.
        retry: How failures are retried.
        wait_for_start: Seconds for which a call is retried while an idle deployment starts. Default: no such retries.
            It also bounds the wait for the first byte of a running model. See `wait_until_ready`.
        http_client: An httpx (or httpx2) client for sync calls; it is not closed by this client.
        http_async_client: The same for async calls.

    A client may be shared by threads and event loops, pickled (without the token, which is then read from the
    environment) and copied. Each error of a call is a `TIRError`; `tir_client.errors` lists them.
    """

    def __init__(  # noqa: PLR0913 - one argument per setting
        self,
        config: Config,
        *,
        timeout: object = None,
        retry: RetryPolicy | None = None,
        wait_for_start: float | StartPolicy | None = None,
        http_client: Any = None,
        http_async_client: Any = None,
    ) -> None:
        self.config = config
        self.timeouts = Timeouts.of(timeout)
        self.retry = retry or RetryPolicy()
        self.start = StartPolicy.of(wait_for_start)
        self._clients = Clients(http_client, http_async_client)
        self._sender = Sender(self._clients)
        self._starting: set[str] = set()
        self._advice = AdviceLog()
        self._windows = ContextWindows()

    # Chat, whole

    def chat(self, request: ChatRequest, *, lenient: bool = False) -> Completion:
        """Send `request` and wait for the whole answer.

        Args:
            request: The request.
            lenient: Return an answer without the required tool call, instead of raising.

        If a stop word ended the answer before its text, the answer is requested again, and so is a required tool call
        that is missing or unusable, each at most once. `usage` counts all these requests.

        Raises:
            ForcedToolError: The required tool call is missing.
        """
        second = self._begin(request, lenient=lenient)
        answer = self._ask(request)
        while (pending := second.check(answer)) is not None:
            second.merge(answer, self._ask(pending))
        return self._advice.check(request, answer.completion())

    async def achat(self, request: ChatRequest, *, lenient: bool = False) -> Completion:
        """`chat` for async code."""
        second = self._begin(request, lenient=lenient)
        answer = await self._aask(request)
        while (pending := second.check(answer)) is not None:
            second.merge(answer, await self._aask(pending))
        return self._advice.check(request, answer.completion())

    # Chat, streamed

    def stream(self, request: ChatRequest, *, lenient: bool = False) -> ChatStream:
        """Stream the answer. The request is sent when iteration begins; the arguments are those of `chat`."""
        call = self._call(request.model, CHAT, request.streamed())
        second = self._begin(request, lenient=lenient)
        return ChatStream(call, second, self._advice, self._sender, self._ask)

    def astream(self, request: ChatRequest, *, lenient: bool = False) -> AsyncChatStream:
        """`stream` for async code."""
        call = self._call(request.model, CHAT, request.streamed())
        second = self._begin(request, lenient=lenient)
        return AsyncChatStream(call, second, self._advice, self._sender, self._aask)

    def _begin(self, request: ChatRequest, *, lenient: bool) -> SecondRequest:
        self._advice.check_request(request)
        return SecondRequest(request, lenient=lenient)

    def _ask(self, request: ChatRequest) -> Accumulator:
        call = self._call(request.model, CHAT, request.whole())
        return self._sender.fetch(call, partial(read_answer, request))

    async def _aask(self, request: ChatRequest) -> Accumulator:
        call = self._call(request.model, CHAT, request.whole())
        return await self._sender.afetch(call, partial(read_answer, request))

    # Everything else

    def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Embed texts; the vectors come back in the order of the texts."""
        call = self._call(request.model, "embeddings", request.body())
        return self._sender.fetch(call, partial(read_embeddings, request))

    async def aembed(self, request: EmbeddingRequest) -> Embeddings:
        """`embed` for async code."""
        call = self._call(request.model, "embeddings", request.body())
        return await self._sender.afetch(call, partial(read_embeddings, request))

    def rerank(self, request: RerankRequest) -> Reranking:
        """Score documents by their relevance to a query; the best come first."""
        call = self._call(request.model, request.path, request.body())
        return self._sender.fetch(call, partial(read_reranking, request))

    async def arerank(self, request: RerankRequest) -> Reranking:
        """`rerank` for async code."""
        call = self._call(request.model, request.path, request.body())
        return await self._sender.afetch(call, partial(read_reranking, request))

    def models(self, model: str = DEFAULT_MODEL) -> list[ModelCard]:
        """List the models that the endpoint of `model` serves."""
        return self._windows.keep(model, self._sender.fetch(self._call(model, "models"), read_models))

    async def amodels(self, model: str = DEFAULT_MODEL) -> list[ModelCard]:
        """`models` for async code."""
        return self._windows.keep(model, await self._sender.afetch(self._call(model, "models"), read_models))

    def context_window(self, model: str = DEFAULT_MODEL) -> int | None:
        """The context window in tokens, prompt and answer together, or None if it is unknown.

        If `model_info` has no window, it is read from the server's list of models, once. This never raises: if the list
        cannot be read within 5 seconds, a warning is logged, once, and the next request is a minute later at the
        earliest. In a running event loop it blocks for at most a second; to avoid that, await `amodels` first.
        """
        return model_info(model).context_window or self._windows.get(model, self._list_for_window)

    def known_window(self, model: str = DEFAULT_MODEL) -> int | None:
        """`context_window` without a request: None if neither `model_info` nor an earlier request has it."""
        return model_info(model).context_window or self._windows.known(model)

    def _list_for_window(self, model: str, seconds: float) -> list[ModelCard]:
        url, timeouts = self.config.url_for(model, "models"), Timeouts(*[seconds] * 4)
        return self._sender.fetch(
            self._call_to(url, timeouts=timeouts, retry=RetryPolicy(max_retries=0), start=StartPolicy()), read_models
        )

    def wait_until_ready(self, model: str = DEFAULT_MODEL, *, seconds: float | None = None) -> list[ModelCard]:
        """Wait until the endpoint of `model` lists models, and return the list.

        The list may lack `model` itself: some servers list models under other names.

        It polls `/models`, at first every second and later every 15 seconds. An idle deployment starts when it receives
        a request; if the gateway ignores requests to `/models`, send a chat request with `wait_for_start` instead.

        Args:
            model: The model to wait for.
            seconds: How long to wait. Default: `wait_for_start` of this client, or 15 minutes. The timeout `total`
                applies, too.

        Raises:
            APITimeoutError: It was not ready in time; the message has the last failure.
            APIStatusError: The endpoint answered with an error that waiting cannot fix, such as a 401.
        """
        call = self._poll(model, seconds)
        return self._windows.keep(model, self._sender.fetch(call, partial(_read_ready, call)))

    async def await_until_ready(self, model: str = DEFAULT_MODEL, *, seconds: float | None = None) -> list[ModelCard]:
        """`wait_until_ready` for async code."""
        call = self._poll(model, seconds)
        return self._windows.keep(model, await self._sender.afetch(call, partial(_read_ready, call)))

    def count_tokens(self, request: ChatRequest, *, retry: RetryPolicy | None = None) -> int:
        """Count the tokens of a prompt with vLLM's `/tokenize`, if the server exposes it.

        Args:
            request: The prompt.
            retry: Replaces the client's retry policy; `wait_for_start` then does not apply either.

        Raises:
            APIStatusError: The server does not expose `/tokenize`, or cannot count the prompt.
        """
        return self._sender.fetch(self._tokenize(request, retry), read_token_count)

    async def acount_tokens(self, request: ChatRequest, *, retry: RetryPolicy | None = None) -> int:
        """`count_tokens` for async code."""
        return await self._sender.afetch(self._tokenize(request, retry), read_token_count)

    # Shared by all calls

    def _call(self, model: str, path: str, body: Json | None = None) -> HTTPCall:
        content = None if body is None else to_bytes(body)
        return self._call_to(self.config.url_for(model, path), content)

    def _poll(self, model: str, seconds: float | None) -> HTTPCall:
        start = StartPolicy.of(self.start if seconds is None else seconds)
        start = start if start.seconds else StartPolicy(READY_SECONDS)
        timeouts = self.timeouts.shortened(min(POLL_SECONDS, start.seconds))
        call = self._call_to(self.config.url_for(model, "models"), timeouts=timeouts, start=start)
        call.success_means_started = False
        return call

    def _tokenize(self, request: ChatRequest, retry: RetryPolicy | None) -> HTTPCall:
        body: Json = {name: value for name, value in request.body().items() if name in PROMPT}
        url = self.config.url_for(request.model, "/tokenize")
        start = self.start if retry is None else StartPolicy()
        return self._call_to(url, to_bytes(body), retry=retry, start=start)

    def _call_to(
        self,
        url: str,
        content: bytes | None = None,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        start: StartPolicy | None = None,
    ) -> HTTPCall:
        wait = StartWait(start or self.start, url, self._starting)
        return HTTPCall(self.config, timeouts or self.timeouts, retry or self.retry, wait, url, content)

    # Lifecycle

    def close(self) -> None:
        """Close the connections of sync calls. A later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections of sync calls, and those of the running event loop unless another client uses them."""
        await self._clients.aclose()

    def __copy__(self) -> TIRClient:
        return TIRClient(
            **self._arguments(), http_client=self._clients.given, http_async_client=self._clients.given_async
        )

    def __deepcopy__(self, memo: object) -> TIRClient:
        return self.__copy__()

    def __getstate__(self) -> dict[str, Any]:
        if self._clients.given is not None or self._clients.given_async is not None:
            raise TypeError(
                "A TIRClient with a custom `http_client` cannot be pickled: the client holds open connections."
            )
        return self._arguments()

    def _arguments(self) -> dict[str, Any]:
        return {"config": self.config, "timeout": self.timeouts, "retry": self.retry, "wait_for_start": self.start}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _read_ready(call: HTTPCall, content: bytes, request_id: str | None) -> list[ModelCard]:
    """Read a list of models; an empty one means that the deployment has not started."""
    cards = read_models(content, request_id)
    if not cards:
        raise APIConnectionError("The server lists no models yet.", phase="first_byte")
    call.start.note_started()
    return cards
