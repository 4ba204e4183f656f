"""The errors of the endpoint, in the words vLLM uses."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

_MOST_PROBLEMS = 10
_LONGEST = 200
_PLUMBING = frozenset(["str", "int", "float", "bool", "list", "dict", "none", "call", "arguments"])


class ApiError(Exception):
    """A refusal: a status, and the body that goes with it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def error(status: int, message: str, kind: str, param: str | None = None) -> ApiError:
    """Build vLLM's error shape."""
    message = message.encode(errors="replace").decode()  # half a surrogate pair would break the answer
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
    lines = "\n".join(f"  {problem}" for problem in problems[:_MOST_PROBLEMS])
    if len(problems) > _MOST_PROBLEMS:
        lines += f"\n  ...and {len(problems) - _MOST_PROBLEMS} more errors"
    heading = "1 validation error" if len(problems) == 1 else f"{len(problems)} validation errors"
    return error(400, f"{heading}:\n{lines}", "Bad Request", problems[0]["loc"])


def not_a_string(place: str) -> ApiError:
    """Refuse a null where a string has to be."""
    return invalid({"type": "string_type", "loc": place, "msg": "Input should be a valid string", "input": "None"})


def described(problem: ValidationError) -> Iterator[dict[str, Any]]:
    """Describe what pydantic found as vLLM does: without the names of union members, and with short inputs."""
    for one in problem.errors(include_url=False):
        loc = [str(part) for part in one["loc"] if not _is_plumbing(str(part))]
        described = {"type": one["type"], "loc": ".".join(["body", *loc]), "msg": one["msg"]}
        yield described | {"input": brief(one["input"])} | ({"ctx": one["ctx"]} if "ctx" in one else {})


def _is_plumbing(part: str) -> bool:
    return part.startswith("_") or part.lower() in _PLUMBING or any(mark in part for mark in "[](){}")


def brief(value: Any) -> str:
    """Name a value in an error without repeating all of it."""
    if isinstance(value, list | dict):
        return f"<{type(value).__name__} of {len(value)} items>"
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "...[truncated]"


def broken(problem: Exception) -> ApiError:
    """Say that the server itself has failed."""
    return error(500, str(problem), "InternalServerError")


def cannot_fill(why: str) -> ApiError:
    """Refuse what the sandbox cannot make up, although a model could answer it."""
    return bad_request(f"The sandbox {why}. Script a reply for this request instead.")


def off_script(problem: str) -> ApiError:
    """Refuse a request that the script does not answer, with a status that clients do not retry."""
    return error(400, problem, "ScriptError")


def unsupported_media_type() -> ApiError:
    """Refuse a body that is not declared as JSON."""
    message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
    return error(400, message, "Bad Request")


def unknown_model(model: str, aliases: str) -> ApiError:
    """Refuse a model that is not served."""
    message = f"The model `{model}` does not exist. Valid aliases: {aliases}."
    return error(404, message, "NotFoundError", "model")


def unknown_role(role: str) -> ApiError:
    """Refuse a role that gpt-oss does not have."""
    known = "Input should be 'user', 'assistant', 'system', 'developer' or 'tool'"
    found = f"[type=enum, input_value={role!r}, input_type={type(role).__name__}]"
    link = "For further information visit https://errors.pydantic.dev/2.14/v/enum"
    return bad_request(f"1 validation error for Author\nrole\n  {known} {found}\n    {link}")


def unknown_project(project: str) -> ApiError:
    """Refuse a project that is not the sandbox's."""
    message = f"The project `{project}` does not exist, or this token has no access to it."
    return error(404, message, "NotFoundError", "project_id")


def unauthorized() -> ApiError:
    """Refuse a request without the right token. `error` is a string here, as it is on the real server."""
    return ApiError(401, {"error": "Unauthorized"})
