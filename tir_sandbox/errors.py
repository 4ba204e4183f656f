"""The errors of the endpoint, in the words vLLM uses."""

from typing import Any

from starlette.responses import JSONResponse


class ApiError(Exception):
    """A refusal: a status, and the body that goes with it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.status = status
        self.body = body

    def response(self) -> JSONResponse:
        """Return the refusal as a response."""
        return JSONResponse(self.body, self.status)


def error(status: int, message: str, kind: str, param: str | None = None) -> ApiError:
    """Build vLLM's error shape."""
    return ApiError(status, {"error": {"message": message, "type": kind, "param": param, "code": status}})


def bad_request(message: str, param: str | None = None) -> ApiError:
    """Refuse a request whose values make no sense together."""
    return error(400, message, "BadRequestError", param)


def bad_value(message: str, param: str, value: Any = ...) -> ApiError:
    """Refuse one parameter; vLLM repeats its name (and value) at the end of the message."""
    suffix = f"(parameter={param})" if value is ... else f"(parameter={param}, value={value})"
    return bad_request(f"{message} {suffix}", param)


def invalid(*problems: dict[str, Any]) -> ApiError:
    """Refuse a body that does not fit the request's schema; each problem has `type`, `loc`, `msg`, `input`."""
    lines = "\n".join(f"  {problem}" for problem in problems)
    heading = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
    return error(400, f"{heading}:\n{lines}", "Bad Request", problems[0]["loc"])


def unsupported_media_type() -> ApiError:
    """Refuse a body that is not declared as JSON."""
    message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
    return error(400, message, "Bad Request")


def unknown_model(model: str, aliases: str) -> ApiError:
    """Refuse a model that is not served."""
    message = f"The model `{model}` does not exist. Valid aliases: {aliases}."
    return error(404, message, "NotFoundError", "model")


def unknown_project(project: str) -> ApiError:
    """Refuse a project that is not the sandbox's."""
    message = f"The project `{project}` does not exist, or this token has no access to it."
    return error(404, message, "NotFoundError", "project_id")


def unauthorized() -> ApiError:
    """Refuse a request without the right token. `error` is a string here, as it is on the real server."""
    return ApiError(401, {"error": "Unauthorized"})
