"""Records every request, and checks its token and its project."""

import json
import logging
import re
import secrets
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tir_sandbox import errors
from tir_sandbox.requests import Request
from tir_sandbox.script import Script

if TYPE_CHECKING:
    from tir_sandbox.server import Sandbox

_LOG = logging.getLogger(__name__)
_PROJECT = re.compile(r"/project/(p-[^/]*)")


class Middleware:
    """ASGI middleware that records a request and checks its token and project."""

    def __init__(self, app: ASGIApp, sandbox: "Sandbox", script: Script) -> None:
        self._app = app
        self._sandbox = sandbox
        self._script = script

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            seen = await _read(scope, receive)
        except ClientDisconnect:
            return
        self._sandbox.requests.append(seen)
        scope["tir_request"] = seen
        send = _marked(seen, send)
        try:
            self._check(seen)
            await self._app(scope, receive, send)
        except errors.ApiError as refusal:
            await JSONResponse(refusal.body, refusal.status)(scope, receive, send)
        except Exception as problem:  # noqa: BLE001 - a bug of the sandbox, answered with HTTP 500, or a reply that is not JSON
            message = f"The sandbox failed at {scope['path']}: {problem!r}"
            self._script.failed(message)
            _LOG.error(message)
            _LOG.debug("It failed here:", exc_info=True)

    def _check(self, seen: Request) -> None:
        """Refuse a request without the sandbox's token or project, and while the deployment starts."""
        if seen.path.startswith(("/v1", "/project")):
            kind, _, token = seen.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not secrets.compare_digest(token.encode(), self._sandbox.token.encode()):
                raise errors.ApiError(401, {"error": "Unauthorized"})
        if found := _PROJECT.match(seen.path):
            self._check_project(found[1], seen.query.get("project_id"))
        if self._sandbox.starting > 0:
            self._sandbox.starting -= 1
            raise errors.error(503, "The deployment is starting.", "ServiceUnavailableError")

    def _check_project(self, in_path: str, in_query: str | None) -> None:
        project = f"p-{self._sandbox.project_id}"
        if in_path != project:
            message = f"The project `{in_path}` does not exist, or this token has no access to it."
            raise errors.error(404, message, "NotFoundError", "project_id")
        if in_query is not None and f"p-{in_query}" != project:
            message = f"The URL's path has the project `{in_path}`, its query `{in_query}`: use the same in both."
            raise errors.bad_value(message, "project_id", in_query)


async def _read(scope: Scope, receive: Receive) -> Request:
    request = HttpRequest(scope, receive)
    raw = await request.body()
    return Request(
        method=request.method,
        path=scope["path"],
        query=dict(request.query_params),
        headers=dict(request.headers),
        raw=raw,
        body=_parsed(raw),
    )


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _marked(seen: Request, send: Send) -> Send:
    """Add the request's id to the response's headers, and record when a response is complete."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            name = seen.headers.get("x-request-id") or secrets.token_hex(16)
            message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode("latin-1"))]
        elif not message.get("more_body") and not seen.disconnected:
            seen.finished = True
        await send(message)

    return marked
