"""Request: a recorded request. Also reads requests and their JSON bodies."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope

from tir_sandbox import errors
from tir_sandbox.request_models import Tokenize, validated
from tir_sandbox.tokenizer import text_of


@dataclass
class Request:
    """A request that the sandbox received, and the state of its answer.

    Args:
        method: `GET`, `POST` ...
        path: The path without the query.
        query: The query's parameters.
        headers: The headers, names in lower case.
        raw: The bytes of the body.
        body: The body parsed as JSON, or None.
        finished: Whether the answer was sent completely.
        disconnected: Whether the client closed the connection before the answer was complete.
        sent: The number of stream events sent.
        at: When the request was received (`time.monotonic`).
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    body: Any = None
    finished: bool = False
    disconnected: bool = False
    sent: int = 0
    at: float = field(default_factory=time.monotonic)

    @property
    def model(self) -> str | None:
        """The model in the body."""
        model = self._field("model")
        return model if isinstance(model, str) else None

    @property
    def messages(self) -> list[Mapping[str, Any]]:
        """The messages of a chat request."""
        messages = self._field("messages")
        return [one for one in messages if isinstance(one, Mapping)] if isinstance(messages, list) else []

    @property
    def user(self) -> str:
        """The text of the last user message."""
        contents = [one.get("content") for one in self.messages if one.get("role") == "user"]
        return text_of(contents[-1]) if contents else ""

    @property
    def tools(self) -> list[str]:
        """The names of the offered tools."""
        tools = self._field("tools") if isinstance(self._field("tools"), list) else []
        functions = [one.get("function") for one in tools if isinstance(one, Mapping)]
        return [str(one.get("name")) for one in functions if isinstance(one, Mapping)]

    def _field(self, name: str) -> Any:
        return self.body.get(name) if isinstance(self.body, Mapping) else None


async def read(scope: Scope, receive: Receive) -> Request:
    """Read a whole request."""
    request = HttpRequest(scope, receive)
    raw = await request.body()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    query, headers = dict(request.query_params), dict(request.headers)
    return Request(request.method, scope["path"], query=query, headers=headers, raw=raw, body=body)


def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON body of a request, or refuse it as vLLM does."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
        raise errors.error(400, message, "Bad Request")
    try:
        body = json.loads(request.raw)
        if b"\\ud" in request.raw.lower():  # half a surrogate pair cannot be encoded
            json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError as problem:
        raise errors.bad_request(str(problem)) from problem
    except (ValueError, RecursionError) as problem:
        details = {"input": "<dict of 0 items>", "ctx": {"error": getattr(problem, "msg", str(problem))}}
        place = {"type": "json_invalid", "loc": f"body.{getattr(problem, 'pos', 0)}", "msg": "JSON decode error"}
        raise errors.invalid(place | details) from problem
    return body if isinstance(body, dict) else validated(Tokenize, body)  # raises an error
