"""What a server says about an error: found in any body, in linear time, with secrets masked."""

from __future__ import annotations

import pytest

from tests.client.paths import PATHS, TOKEN, Ask, client, request
from tests.growth import growth
from tir_client import EmptyAnswerError, InvalidRequestError, ReportedError, ResponseError, TIRError
from tir_client.protocol.error_responses import BODY_LIMIT, MARKUP_LIMIT, MASK, cut, describe_body, mask, masked
from tir_sandbox import Fault, Reply, Sandbox


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
        (f"<p>a <{'x' * 600}> b", f"a <{'x' * 600}> b"),
    ],
)
def test_the_sentence_of_a_body_is_found(body: object, text: str) -> None:
    assert describe_body(body) == text


@pytest.mark.parametrize("unit", ["<title", "<title>", "<", "<a", "</title", "<!--", " \n", "a>", "x"])
def test_a_text_is_described_in_linear_time(unit: str) -> None:
    assert growth(describe_body, lambda size: "<p>" + unit * (size // len(unit)), size=MARKUP_LIMIT // 9) < 4


def test_a_long_body_is_cut_without_half_a_word() -> None:
    assert cut("word " * 1000).endswith("word … (cut)")
    assert cut("x" * BODY_LIMIT) == "x" * BODY_LIMIT
    assert cut("a " + "x" * BODY_LIMIT) == "a … (cut)"
    assert cut("x" * (BODY_LIMIT + 1)) == "… (cut)"


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


def test_words_are_not_masked_for_a_short_secret() -> None:
    assert masked("the model does not exist", ["x", "", "model"]) == "the model does not exist"


def test_a_secret_that_contains_another_is_masked_whole() -> None:
    assert masked("longsecret-tail", ["longsecret", "longsecret-tail"]) == MASK


def test_all_of_an_error_is_masked() -> None:
    error = TIRError(f"said {SECRET}", body={"said": SECRET}, headers={"x-said": SECRET})

    assert mask(error, [SECRET]) is error
    assert SECRET not in str(error) + str(error.args) + repr(error.body) + repr(error.headers)


@pytest.mark.parametrize("ask", PATHS)
async def test_a_token_that_the_server_repeats_is_in_no_error(ask: Ask, sandbox: Sandbox):
    said = {"error": {"message": f"no {TOKEN}", TOKEN: [TOKEN]}}
    faults = [
        Fault(status=400, body=said, headers={"X-Echo": TOKEN}),
        Fault(status=302, headers={"Location": f"https://elsewhere/{TOKEN}"}),
        Fault(status=200, body=said, content_type="application/json"),
        Fault(after=Reply(text="one two"), error_chunk=TOKEN),
    ]
    for fault in faults:
        sandbox.script(*[fault] * 3)
        with pytest.raises(TIRError) as caught:
            await ask(client(sandbox), request())
        sandbox.reset()
        told = [str(caught.value), repr(caught.value), repr(caught.value.body), repr(caught.value.headers)]
        assert TOKEN not in "".join(told)


def test_what_is_named_like_one_of_our_errors_is_one():
    assert issubclass(EmptyAnswerError, ResponseError)
    assert issubclass(ReportedError, ResponseError)
    assert issubclass(InvalidRequestError, ValueError)
