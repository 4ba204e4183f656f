"""The sandbox's scripts: order and matching of replies, and errors for requests and replies that do not match."""

import re
import threading
import time

import httpx
import openai
import pytest
from pydantic import ValidationError

from langchain_tir import ChatTIR
from tir_sandbox import Fault, Reply, Sandbox, ScriptError, ToolCall

CHAT = "/v1/chat/completions"
HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}


def question(text, **more):
    return {**HELLO, "messages": [{"role": "user", "content": text}], **more}


def text_of(answer):
    assert answer.is_success, answer.text
    return answer.json()["choices"][0]["message"]["content"]


def ask(sandbox, body=HELLO):
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    return httpx.post(f"{sandbox.host}{CHAT}", json=body, headers=headers, timeout=60)


def test_a_script_takes_replies_faults_texts_and_functions(http, sandbox):
    sandbox.script(
        "one", Fault(status=503), Reply("three"), lambda request: f"four: {request.user}", lambda _: Fault(status=418)
    )
    answers = [http.post(CHAT, json=HELLO) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 503, 200, 200, 418]
    assert [text_of(answers[at]) for at in (0, 2, 3)] == ["one", "three", "four: Hello"]


async def later(_):
    return "late"


@pytest.mark.parametrize("item", [None, 5, {"text": "Hello"}, ["Hello"], b"Hello", Reply, later])
def test_anything_else_is_a_type_error_at_once(sandbox, item):
    with pytest.raises(TypeError, match="a script item must be a Reply, a Fault, a string or a function of"):
        sandbox.script("Hello", item)
    with pytest.raises(TypeError):
        Sandbox(replies=[item])
    sandbox.check_script()


def test_replies_that_are_not_a_list_are_refused():
    with pytest.raises(TypeError, match="takes a list of replies, not 'Hello'"):
        Sandbox(replies="Hello")


@pytest.mark.parametrize(
    "fields", [{"text": 5}, {"text": [5]}, {"reasoning": {}}, {"tool_calls": ToolCall("f")}, {"choices": ["one"]}]
)
def test_a_reply_with_a_wrong_field_is_an_error_at_once(fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        Reply(**fields)


@pytest.mark.parametrize("cls", [Reply, Fault])
def test_a_misspelt_field_is_an_error_at_once(cls):
    with pytest.raises(ValidationError, match="finish_reson"):
        cls(finish_reson="length")
    with pytest.raises(ValidationError, match="args"):
        Reply(tool_calls=[{"name": "get_weather", "args": {}}])


def test_a_request_without_a_reply_is_refused_and_reported():
    with pytest.raises(ScriptError) as raised, Sandbox(replies=["one"]) as sandbox:  # noqa: PT012
        assert text_of(ask(sandbox)) == "one"
        answer = ask(sandbox, question("And now?", tools=[{"type": "function", "function": {"name": "look"}}]))
        error = answer.json()["error"]

    assert (answer.status_code, error["type"]) == (400, "ScriptError")
    wanted = f"No reply is left for POST {CHAT} (model 'gpt_oss_120b', last user message 'And now?', tools look)"
    assert wanted in error["message"]
    assert wanted in str(raised.value)


def test_no_client_retries_an_exhausted_script_into_an_answer():
    with pytest.raises(ScriptError, match="No reply is left"), Sandbox(replies=["one"]) as sandbox:  # noqa: PT012
        client = openai.OpenAI(base_url=sandbox.base_url, api_key=sandbox.token, max_retries=2)
        model = ChatTIR(api_key=sandbox.token, project_id=sandbox.project_id, host=sandbox.host)
        with client:
            client.chat.completions.create(**HELLO)
            for call in (lambda: client.chat.completions.create(**HELLO), lambda: model.invoke("Hello")):
                with pytest.raises(Exception, match="No reply is left"):
                    call()
        assert len(sandbox.requests) == 3


def test_unused_replies_are_reported():
    with (
        pytest.raises(ScriptError) as raised,
        Sandbox(replies=["one", Reply("two", delay=1.5), Fault(status=500)]) as one,
    ):
        ask(one)

    assert str(raised.value) == (
        "2 of the scripted replies were not used: Reply(text='two', delay=1.5), Fault(status=500)."
    )


def test_the_error_of_a_test_is_not_hidden():
    with pytest.raises(ZeroDivisionError) as raised, Sandbox(replies=["one"]):
        1 / 0  # noqa: B018

    assert raised.value.__notes__ == ["In the sandbox's script:\n1 of the scripted replies were not used: 'one'."]


def test_after_a_script_that_is_not_strict_the_rules_answer():
    with Sandbox(replies=["one"], strict=False) as sandbox:
        assert text_of(ask(sandbox)) == "one"
        assert "I am not a model" in text_of(ask(sandbox))
        sandbox.script("left over")


def test_without_a_script_the_rules_answer(http):
    assert "I am not a model" in text_of(http.post(CHAT, json=HELLO))


def test_custom_rules_answer_requests_without_a_scripted_reply():
    def rules(request):
        return Reply(f"{request.model}: {request.user}") if request.user else None

    with Sandbox(rules=rules) as sandbox:
        assert text_of(ask(sandbox)) == "gpt_oss_120b: Hello"
        assert "I am not a model" in text_of(ask(sandbox, question("")))


def test_a_fault_without_a_reply_is_applied_to_the_answer_of_the_rules():
    fault = Fault(no_finish=True, no_done=True)
    with Sandbox(rules=lambda _: "by rule", replies=[fault]) as sandbox:
        answer = ask(sandbox, {**HELLO, "stream": True})
    with Sandbox(rules=lambda _: fault) as sandbox:
        own = ask(sandbox, {**HELLO, "stream": True})

    assert '"content":"by"' in answer.text
    assert '"content":"Hello"' in own.text
    for text in (answer.text, own.text):
        assert '"finish_reason":"stop"' not in text
        assert "[DONE]" not in text


def test_rules_may_refuse_a_schema():
    schema = {"name": "s", "schema": {"type": "string", "minLength": 10**9}}
    body = {**HELLO, "response_format": {"type": "json_schema", "json_schema": schema}}
    with Sandbox(rules=lambda _: None) as sandbox:
        answer = ask(sandbox, body)

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "BadRequestError")


def raises(_):
    raise KeyError("lost")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"replies": [raises]}, "raised KeyError('lost')"),
        ({"rules": raises}, "raised KeyError('lost')"),
        ({"replies": [lambda _: None]}, "returned None, which is not a reply"),
        ({"rules": lambda _: 5}, "returned 5, which is not a reply"),
    ],
)
def test_a_function_that_fails_is_reported(given, problem):
    with pytest.raises(ScriptError, match=re.escape(problem)), Sandbox(**given) as sandbox:
        assert ask(sandbox).status_code == 400


def test_a_refused_request_takes_no_reply(http, sandbox):
    sandbox.script("kept")
    assert http.post(CHAT, json=question("Hello", top_p=7)).status_code == 400
    assert text_of(http.post(CHAT, json=HELLO)) == "kept"


def test_replies_go_to_the_requests_that_match(http, sandbox):
    look = {"type": "function", "function": {"name": "look"}}
    sandbox.script("to Qwen", model="qwen3_32b")
    sandbox.script("9 degrees", "and rain", user="Paris")
    sandbox.script("a number", user=re.compile(r"\d+"))
    sandbox.script("with a tool", tools=["look"])
    sandbox.script("whatever")

    assert text_of(http.post(CHAT, json=HELLO)) == "whatever"
    assert text_of(http.post(CHAT, json=question("In Paris?"))) == "9 degrees"
    assert text_of(http.post(CHAT, json=question("4711", tools=[look]))) == "a number"
    assert text_of(http.post(CHAT, json=question("Hm", tools=[look]))) == "with a tool"
    assert text_of(http.post(CHAT, json=question("Paris!"))) == "and rain"
    assert text_of(http.post(CHAT, json=question("Hello", model="qwen3_32b"))) == "to Qwen"
    assert http.post(CHAT, json=HELLO).status_code == 400
    sandbox.reset()


def test_concurrent_callers_get_the_replies_that_match():
    cities = [f"City {number:02}" for number in range(20)]
    answers = {}
    with Sandbox() as sandbox:
        for city in reversed(cities):
            sandbox.script(f"It rains in {city}.", user=city)

        def caller(city):
            answers[city] = text_of(ask(sandbox, question(f"How is {city}?")))

        threads = [threading.Thread(target=caller, args=[city]) for city in cities]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == {city: f"It rains in {city}." for city in cities}


def test_embeddings_do_not_use_replies_with_text(http, sandbox):
    sandbox.script("for the chat")
    wanted = {"model": "bge-large-en-v1_5", "input": "text"}

    assert len(http.post("/v1/embeddings", json=wanted).json()["data"]) == 1
    assert text_of(http.post(CHAT, json=HELLO)) == "for the chat"
    sandbox.script(Fault(status=503), Reply(body={"data": []}), model="bge-large-en-v1_5")
    assert http.post("/v1/embeddings", json=wanted).status_code == 503
    assert http.post("/v1/embeddings", json=wanted).json() == {"data": []}


def test_the_fixture_reports_unused_replies(pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile("""
        def test_one(tir_sandbox):
            tir_sandbox.script("left over")

        def test_two(tir_sandbox):
            tir_sandbox.strict = False
            tir_sandbox.script("left over")
    """)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*ScriptError: 1 of the scripted replies were not used: 'left over'."])


def test_a_delay_applies_to_embeddings(http, sandbox):
    sandbox.script(Reply(delay=0.15))
    start = time.monotonic()

    assert http.post("/v1/embeddings", json={"model": "any", "input": "text"}).is_success
    assert time.monotonic() - start >= 0.15
