"""The sandbox's endpoints: URLs, authentication, models, scripted fields, tokens and embeddings."""

import json
import math

import httpx
import pytest

from tir_sandbox import Reply, Sandbox

CHAT = "/v1/chat/completions"
HELLO = {"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hello"}]}
TIR = "/project/p-12345/genai/gpt_oss_120b/v1/chat/completions"


@pytest.mark.parametrize(
    "path",
    [
        CHAT,
        TIR,
        f"{TIR}?project_id=12345",
        "/project/p-12345/endpoint/is-678/v1/chat/completions",
    ],
)
def test_all_urls_answer(http, path):
    assert http.post(path, json=HELLO).status_code == 200


@pytest.mark.parametrize("path", [CHAT, TIR, "/v1/models", "/v1/whatever"])
@pytest.mark.parametrize("header", ["", "Bearer nobody", "Basic abc"])
def test_requests_without_the_token_are_unauthorized(http, path, header):
    answer = http.post(path, json=HELLO, headers={"Authorization": header})

    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


def test_health_needs_no_token(http):
    assert http.get("/health", headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize("project", ["p-999", "p-p-12345", "p-"])
def test_another_project_is_not_found(http, project):
    answer = http.post(TIR.replace("p-12345", project), json=HELLO)

    assert answer.status_code == 404
    assert project in answer.text or project == "p-"


def test_another_project_in_the_query_is_not_found(http):
    answer = http.post(f"{TIR}?project_id=999", json=HELLO)

    assert answer.status_code == 404
    assert "`p-999`" in answer.text


def test_url_and_body_have_to_name_the_same_model(http):
    answer = http.post(TIR, json=HELLO | {"model": "deepseek_v3"})

    assert answer.status_code == 400
    assert "gpt_oss_120b" in answer.json()["error"]["message"]
    assert "deepseek_v3" in answer.json()["error"]["message"]


def test_a_private_endpoint_accepts_any_model_name(http):
    body = HELLO | {"model": "/mnt/models"}
    answer = http.post("/project/p-12345/endpoint/is-1/v1/chat/completions", json=body)

    assert answer.json()["model"] == "/mnt/models"


def test_only_listed_models_are_served_if_there_is_a_list():
    with Sandbox(models=["a", "b"]) as sandbox:
        assert sandbox.env["E2E_TIR_PROJECT_ID"] == "12345"
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        answer = httpx.post(f"{sandbox.base_url}/chat/completions", json=HELLO, headers=headers, timeout=60)

    assert answer.status_code == 404
    assert "Valid aliases: a, b." in answer.text


def test_the_genai_path_lists_its_own_model(http):
    cards = http.get("/project/p-12345/genai/phi_4/v1/models").json()["data"]

    assert [card["id"] for card in cards] == ["phi_4"]


def test_the_request_id_is_the_completion_id(http):
    answer = http.post(CHAT, json=HELLO, headers={"X-Request-Id": "mine"})

    assert answer.json()["id"] == "chatcmpl-mine"
    assert answer.headers["x-request-id"] == "mine"


def test_requests_are_recorded(http, sandbox):
    http.post(f"{TIR}?project_id=12345", json=HELLO, headers={"X-Mine": "yes"})

    (seen,) = sandbox.requests
    assert (seen.method, seen.path, seen.query) == ("POST", TIR, {"project_id": "12345"})
    assert seen.body == HELLO
    assert seen.headers["x-mine"] == "yes"
    assert (seen.finished, seen.disconnected) == (True, False)
    sandbox.reset()
    assert sandbox.requests == []


def test_an_invalid_request_uses_no_reply(http, sandbox):
    sandbox.script(Reply(text="kept"))
    http.post(CHAT, json=HELLO | {"top_p": 7})

    assert http.post(CHAT, json=HELLO).json()["choices"][0]["message"]["content"] == "kept"


def test_answers_are_the_same_in_every_run():
    answers = []
    for _ in range(2):
        with Sandbox() as sandbox:
            headers = {"Authorization": f"Bearer {sandbox.token}"}
            url = f"{sandbox.base_url}/chat/completions"
            answers.append(httpx.post(url, json=HELLO, headers=headers, timeout=60).content)

    assert answers[0] == answers[1]


@pytest.mark.parametrize(("limit", "text"), [(1, "one"), (3, "one two three"), (9, "one two three four")])
def test_max_tokens_truncates_the_answer(http, sandbox, limit, text):
    sandbox.script(Reply(text="one two three four"))
    choice = http.post(CHAT, json=HELLO | {"max_tokens": limit}).json()["choices"][0]

    assert choice["message"]["content"] == text
    assert choice["finish_reason"] == ("stop" if limit == 9 else "length")


@pytest.mark.parametrize(("model", "text"), [("gpt_oss_120b", "Hello! How"), ("llama3_1_8b_instruct", "Hello! ")])
def test_a_stop_string_ends_the_answer(http, sandbox, model, text):
    sandbox.script(Reply(text="Hello! How are you?", reasoning="Greet."))
    choice = http.post(CHAT, json=HELLO | {"model": model, "stop": ["How"]}).json()["choices"][0]

    assert choice["message"]["content"] == text
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "How")
    assert choice["message"]["reasoning"] == "Greet."


def test_a_stop_string_may_end_the_reasoning(http, sandbox):
    sandbox.script(Reply(text="never", reasoning="The user greets me."))
    message = http.post(CHAT, json=HELLO | {"stop": "greets"}).json()["choices"][0]["message"]

    assert (message["content"], message["reasoning"]) == (None, "The user greets")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("reasoning", {"content": "Hi", "reasoning": "Greet."}),
        ("reasoning_content", {"content": "Hi", "reasoning_content": "Greet."}),
        ("both", {"content": "Hi", "reasoning": "Greet.", "reasoning_content": "Greet."}),
        ("think", {"content": "<think>\nGreet.\n</think>\n\nHi", "reasoning": None}),
    ],
)
def test_reasoning_is_sent_under_the_requested_field(http, sandbox, field, message):
    sandbox.script(Reply(text="Hi", reasoning="Greet.", reasoning_field=field))
    got = http.post(CHAT, json=HELLO).json()["choices"][0]["message"]

    assert message == {key: value for key, value in got.items() if key in ("content", *message, "reasoning")}


def test_a_refusal_is_sent_whole_and_streamed(http, sandbox):
    sandbox.script(*[Reply(refusal="I do not.")] * 2)

    message = http.post(CHAT, json=HELLO).json()["choices"][0]["message"]
    lines = http.post(CHAT, json=HELLO | {"stream": True}).text.splitlines()

    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in event["choices"]]
    assert (message["content"], message["refusal"]) == (None, "I do not.")
    assert "".join(delta.get("refusal", "") for delta in deltas) == "I do not."


def test_usage_can_be_scripted(http, sandbox):
    sandbox.script(Reply(text="Hi", usage={"cached_tokens": 64, "reasoning_tokens": 7, "prompt_tokens": 100}))
    usage = http.post(CHAT, json=HELLO).json()["usage"]

    assert usage["prompt_tokens"] == 100
    assert usage["prompt_tokens_details"]["cached_tokens"] == 64
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 7}


def test_raw_bodies_and_chunks_are_sent_verbatim(http, sandbox):
    sandbox.script(Reply(body='{"odd": 1}'), Reply(chunks=[{"a": 1}, b": note\n\n", "[1]"]))

    assert http.post(CHAT, json=HELLO).text == '{"odd": 1}'
    streamed = http.post(CHAT, json=HELLO | {"stream": True}).text
    assert streamed == 'data: {"a":1}\n\n: note\n\ndata: [1]\n\ndata: [DONE]\n\n'


def test_tokens_are_counted(http):
    answer = http.post("/tokenize", json={"prompt": "Hello, world", "return_token_strs": True}).json()

    assert answer["token_strs"] == ["Hello", ",", " world"]
    assert answer["count"] == len(answer["tokens"]) == 3
    messages = http.post("/tokenize", json={"messages": HELLO["messages"]}).json()
    assert messages["count"] == 1


def embeddings(http, texts, **more):
    answer = http.post("/v1/embeddings", json={"model": "any", "input": texts} | more).json()
    return [one["embedding"] for one in answer["data"]]


def similarity(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_share_words_have_similar_embeddings(http):
    question, fitting, other = embeddings(
        http, ["What does a GPU cost?", "The cost of one GPU is 249 rupees.", "Mangoes ripen in May."]
    )

    assert similarity(question, fitting) > 0.3 > similarity(question, other)
    assert math.isclose(similarity(question, question), 1)


@pytest.mark.parametrize(
    ("more", "length"),
    [
        ({}, 256),
        ({"model": "bge-large-en-v1_5"}, 1024),
        ({"model": "e5-mistral-7b-instruct"}, 4096),
        ({"dimensions": 8}, 8),
    ],
)
def test_embeddings_have_the_models_length(http, more, length):
    assert len(embeddings(http, "text", **more)[0]) == length


def test_embeddings_without_input_are_refused(http):
    answer = http.post("/v1/embeddings", json={"model": "any"})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "body.input"


def test_a_body_that_is_not_an_object_is_refused(http):
    assert http.post(CHAT, json=[1]).status_code == 400
    assert http.post(CHAT, json={"messages": "Hello"}).status_code == 400
    assert http.post(CHAT, json={"messages": ["Hello"]}).status_code == 400


def test_a_sandbox_cannot_be_started_twice():
    with Sandbox() as sandbox, pytest.raises(RuntimeError, match="already running"):
        sandbox.start()
    sandbox.stop()
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.host  # noqa: B018


def test_a_sandbox_can_be_started_again():
    sandbox = Sandbox()
    for _ in range(2):
        sandbox.start()
        assert sandbox.host.startswith("http://127.0.0.1:")
        sandbox.stop()
