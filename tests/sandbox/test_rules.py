"""The sandbox's own rules: they call tools, fill schemas, or repeat the message."""

import json

import pytest

CHAT = "/v1/chat/completions"
LOOK = {"type": "function", "function": {"name": "look_up_weather", "parameters": {}}}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}


def message(http, *messages, **body):
    conversation = [{"role": "user", "content": one} if isinstance(one, str) else one for one in messages]
    answer = http.post(CHAT, json={"messages": conversation, **body})
    assert answer.is_success, answer.text
    return answer.json()["choices"][0]["message"]


def called(message):
    return [
        (one["function"]["name"], json.loads(one["function"]["arguments"])) for one in message.get("tool_calls") or []
    ]


CALL = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
TURN = [{"role": "assistant", "content": None, "tool_calls": [CALL]}]
TURN += [{"role": "tool", "tool_call_id": "1", "content": "31 degrees"}]


def test_a_tool_is_called_if_the_message_has_a_word_of_its_name(http):
    assert called(message(http, "How is the weather?", tools=[WEATHER])) == [("get_weather", {"city": "city"})]
    assert called(message(http, "Good morning!", tools=[WEATHER])) == []
    assert called(message(http, "How is the weather?", tools=[WEATHER], tool_choice="none")) == []
    one = message(http, "The weather?", tools=[WEATHER, LOOK], parallel_tool_calls=False)
    assert called(one) == [("get_weather", {"city": "city"})]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_required_tool_is_called(http, choice):
    assert [name for name, _ in called(message(http, "Hi", tools=[WEATHER], tool_choice=choice))] == ["get_weather"]


def test_a_required_call_prefers_a_tool_not_called_yet(http):
    after = message(http, "The weather?", *TURN, tools=[WEATHER, LOOK], tool_choice="required")
    assert called(after) == [("look_up_weather", {})]


def test_results_of_tools_are_repeated(http):
    assert "31 degrees" in message(http, "How is the weather?", *TURN, tools=[WEATHER])["content"]


def test_a_tool_with_an_invalid_schema_is_called_without_arguments(http):
    tool = {"type": "function", "function": {"name": "greet", "parameters": {"properties": 5}}}
    assert called(message(http, "Hi", tools=[tool], tool_choice="required")) == [("greet", {})]


def test_answers_fit_the_response_format(http):
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": CITY}}

    assert json.loads(message(http, "Hi", response_format=schema)["content"]) == {"city": "city"}
    assert json.loads(message(http, "Hi", response_format={"type": "json_object"})["content"]) == {"answer": "Hi"}
    assert json.loads(message(http, "Hi", structured_outputs={"json": json.dumps(CITY)})["content"]) == {"city": "city"}
    assert message(http, "green or red?", structured_outputs={"choice": ["blue", "red"]})["content"] == "red"
    assert message(http, "Hi", structured_outputs={"regex": r"^[\]]$"})["content"] == "]"


def test_a_schema_without_a_value_is_refused_with_advice(http):
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "string", "minLength": 10**9}}}
    answer = http.post(CHAT, json={"messages": [{"role": "user", "content": "Hi"}], "response_format": schema})

    assert answer.status_code == 400
    assert "Script a reply for this request instead." in answer.json()["error"]["message"]
