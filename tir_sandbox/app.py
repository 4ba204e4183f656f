"""The HTTP API: routes and handlers."""

import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tir_sandbox import checks, errors, responses, tokenizer
from tir_sandbox.delivery import Connections, Delivery, compact
from tir_sandbox.faults import Fault
from tir_sandbox.generation import generate
from tir_sandbox.replies import Reply
from tir_sandbox.request_models import Embedding, Rerank, Tokenize, validated
from tir_sandbox.retrieval import embeddings, rerank
from tir_sandbox.rules import answer_by_rule
from tir_sandbox.script import Answer, Script

if TYPE_CHECKING:
    from tir_sandbox.requests import Request
    from tir_sandbox.server import Sandbox

_BASES = (
    "/v1",
    "/project/p-{project}/genai/{model}/v1",
    "/project/p-{project}/genai/v1",
    "/project/p-{project}/endpoint/is-{endpoint}/v1",
)
_SERVED = ("gpt_oss_120b", "qwen3_32b", "llama3_1_8b_instruct", "bge-large-en-v1_5", "e5-mistral-7b-instruct")
_UNKNOWN = "nope"
_EPOCH = 1_750_000_000


def build(sandbox: "Sandbox", script: Script, connections: Connections) -> Starlette:
    """Build the ASGI application of a sandbox."""
    endpoint = Endpoint(sandbox, script, connections)
    routes = [
        Route(path, handler, methods=[method])
        for base in _BASES
        for path, handler, method in (
            (f"{base}/chat/completions", endpoint.chat, "POST"),
            (f"{base}/embeddings", endpoint.embed, "POST"),
            (f"{base}/rerank", endpoint.rerank, "POST"),
            (f"{base}/models", endpoint.models, "GET"),
        )
    ]
    routes += [
        Route("/rerank", endpoint.rerank, methods=["POST"]),
        Route("/tokenize", endpoint.tokenize, methods=["POST"]),
        Route("/health", _alive, methods=["GET"]),
    ]
    handled = (HTTPException, errors.ApiError, Exception)
    return Starlette(routes=routes, exception_handlers=dict.fromkeys(handled, _failed))


class Endpoint:
    """The handlers of a sandbox."""

    def __init__(self, sandbox: "Sandbox", script: Script, connections: Connections) -> None:
        self._sandbox = sandbox
        self._script = script
        self._connections = connections
        self._ids, self._clock = count(1), count(_EPOCH)  # the same in every run

    async def chat(self, request: HttpRequest) -> Delivery:
        """Answer `POST chat/completions`."""
        body = checks.check_shape(_json_body(request))
        body |= {"model": self._model(request, body)}
        checks.check_values(body, self._sandbox.context_window)
        reply, fault = self._next(request.scope["tir_request"])
        choices = generate(reply, body, self._ids)
        name = self._id(request, body, "chatcmpl")
        made = responses.Answer(name, next(self._clock), body["model"], body, tokenizer.prompt_tokens(body), choices)
        answer = responses.chunks(made) if body.get("stream") else responses.completion(made)
        return Delivery(self._connections, reply, fault, answer)

    async def embed(self, request: HttpRequest) -> Delivery:
        """Answer `POST embeddings`."""
        body = validated(Embedding, _json_body(request))
        body |= {"model": self._model(request, body)}
        head = {"id": self._id(request, body, "embd"), "object": "list", "created": next(self._clock)}
        return self._computed(request, head | embeddings(body, self._sandbox.context_window))

    async def rerank(self, request: HttpRequest) -> Delivery:
        """Answer `POST rerank`."""
        body = validated(Rerank, _json_body(request))
        body |= {"model": self._model(request, body)}
        head = {"id": self._id(request, body, "score")}
        return self._computed(request, head | rerank(body, self._sandbox.context_window))

    async def models(self, request: HttpRequest) -> Response:
        """Answer `GET models`."""
        names = [self._model(request, {})] if "model" in request.path_params else self._served
        window = self._sandbox.context_window
        return JSONResponse({"object": "list", "data": [_model_card(name, window) for name in names]})

    async def tokenize(self, request: HttpRequest) -> Response:
        """Answer `POST tokenize`."""
        body = validated(Tokenize, _json_body(request))
        strings = tokenizer.pieces(body.get("prompt", ""))
        for message in body.get("messages") or []:
            strings += tokenizer.pieces(tokenizer.text_of(message.get("content")))
        return JSONResponse(
            {
                "count": len(strings),
                "max_model_len": self._sandbox.context_window,
                "tokens": [tokenizer.token_id(one) for one in strings],
                "token_strs": strings if body.get("return_token_strs") else None,
            }
        )

    def _computed(self, request: HttpRequest, answer: Mapping[str, Any]) -> Delivery:
        """Send an answer that the sandbox has computed, unless the script has a fault or a body for it."""
        item = self._script.take(request.scope["tir_request"], is_computed=True) or Reply()
        reply, fault = (Reply(), item) if isinstance(item, Fault) else (item, Fault())
        return Delivery(self._connections, reply, fault, answer)

    def _next(self, seen: "Request") -> tuple[Reply, Fault]:
        """Return the reply to a chat request, and the fault to apply to it."""
        scripted = self._script.take(seen, strict=self._sandbox.strict)
        if isinstance(scripted, Fault) and (scripted.after or scripted.needs_no_reply):
            return scripted.after or Reply(), scripted
        item = scripted if isinstance(scripted, Reply) else self._by_rule(seen)
        if isinstance(item, Fault):
            return item.after or answer_by_rule(seen), item
        return item, scripted if isinstance(scripted, Fault) else Fault()

    def _by_rule(self, seen: "Request") -> Answer:
        rules = self._sandbox.rules
        if rules is None:
            return answer_by_rule(seen)
        return self._script.called(lambda one: rules(one) or answer_by_rule(one), seen)

    @property
    def _served(self) -> Sequence[str]:
        return self._sandbox.models or _SERVED

    def _model(self, request: HttpRequest, body: Mapping[str, Any]) -> str:
        """Return the model of the URL or of the body; if both name one, it must be the same."""
        in_url, in_body = request.path_params.get("model"), body.get("model")
        if in_url is not None and in_body is not None and in_url != in_body:
            message = f"The URL has the model `{in_url}`, the body `{in_body}`: use the same in both."
            raise errors.bad_value(message, "model", in_body)
        model = in_url or in_body or self._served[0]
        models = self._sandbox.models
        if model == _UNKNOWN if models is None else model not in models:
            message = f"The model `{model}` does not exist. Valid aliases: {', '.join(self._served)}."
            raise errors.error(404, message, "NotFoundError", "model")
        return str(model)

    def _id(self, request: HttpRequest, body: Mapping[str, Any], prefix: str) -> str:
        given = request.headers.get("x-request-id") or body.get("request_id")
        return f"{prefix}-{given or format(next(self._ids), '016x')}"


def _json_body(request: HttpRequest) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
        raise errors.error(400, message, "Bad Request")
    raw = request.scope["tir_request"].raw
    try:
        body = json.loads(raw)
        if b"\\ud" in raw.lower():
            compact(body)  # half a surrogate pair can be neither sent nor cut into tokens
    except UnicodeEncodeError as problem:
        raise errors.bad_request(str(problem)) from problem
    except (ValueError, RecursionError) as problem:
        details = {"input": "<dict of 0 items>", "ctx": {"error": getattr(problem, "msg", str(problem))}}
        place = {"type": "json_invalid", "loc": f"body.{getattr(problem, 'pos', 0)}", "msg": "JSON decode error"}
        raise errors.invalid(place | details) from problem
    if isinstance(body, dict):
        return body
    message = "Input should be a valid dictionary or object to extract fields from"
    wrong = {"type": "model_attributes_type", "loc": "body", "msg": message}
    raise errors.invalid(wrong | {"input": errors.brief(body)})


def _model_card(name: str, window: int) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "vllm",
        "root": "model",
        "parent": None,
        "max_model_len": window,
        "permission": [],
    }


async def _alive(_: HttpRequest) -> Response:
    return Response()


async def _failed(_: HttpRequest, problem: Exception) -> Response:
    if isinstance(problem, HTTPException):
        return JSONResponse({"detail": problem.detail}, problem.status_code, problem.headers)
    if not isinstance(problem, errors.ApiError):
        problem = errors.error(500, str(problem), "InternalServerError")
    return JSONResponse(problem.body, problem.status)
