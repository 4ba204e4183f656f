"""Parses response bodies: the JSON of any call, then embeddings, lists of models and token counts. Pure."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from tir_client.errors import NoAnswerError, ResponseError
from tir_client.protocol.error_responses import describe_body, error_from_event, parse_error_body
from tir_client.protocol.responses import Embeddings, Json, ModelCard, Usage
from tir_client.protocol.server_json import load
from tir_client.protocol.sse import BOM

if TYPE_CHECKING:
    from tir_client.protocol.requests import EmbeddingRequest

_NO_ERROR_STATUS = "The answer has no error status, but it"


def read_json(content: bytes, request_id: str | None, *, arrays: bool = False) -> Any:
    """Parse the body of an answer to any call: a JSON object, or with `arrays` also an array.

    Raises:
        NoAnswerError: The object reports an error.
        ResponseError: The body is something else.
    """
    try:
        answer = load(content.removeprefix(BOM))
    except ValueError:
        answer = None
    if isinstance(answer, dict) and error_from_event(answer) is None:
        return answer
    if arrays and isinstance(answer, list):
        return answer
    body = parse_error_body(content) if answer is None else answer
    explanation = describe_body(body) or "an empty body"
    details: dict[str, Any] = {"body": body, "request_id": request_id}
    if isinstance(answer, dict):
        raise NoAnswerError(f"{_NO_ERROR_STATUS} reports an error: {explanation}", **details)
    advice = "Check the URL: it may be a web page's, or a gateway may have answered instead of the server."
    raise ResponseError(f"{_NO_ERROR_STATUS} is not a JSON object: {explanation}\n{advice}", **details)


def usage_of(answer: Json) -> Usage | None:
    """The token counts of an answer; None if it has none."""
    usage = answer.get("usage")
    return Usage.of(usage) if isinstance(usage, dict) else None


def read_embeddings(request: EmbeddingRequest, content: bytes, request_id: str | None) -> Embeddings:
    """Read the vectors of `request`, in the order of its texts.

    Raises:
        ResponseError: The number of vectors is wrong, their lengths differ, or a value is not a finite number.
    """
    answer = read_json(content, request_id)
    try:
        rows = {row["index"]: row["embedding"] for row in answer["data"]}
        vectors = [_vector(rows[index]) for index in range(len(request.input))]
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        vectors = []
    if len(vectors) != len(request.input) or len(answer["data"]) != len(vectors) or not all(vectors):
        raise ResponseError(
            f"{len(request.input)} texts were sent, but the answer does not have one vector of numbers for each.",
            request_id=request_id,
        )
    sizes = {len(vector) for vector in vectors}
    wanted = request.dimensions
    if len(sizes) > 1 or (wanted is not None and sizes != {wanted}):
        raise ResponseError(
            f"The vectors have {sorted(sizes)} dimensions; {wanted or 'one length'} was expected.",
            request_id=request_id,
        )
    return Embeddings(vectors, str(answer.get("model") or request.model), usage_of(answer))


def _vector(row: Any) -> list[float]:
    if not isinstance(row, list) or not set(map(type, row)) <= {int, float} or not all(map(isfinite, row)):
        raise ValueError
    return [float(number) for number in row]


def read_models(content: bytes, request_id: str | None) -> list[ModelCard]:
    """Read the list of models of an endpoint."""
    answer = read_json(content, request_id)
    rows = answer.get("data")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise ResponseError("The answer is not a list of models.", body=answer, request_id=request_id)
    return [ModelCard(str(row["id"]), _window(row), row) for row in rows]


def _window(row: Json) -> int | None:
    """The context window of a model, as vLLM, SGLang or llama.cpp report it."""
    meta = row.get("meta")
    window = row.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
    return window if isinstance(window, int) and not isinstance(window, bool) and window > 0 else None


def read_token_count(content: bytes, request_id: str | None) -> int:
    """Read the answer of vLLM's `/tokenize`."""
    count = read_json(content, request_id).get("count")
    if not isinstance(count, int) or isinstance(count, bool):
        raise ResponseError("The answer has no token count.", request_id=request_id)
    return count
