"""App: the HTTP API, which records, checks and answers requests."""

import logging
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from tir_sandbox import checks, errors, responses, tokenizer
from tir_sandbox.answers import Answer, Fault, Reply
from tir_sandbox.delivery import Connections, Delivery
from tir_sandbox.generation import generate
from tir_sandbox.request_models import Embedding, Rerank, Tokenize, validated
from tir_sandbox.requests import Request, json_body, read
from tir_sandbox.retrieval import embeddings, rerank
from tir_sandbox.rules import answer_by_rule
from tir_sandbox.script import Script

_LOG = logging.getLogger(__name__)
_PROJECT = re.compile(r"/project/p-([^/]*)")
_BASES = (
    "/v1",
    "/project/p-{project}/genai/{model}/v1",
    "/project/p-{project}/genai/v1",
    "/project/p-{project}/endpoint/is-{endpoint}/v1",
)
_SERVED = ("gpt_oss_120b", "qwen3_32b", "llama3_1_8b_instruct", "bge-large-en-v1_5", "e5-mistral-7b-instruct")
_UNKNOWN = "nope"
_EPOCH = 1_750_000_000


class State:
    """The settings of a sandbox, which may change while it runs, and the requests so far."""

    token: str
    project_id: str
    rules: Callable[[Request], Answer | str | None] | None
    strict: bool
    models: Sequence[str] | None
    context_window: int
    starting: int
    requests: list[Request]


class App:
    """The ASGI application. It records each request, checks its token and project, and answers it."""

    def __init__(self, state: State, script: Script, connections: Connections) -> None:
        self._state = state
        self._script = script
        self._connections = connections
        self._ids, self._clock = count(1), count(_EPOCH)  # the same in every run
        handled = (HTTPException, errors.ApiError, Exception)
        self._router = Starlette(routes=list(self._routes()), exception_handlers=dict.fromkeys(handled, _failed))

    def _routes(self) -> Iterator[Route]:
        for base in _BASES:
            yield Route(f"{base}/chat/completions", self._chat, methods=["POST"])
            yield Route(f"{base}/embeddings", self._embed, methods=["POST"])
            yield Route(f"{base}/rerank", self._rerank, methods=["POST"])
            yield Route(f"{base}/models", self._models)
        yield Route("/rerank", self._rerank, methods=["POST"])
        yield Route("/tokenize", self._tokenize, methods=["POST"])
        yield Route("/health", Response())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            seen = await read(scope, receive)
        except ClientDisconnect:
            return
        self._state.requests.append(seen)
        scope["tir_request"] = seen
        send = _marked(seen, send)
        try:
            self._check(seen)
            await self._router(scope, receive, send)
        except errors.ApiError as refusal:
            await JSONResponse(refusal.body, refusal.status)(scope, receive, send)
        except Exception as problem:  # noqa: BLE001 - a bug in the sandbox, or a reply that is not JSON
            message = f"The sandbox failed at {scope['path']}: {problem!r}"
            self._script.failed(message)
            _LOG.error(message)
            _LOG.debug("It failed here:", exc_info=True)

    def _check(self, seen: Request) -> None:
        """Refuse a request with a wrong token or project, or while the deployment is starting."""
        if seen.path.startswith(("/v1", "/project")):
            kind, _, token = seen.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not secrets.compare_digest(token.encode(), self._state.token.encode()):
                raise errors.ApiError(401, {"error": "Unauthorized"})
        own, in_path = self._state.project_id, _PROJECT.match(seen.path)
        for project in (in_path[1], seen.query.get("project_id", own)) if in_path else ():
            if project != own:
                message = f"The project `p-{project}` does not exist, or this token has no access to it."
                raise errors.error(404, message, "NotFoundError", "project_id")
        if self._state.starting > 0:
            self._state.starting -= 1
            raise errors.error(503, "The deployment is starting.", "ServiceUnavailableError")

    async def _chat(self, request: HttpRequest) -> Delivery:
        body = checks.check_shape(json_body(request.scope["tir_request"]))
        body |= {"model": self._model(request, body)}
        checks.check_values(body, self._state.context_window)
        reply, fault = self._next(request.scope["tir_request"])
        choices = generate(reply, body, self._ids)
        name = self._id(request, body, "chatcmpl")
        made = responses.ChatAnswer(name, next(self._clock), body, tokenizer.prompt_tokens(body), choices)
        answer = responses.chunks(made) if body.get("stream") else responses.completion(made)
        return Delivery(self._connections, reply, fault, answer)

    async def _embed(self, request: HttpRequest) -> Delivery:
        body = validated(Embedding, json_body(request.scope["tir_request"]))
        body |= {"model": self._model(request, body)}
        head = {"id": self._id(request, body, "embd"), "object": "list", "created": next(self._clock)}
        return self._computed(request, head | embeddings(body, self._state.context_window))

    async def _rerank(self, request: HttpRequest) -> Delivery:
        body = validated(Rerank, json_body(request.scope["tir_request"]))
        body |= {"model": self._model(request, body)}
        head = {"id": self._id(request, body, "score")}
        return self._computed(request, head | rerank(body, self._state.context_window))

    async def _models(self, request: HttpRequest) -> Response:
        names = [self._model(request, {})] if "model" in request.path_params else self._state.models or _SERVED
        card = {"object": "model", "created": 0, "owned_by": "vllm", "root": "model", "parent": None}
        card |= {"max_model_len": self._state.context_window, "permission": []}
        return JSONResponse({"object": "list", "data": [{"id": name, **card} for name in names]})

    async def _tokenize(self, request: HttpRequest) -> Response:
        body = validated(Tokenize, json_body(request.scope["tir_request"]))
        strings = tokenizer.pieces(body.get("prompt", ""))
        for message in body.get("messages") or []:
            strings += tokenizer.pieces(tokenizer.text_of(message.get("content")))
        return JSONResponse(
            {
                "count": len(strings),
                "max_model_len": self._state.context_window,
                "tokens": [tokenizer.token_id(one) for one in strings],
                "token_strs": strings if body.get("return_token_strs") else None,
            }
        )

    def _computed(self, request: HttpRequest, answer: Mapping[str, Any]) -> Delivery:
        """Send a computed answer, unless the script has a fault or a body for the request."""
        item = self._script.take(request.scope["tir_request"], is_computed=True) or Reply()
        reply, fault = (Reply(), item) if isinstance(item, Fault) else (item, Fault())
        return Delivery(self._connections, reply, fault, answer)

    def _next(self, seen: Request) -> tuple[Reply, Fault]:
        """Return the reply to a chat request, and the fault to apply to it."""
        scripted = self._script.take(seen, strict=self._state.strict)
        if isinstance(scripted, Fault) and (scripted.after or scripted.status or scripted.reset_before_headers):
            return scripted.after or Reply(), scripted
        item = scripted if isinstance(scripted, Reply) else self._by_rule(seen)
        if isinstance(item, Fault):
            return item.after or answer_by_rule(seen), item
        return item, scripted if isinstance(scripted, Fault) else Fault()

    def _by_rule(self, seen: Request) -> Answer:
        rules = self._state.rules or answer_by_rule
        return self._script.called(lambda one: rules(one) or answer_by_rule(one), seen)

    def _model(self, request: HttpRequest, body: Mapping[str, Any]) -> str:
        """Return the model in the URL or the body; if both have one, they must agree."""
        in_url, in_body = request.path_params.get("model"), body.get("model")
        if in_url is not None and in_body is not None and in_url != in_body:
            message = f"The URL has the model `{in_url}`, the body `{in_body}`: use the same in both."
            raise errors.bad_value(message, "model", in_body)
        models = self._state.models or _SERVED
        model = in_url or in_body or models[0]
        if model not in models and (self._state.models is not None or model == _UNKNOWN):
            message = f"The model `{model}` does not exist. Valid aliases: {', '.join(models)}."
            raise errors.error(404, message, "NotFoundError", "model")
        return str(model)

    def _id(self, request: HttpRequest, body: Mapping[str, Any], prefix: str) -> str:
        given = request.headers.get("x-request-id") or body.get("request_id")
        return f"{prefix}-{given or format(next(self._ids), '016x')}"


async def _failed(_: HttpRequest, problem: Exception) -> Response:
    if isinstance(problem, HTTPException):
        return JSONResponse({"detail": problem.detail}, problem.status_code, problem.headers)
    if not isinstance(problem, errors.ApiError):
        problem = errors.error(500, str(problem), "InternalServerError")
    return JSONResponse(problem.body, problem.status)


def _marked(seen: Request, send: Send) -> Send:
    """Add the request id to the response headers, and record when the response is complete."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            name = seen.headers.get("x-request-id") or secrets.token_hex(16)
            message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode("latin-1"))]
        elif not message.get("more_body") and not seen.disconnected:
            seen.finished = True
        await send(message)

    return marked
