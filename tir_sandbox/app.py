"""The HTTP API: routes and handlers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tir_sandbox import checks, errors, responses, tokenizer
from tir_sandbox.delivery import Delivery, as_body, compact
from tir_sandbox.embeddings import dimensions_of, embed, encoded
from tir_sandbox.faults import Fault
from tir_sandbox.generation import generate
from tir_sandbox.middleware import as_response
from tir_sandbox.replies import Reply
from tir_sandbox.request_models import Embedding, Rerank, Tokenize, validated
from tir_sandbox.rerank import check_documents, rerank
from tir_sandbox.rules import answer_by_rule
from tir_sandbox.script import Answer, ScriptError

if TYPE_CHECKING:
    from tir_sandbox.requests import Request
    from tir_sandbox.state import State

_BASES = (
    "/v1",
    "/project/p-{project}/genai/{model}/v1",
    "/project/p-{project}/genai/v1",
    "/project/p-{project}/endpoint/is-{endpoint}/v1",
)


def build(state: "State") -> Starlette:
    """Build the ASGI application of a sandbox."""
    endpoint = Endpoint(state)
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
    handled = (HTTPException, errors.ApiError, ScriptError, Exception)
    return Starlette(routes=routes, exception_handlers=dict.fromkeys(handled, _failed))


class Endpoint:
    """The handlers of a sandbox."""

    def __init__(self, state: "State") -> None:
        self._state = state

    async def chat(self, request: HttpRequest) -> Delivery:
        """Answer `POST chat/completions`."""
        body = checks.check_shape(_json_body(request))
        body |= {"model": self._model(request, body)}
        checks.check_values(body, self._state.context_window)
        reply, fault = self._next(request)
        choices = generate(reply, body, self._state.ids)
        prompt = tokenizer.prompt_tokens(body)
        name = self._id(request, body, "chatcmpl")
        answer = responses.Answer(name, self._state.clock(), body["model"], body, prompt, choices)
        if not body.get("stream"):
            return self._deliver(reply, fault, whole=responses.completion(answer))
        return self._deliver(reply, fault, events=responses.chunks(answer))

    async def embed(self, request: HttpRequest) -> Delivery:
        """Answer `POST embeddings`."""
        body = validated(Embedding, _json_body(request))
        model = self._model(request, body)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        counts = [tokenizer.count(text) for text in texts]
        for tokens in counts if body.get("truncate_prompt_tokens") is None else ():
            checks.check_prompt(tokens, self._state.context_window, model)
        size, encoding = body.get("dimensions") or dimensions_of(model), body.get("encoding_format")
        data = [
            {"index": index, "object": "embedding", "embedding": encoded(embed(text, size), encoding)}
            for index, text in enumerate(texts)
        ]
        head = {"id": self._id(request, body, "embd"), "object": "list", "created": self._state.clock()}
        usage = {"prompt_tokens": sum(counts), "total_tokens": sum(counts), "completion_tokens": 0}
        details = dict.fromkeys(["prompt_tokens_details", "completion_tokens_details"])
        return self._deliver_computed(request, head | {"model": model, "data": data, "usage": usage | details})

    async def rerank(self, request: HttpRequest) -> Delivery:
        """Answer `POST rerank`."""
        body = validated(Rerank, _json_body(request))
        model = self._model(request, body)
        check_documents(body, self._state.context_window, model)
        return self._deliver_computed(request, rerank(self._id(request, body, "score"), model, body))

    async def models(self, request: HttpRequest) -> Response:
        """Answer `GET models`."""
        names = [self._model(request, {})] if "model" in request.path_params else self._state.served
        window = self._state.context_window
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
                "max_model_len": self._state.context_window,
                "tokens": [tokenizer.token_id(one) for one in strings],
                "token_strs": strings if body.get("return_token_strs") else None,
            }
        )

    def _deliver_computed(self, request: HttpRequest, answer: Mapping[str, Any]) -> Delivery:
        """Send an answer that the sandbox has computed, unless the script has a fault or a body for it."""
        item = self._state.script.take(request.scope["tir_request"], embeds=True)
        if isinstance(item, Fault):
            return self._deliver(Reply(), item, whole=answer)
        return self._deliver(item or Reply(), None, whole=answer)

    def _next(self, request: HttpRequest) -> tuple[Reply, Fault | None]:
        """Return the reply to a request, and the fault to apply to it."""
        seen: Request = request.scope["tir_request"]
        item = self._state.script.take(seen)
        if isinstance(item, Reply):
            return item, None
        if item is not None and (item.after or item.needs_no_reply):
            return item.after or Reply(), item
        by_rule = self._by_rule(seen)
        if isinstance(by_rule, Fault):
            return by_rule.after or answer_by_rule(seen), by_rule
        return by_rule, item

    def _by_rule(self, seen: "Request") -> Answer:
        if self._state.ignores_forced_tools and seen.body.get("tool_choice") != "none":
            seen = replace(seen, body={**seen.body, "tool_choice": "auto"})
        rules = self._state.rules
        if rules is None:
            return answer_by_rule(seen)
        return self._state.script.called(lambda one: rules(one) or answer_by_rule(one), seen)

    def _deliver(
        self,
        reply: Reply,
        fault: Fault | None,
        *,
        whole: Mapping[str, Any] | None = None,
        events: Iterator[dict[str, Any]] | None = None,
    ) -> Delivery:
        delivery = Delivery(self._state.connections, fault=fault or Fault(), delay=reply.delay)
        if events is None:
            delivery.body = as_body(whole if reply.body is None else reply.body)
            return delivery
        delivery.events, delivery.chunk_delay = events, reply.chunk_delay
        if reply.chunks is not None:
            delivery.events = reply.chunks
            delivery.done = not any(isinstance(one, bytes) and b"[DONE]" in one for one in reply.chunks)
        return delivery

    def _model(self, request: HttpRequest, body: Mapping[str, Any]) -> str:
        """Return the model of the URL or of the body; if both name one, it must be the same."""
        in_url, in_body = request.path_params.get("model"), body.get("model")
        if in_url is not None and in_body is not None and in_url != in_body:
            message = f"The URL has the model `{in_url}`, the body `{in_body}`: use the same in both."
            raise errors.bad_value(message, "model", in_body)
        model = in_url or in_body or self._state.served[0]
        if not self._state.serves(model):
            message = f"The model `{model}` does not exist. Valid aliases: {', '.join(self._state.served)}."
            raise errors.error(404, message, "NotFoundError", "model")
        return str(model)

    def _id(self, request: HttpRequest, body: Mapping[str, Any], prefix: str) -> str:
        given = request.headers.get("x-request-id") or body.get("request_id")
        return f"{prefix}-{given or format(next(self._state.ids), '016x')}"


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
    match problem:
        case HTTPException():
            return JSONResponse({"detail": problem.detail}, problem.status_code, problem.headers)
        case errors.ApiError():
            return as_response(problem)
        case ScriptError():
            return as_response(errors.error(400, str(problem), "ScriptError"))
        case _:
            return as_response(errors.error(500, str(problem), "InternalServerError"))
