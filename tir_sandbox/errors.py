"""The endpoint's error responses, with vLLM's wordings."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

_LONGEST = 200
_UNION_MEMBERS = frozenset(["str", "int", "float", "bool", "list", "dict", "none"])


class ApiError(Exception):
    """An error response: a status and a body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def error(status: int, message: str, kind: str, param: str | None = None) -> ApiError:
    """Build an error in vLLM's form."""
    message = message.encode(errors="replace").decode()  # half a surrogate pair cannot be sent
    return ApiError(status, {"error": {"message": message, "type": kind, "param": param, "code": status}})


def bad_request(message: str, param: str | None = None) -> ApiError:
    """Build the error for an invalid request."""
    return error(400, message, "BadRequestError", param)


def bad_value(message: str, param: str, value: Any = ...) -> ApiError:
    """Build the error for a parameter. As in vLLM, its name (and value) is at the end of the message."""
    suffix = f"(parameter={param})" if value is ... else f"(parameter={param}, value={value})"
    return bad_request(f"{message} {suffix}", param)


def invalid(*problems: dict[str, Any]) -> ApiError:
    """Build the error for an invalid body. Each problem has `type`, `loc`, `msg` and `input`."""
    lines = "\n".join(f"  {problem}" for problem in problems)
    heading = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
    return error(400, f"{heading}:\n{lines}", "Bad Request", problems[0]["loc"])


def described(problem: ValidationError) -> Iterator[dict[str, Any]]:
    """Describe a validation error as vLLM does: without the names of union members, with shortened inputs."""
    for one in problem.errors(include_url=False):
        parts = [str(part) for part in one["loc"]]
        loc = [part for part in parts if part not in _UNION_MEMBERS and not set(part) & set("[](){}")]
        described = {"type": one["type"], "loc": ".".join(["body", *loc]), "msg": one["msg"]}
        yield described | {"input": brief(one["input"])} | ({"ctx": one["ctx"]} if "ctx" in one else {})


def brief(value: Any) -> str:
    """Return a short text for a value in an error."""
    if isinstance(value, list | dict):
        return f"<{type(value).__name__} of {len(value)} items>"
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "...[truncated]"


def cannot_fill(why: str) -> ApiError:
    """Build the error for a schema or pattern for which the sandbox finds no value."""
    return bad_request(f"The sandbox {why}. Script a reply for this request instead.")
