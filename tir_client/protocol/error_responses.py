"""Converts error responses and error events to exceptions: chooses the class, and finds the explanation. Pure."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pydantic_core import from_json

from tir_client.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    StreamServerError,
    TIRError,
)
from tir_client.models import slug_of
from tir_client.protocol.retry_after import PATIENCE, retry_after

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


BODY_LIMIT = 2_000
"""Maximum number of characters kept of an error body."""

MASK = "**********"

_WORD = string.ascii_letters + string.digits + "_.~+/=-"
"""Characters that may be part of a token or a word."""

MARKUP_LIMIT = 16 * BODY_LIMIT
"""Characters of an HTML page that are searched for text."""

TAG_LIMIT = 500
"""Characters of a tag: a longer one is text."""

SHORTEST_SECRET = 8
"""Shorter secrets are not masked: they could match ordinary words, and no real token is that short."""

_BY_STATUS: dict[int, type[APIStatusError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: ServerError,
    409: ServerError,
    429: RateLimitError,
}

# First vLLM's wordings from 0.10 to 0.32; old versions report a negative `max_tokens`, such as `got -8996`, for
# gpt-oss. Then SGLang's and llama.cpp's.
_OVERFLOW = re.compile(
    r"maximum context length|maximum model length|exceeds model's maximum|max_tokens must be at least 1, got -"
    r"|longer than the model's context length|exceeds the available context size",
)

_ADVICE: dict[type[APIStatusError], str] = {
    AuthenticationError: "Check the Auth Token in `api_key` or E2E_TIR_ACCESS_TOKEN.",
    PermissionDeniedError: "Check that the token's owner may use this project and model.",
    NotFoundError: "Check the `model` slug, the `project_id` and, for your own deployment, `endpoint_id`.",
    RateLimitError: "Send fewer requests at a time, or raise `max_retries`.",
    ServerError: "The server, or a gateway in front of it, failed: try again later.",
    ContextOverflowError: "Shorten the messages, or lower `max_tokens`.",
}

_COME_BACK = "Try again in {wait:.0f} seconds, as the server's `Retry-After` says."
_LONG_TEXTS = (
    "Split the texts into shorter ones (in LlamaIndex, lower `Settings.chunk_size`), or have the server cut them with "
    "`truncate_prompt_tokens`."
)
_RERANK_PATH = "Check the `path`, too: most servers rerank at `rerank`, which is below `/v1`, and others at `/rerank`."
_FIXED_CALLS = ("completions", "embeddings", "models")
"""The last parts of paths that users do not choose. Of `RerankRequest.path` they choose it."""
_NO_TOKENIZER = "The server, or a gateway in front of it, does not expose vLLM's `/tokenize`: it cannot count tokens."
_NO_VERSION = "The URL has no `/v1`: most servers expect a `base_url` that ends in it, such as {root}/v1."
NOT_FORWARDED = frozenset({403, 404, 405, 501})
"""Statuses of a gateway that does not forward a path; not 401, which may be an expired token."""


def error_from_response(
    status_code: int,
    headers: Mapping[str, str],
    content: bytes,
    *,
    url: str = "",
    hint: str = "",
) -> APIStatusError:
    """Return the exception for a response with an error status.

    Args:
        status_code: HTTP status.
        headers: Response headers, lower-case names.
        content: Response body, any bytes.
        url: Where the request went, without its query.
        hint: Advice to append to the message, instead of that for the class. Advice about the URL, or about a long
            `Retry-After`, takes precedence.
    """
    body = parse_error_body(content)
    explanation = describe_body(body) or "(no explanation in the body)"
    cls = _class_for(status_code, explanation)
    wait = retry_after(headers)
    advice = _advice_for_url(cls, status_code, url) or hint or _ADVICE.get(cls)
    if wait is not None and wait > PATIENCE and cls in {RateLimitError, ServerError}:
        advice = _COME_BACK.format(wait=wait)
    where = f" from {url}" if url else ""
    message = f"HTTP {status_code}{where}: {explanation}" + (f"\n{advice}" if advice else "")
    return cls(
        message,
        status_code=status_code,
        request_id=headers.get("x-request-id"),
        body=body,
        headers=headers,
        retry_after=wait,
    )


def _advice_for_url(cls: type[APIStatusError], status_code: int, url: str) -> str:
    """Advice that depends on the URL; empty if the advice for the class fits."""
    parts = urlsplit(url)
    root, _, call = parts.path.rpartition("/")
    if call == "tokenize":
        return _NO_TOKENIZER if status_code in NOT_FORWARDED else ""
    if call in {"embeddings", "rerank"} and cls is ContextOverflowError:
        return _LONG_TEXTS
    if cls is not NotFoundError:
        return ""
    if url and call not in _FIXED_CALLS:
        return f"{_ADVICE[NotFoundError]} {_RERANK_PATH}"
    if url and "v1" not in parts.path.split("/"):
        return _NO_VERSION.format(root=f"{parts.scheme}://{parts.netloc}{root.removesuffix('/chat')}")
    model = parts.path.partition("/genai/")[2].partition("/")[0]
    slug = slug_of(model)
    return f"{_ADVICE[NotFoundError]} Did you mean the model `{slug}`?" if slug not in (None, model) else ""


def _class_for(status_code: int, explanation: str) -> type[APIStatusError]:
    if status_code in _BY_STATUS:
        return _BY_STATUS[status_code]
    if status_code >= 500:  # noqa: PLR2004 - the boundary of server errors in HTTP
        return ServerError
    if 300 <= status_code < 400:  # noqa: PLR2004 - redirects are not followed, to protect the token
        return APIStatusError
    return ContextOverflowError if _OVERFLOW.search(explanation) else BadRequestError


def error_from_event(event: dict[str, Any]) -> StreamServerError | None:
    """Return the exception for an error event of a stream, or None for an ordinary chunk.

    The class does not depend on the status in the event, which is unreliable: vLLM up to 0.12 always sends 400.
    """
    reported = event.get("error")
    if event.get("object") != "error" and (reported is None or (not reported and "choices" in event)):
        return None
    body = reported or event
    code = body.get("code") if isinstance(body, dict) else None
    return StreamServerError(
        f"The server reported an error in the middle of the stream: {describe_body(event)}",
        status_code=code if isinstance(code, int) else None,
        body=event,
    )


def mask_error(error: TIRError, secrets: Collection[str]) -> TIRError:
    """Mask `secrets` that the server repeated in `error`; return the same error."""
    error.message = masked(error.message, secrets)
    error.args = (error.message,)
    error.body = masked(error.body, secrets)
    error.headers = masked(error.headers, secrets)
    return error


def parse_error_body(content: bytes) -> Any:
    """Parse an error body: as JSON, or else as stripped text of at most `BODY_LIMIT` characters."""
    try:
        return from_json(content[: 16 * BODY_LIMIT])
    except ValueError:
        text = content[: 16 * BODY_LIMIT].decode("utf-8", "replace")
        return cut(text.strip())


def describe_body(body: Any) -> str:
    """Find the explanation in an error body of any known form.

    Known: vLLM old and new, `{"error": "..."}`, `{"detail": ...}`, E2E's management envelope, HTML and text.
    """
    if isinstance(body, str):
        return cut(_text_of_html(body))
    if not isinstance(body, dict):
        return "" if body is None else cut(str(body))
    parts = [describe_body(body[key]) for key in ("error", "message", "detail", "errors") if body.get(key)]
    return cut("; ".join(dict.fromkeys(parts)) or (str(body) if body else ""))


def _text_of_html(text: str) -> str:
    if not text.lstrip().startswith("<"):
        return text
    text = text[:MARKUP_LIMIT]
    return " ".join((_title(text) or _without_tags(text)).split())


def _title(text: str) -> str:
    lower = text.lower()
    begin = lower.find("<title")
    start = lower.find(">", begin)
    end = lower.find("</title", start)
    return text[start + 1 : end] if 0 <= begin < start < end else ""


def _without_tags(text: str) -> str:
    before, *pieces = text.split("<")
    return " ".join([before, *(_behind_tag(piece) for piece in pieces)])


def _behind_tag(piece: str) -> str:
    tag, closed, rest = piece.partition(">")
    return rest if closed and len(tag) < TAG_LIMIT else "<" + piece


def cut(text: str) -> str:
    """`text`, cut after `BODY_LIMIT` characters. The last word is left out, because it may be half a token."""
    return text if len(text) <= BODY_LIMIT else text[:BODY_LIMIT].rstrip(_WORD) + "… (cut)"


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """A copy of `value`, any JSON, with each of `secrets` masked, in plain and URL-encoded form.

    Secrets shorter than `SHORTEST_SECRET` characters are not masked.
    """
    forms = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in (secret, quote(secret, safe=""))}
    return _masked(value, sorted(forms, key=len, reverse=True))


def _masked(value: Any, forms: list[str]) -> Any:
    match value:
        case str():
            for form in forms:
                value = value.replace(form, MASK)
            return value
        case dict():
            return {_masked(key, forms): _masked(inner, forms) for key, inner in value.items()}
        case list():
            return [_masked(inner, forms) for inner in value]
        case _:
            return value
