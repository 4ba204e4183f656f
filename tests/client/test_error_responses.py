"""Messages of error responses: found in any body, in linear time, with secrets masked."""

from __future__ import annotations

import re

import pytest

from tests.complexity import growth
from tir_client import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseError,
    ServerError,
    StreamServerError,
    TIRError,
)
from tir_client.protocol.error_responses import (
    BODY_LIMIT,
    MARKUP_LIMIT,
    MASK,
    cut,
    describe_body,
    error_from_event,
    error_from_response,
    mask_error,
    masked,
    parse_error_body,
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "No such model", "code": 404}}, "No such model"),
        ({"object": "error", "message": "old vLLM"}, "old vLLM"),
        ({"error": "one text"}, "one text"),
        ({"detail": [{"msg": "x"}]}, "[{'msg': 'x'}]"),
        ({"code": 400, "errors": {"model": "unknown"}, "message": ""}, "{'model': 'unknown'}"),
        ({"message": "same", "detail": "same"}, "same"),
        ({"error": "one", "detail": "two"}, "one; two"),
        ({"status": 7}, "{'status': 7}"),
        ({}, ""),
        (None, ""),
        (12, "12"),
        ("plain words", "plain words"),
        ("a < b and <c>", "a < b and <c>"),
        ("<html><head><TITLE lang=en>502\n Bad  Gateway</TITLE></head><body>nginx</body>", "502 Bad Gateway"),
        ("  <h1>Not <b>found</b></h1>", "Not found"),
        ("<html><title>half", "half"),
        ("<p>1 < 2", "1 < 2"),
        ("<p>1 > 0, <>2 > 1", "1 > 0, 2 > 1"),
        (f"<p>a <{'x' * 499}> b", "a b"),
        (f"<p>a <{'x' * 500}> b", f"a <{'x' * 500}> b"),
        ("<title>One</title><svg><title>Two</title></svg>", "One"),
        ("</title><p>Late <title>One</title>", "One"),
        ("<p>No title</title>", "No title"),
        ("<title one</title>", "<title one"),
    ],
)
def test_the_message_of_an_error_body_is_found(body: object, text: str) -> None:
    assert describe_body(body) == text


@pytest.mark.parametrize("unit", ["<title", "<title>", "<", "<a", "</title", "<!--", " \n", "a>", "x"])
def test_a_text_is_described_in_linear_time(unit: str) -> None:
    assert growth(describe_body, lambda size: "<p>" + unit * (size // len(unit)), size=MARKUP_LIMIT // 9) < 4


def test_a_long_body_is_cut_at_a_word() -> None:
    assert cut("word " * 1000).endswith("word … (cut)")
    assert cut("x" * BODY_LIMIT) == "x" * BODY_LIMIT
    assert cut("a " + "x" * BODY_LIMIT) == "a … (cut)"
    assert cut("x" * (BODY_LIMIT + 1)) == "… (cut)"


@pytest.mark.parametrize(
    ("status", "cls", "advice"),
    [
        (300, APIStatusError, ""),
        (301, APIStatusError, ""),
        (307, APIStatusError, ""),
        (399, APIStatusError, ""),
        (400, BadRequestError, ""),
        (401, AuthenticationError, "Check the Auth Token"),
        (403, PermissionDeniedError, "may use this project"),
        (404, NotFoundError, "`endpoint_id`"),
        (405, BadRequestError, ""),
        (408, ServerError, "try again later"),
        (409, ServerError, "try again later"),
        (413, BadRequestError, ""),
        (422, BadRequestError, ""),
        (425, BadRequestError, ""),
        (429, RateLimitError, "`max_retries`"),
        (499, BadRequestError, ""),
        (500, ServerError, "try again later"),
        (503, ServerError, "try again later"),
        (529, ServerError, "try again later"),
    ],
)
def test_each_status_has_its_class_and_advice(status: int, cls: type[APIStatusError], advice: str) -> None:
    error = error_from_response(status, {}, b'{"error": "No."}', url="https://host/v1")

    assert type(error) is cls
    first, _, second = str(error).partition("\n")
    assert first == f"HTTP {status} from https://host/v1: No."
    assert advice in second if advice else not second
    assert error.status_code == status


def test_an_error_carries_the_servers_message() -> None:
    headers = {"x-request-id": "id-7", "retry-after": "3"}
    error = error_from_response(429, headers, b'{"error": {"message": "No."}}', hint="Ask Ada.")

    assert str(error) == "HTTP 429: No.\nAsk Ada."
    assert (error.request_id, error.retry_after, error.headers) == ("id-7", 3.0, headers)
    assert error.body == {"error": {"message": "No."}}
    assert str(error_from_response(400, {}, b"")) == "HTTP 400: (no explanation in the body)"


@pytest.mark.parametrize("status", [429, 503])
def test_after_a_retry_after_that_no_retry_waits_for_the_advice_is_the_time(status: int) -> None:
    assert "max_retries" in str(error_from_response(429, {"retry-after": "60"}, b"No."))
    assert str(error_from_response(status, {"retry-after": "61"}, b"No.")) == (
        f"HTTP {status}: No.\nTry again in 61 seconds, as the server's `Retry-After` says."
    )


@pytest.mark.parametrize(
    ("words", "cls"),
    [
        ("This model's maximum context length is 8 tokens.", ContextOverflowError),
        ("The prompt is longer than the maximum model length of 8.", ContextOverflowError),
        ("The input exceeds model's maximum of 8.", ContextOverflowError),
        ("max_tokens must be at least 1, got -8996.", ContextOverflowError),
        ("max_tokens must be at least 1, got 0.", BadRequestError),
    ],
)
def test_a_prompt_that_does_not_fit_is_a_context_overflow_error(words: str, cls: type[APIStatusError]) -> None:
    assert type(error_from_response(400, {}, words.encode())) is cls
    assert type(error_from_response(500, {}, words.encode())) is ServerError


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": []},
        {"error": None},
        {"error": None, "choices": []},
        {"error": "", "choices": []},
        {"object": "x"},
    ],
)
def test_an_ordinary_event_is_not_an_error(event: dict[str, object]) -> None:
    assert error_from_event(event) is None


@pytest.mark.parametrize(
    ("event", "words", "code"),
    [
        ({"error": {"message": "Died.", "code": 500}}, "Died.", 500),
        ({"error": {"message": "Died.", "code": "x"}}, "Died.", None),
        ({"error": "Died."}, "Died.", None),
        ({"error": "Died.", "choices": []}, "Died.", None),
        ({"error": {}}, "{'error': {}}", None),
        ({"object": "error", "message": "Died.", "code": 400}, "Died.", 400),
        ({"object": "error", "message": "Died.", "choices": []}, "Died.", None),
    ],
)
def test_an_event_may_report_an_error(event: dict[str, object], words: str, code: int | None) -> None:
    error = error_from_event(event)

    assert type(error) is StreamServerError
    assert str(error) == f"The server reported an error in the middle of the stream: {words}"
    assert (error.status_code, error.body, error.partial) == (code, event, None)


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"null", None),
        (b" plain \n", "plain"),
        (b"\xff no", "\ufffd no"),
        (b"[" * 40_000, "[" * 2_000 + "… (cut)"),
        (b"word " * 10_000, "word " * 399 + "word … (cut)"),
        (b'"' + b"x" * 32_500 + b'"', '"… (cut)'),
        (b" " * 32_000 + b"late", ""),
        (b" " * 31_990 + b"in time, and cut", "in time, a"),
    ],
)
def test_a_body_is_read_up_to_a_limit(content: bytes, body: object) -> None:
    assert parse_error_body(content) == body


SECRET = "tok/en+1234"


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (f"bad {SECRET}!", f"bad {MASK}!"),
        ("bad tok%2Fen%2B1234", f"bad {MASK}"),
        ([SECRET, {SECRET: [SECRET, 1, None]}], [MASK, {MASK: [MASK, 1, None]}]),
        (3.5, 3.5),
    ],
)
def test_a_secret_is_masked_in_any_json(value: object, result: object) -> None:
    assert masked(value, [SECRET]) == result


@pytest.mark.parametrize(("secret", "result"), [("seven77", "it is seven77"), ("eight888", f"it is {MASK}")])
def test_a_secret_is_masked_from_eight_characters_on(secret: str, result: str) -> None:
    assert masked(f"it is {secret}", [secret]) == result


def test_words_are_not_masked_for_a_short_secret() -> None:
    assert masked("the model does not exist", ["x", "", "model"]) == "the model does not exist"


def test_a_secret_that_contains_another_is_masked_whole() -> None:
    assert masked("longsecret-tail", ["longsecret", "longsecret-tail"]) == MASK
    assert masked("head-longsecret", ["longsecret", "head-longsecret"]) == MASK


def test_every_part_of_an_error_is_masked() -> None:
    error = TIRError(f"said {SECRET}", body={"said": SECRET}, headers={"x-said": SECRET})

    assert mask_error(error, [SECRET]) is error
    assert (error.message, error.args) == (f"said {MASK}", (f"said {MASK}",))
    assert (error.body, error.headers) == ({"said": MASK}, {"x-said": MASK})
    assert SECRET not in str(error) + str(error.args) + repr(error.body) + repr(error.headers)


def test_the_errors_have_their_base_classes():
    assert issubclass(NoAnswerError, ResponseError)
    assert issubclass(InvalidRequestError, ValueError)


OVERFLOW = b'{"error": {"message": "maximum context length is 512 tokens"}}'
GENAI = "https://host/project/p-1/genai"


@pytest.mark.parametrize(
    ("status", "url", "content", "advice"),
    [
        (400, "https://host/v1/embeddings", OVERFLOW, "`Settings.chunk_size`.*truncate_prompt_tokens"),
        (400, "https://host/v1/chat/completions", OVERFLOW, "Shorten the messages"),
        (403, "https://host/tokenize", b"", "does not expose vLLM's `/tokenize`"),
        (404, "https://host/tokenize", b"", "does not expose vLLM's `/tokenize`"),
        (500, "https://host/tokenize", b"", "^The server, or a gateway"),
        (401, "https://host/tokenize", b"", "^Check the Auth Token"),
        (404, "https://host/chat/api/embeddings", b"", "such as https://host/chat/api/v1"),
        (404, "https://host/genai/m/genai/gpt-oss-120b/v1/chat/completions", b"", "`endpoint_id`.$"),
        (404, "https://host/chat/completions", b"", "no `/v1`.*such as https://host/v1"),
        (404, "https://host/api/embeddings", b"", "no `/v1`.*such as https://host/api/v1"),
        (404, "https://host/models", b"", "no `/v1`.*such as https://host/v1"),
        (404, "https://host/v1/rerank", b"", "Check the `path`, too"),
        (404, "https://host/v1/wrong", b"", "Check the `path`, too"),
        (404, "https://host/rank", b"", "^Check the `model` slug.*Check the `path`, too"),
        (404, "https://host/v1/chat/completions", b"", "Check the `model` slug"),
        (404, f"{GENAI}/gpt-oss-120b/v1/chat/completions", b"", "Did you mean the model `gpt_oss_120b`"),
        (404, f"{GENAI}/gpt_oss_120b/v1/chat/completions", b"", "`endpoint_id`.$"),
        (404, f"{GENAI}/unheard-of/v1/chat/completions", b"", "`endpoint_id`.$"),
    ],
)
def test_advice_fits_the_call_that_failed(status: int, url: str, content: bytes, advice: str) -> None:
    error = error_from_response(status, {}, content, url=url)

    assert re.search(advice, str(error).partition("\n")[2])
