"""The rules of the demo give answers that fit the prompts of both frameworks."""

import json
import re

import pytest

from demo import rules
from tir_sandbox import Request


def user(text):
    return {"role": "user", "content": text}


def tool(name, description, **fields):
    properties = {key: {"type": kind} for key, kind in fields.items()}
    parameters = {"type": "object", "properties": properties, "required": list(fields)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


WEATHER = tool("get_weather", "Get the weather for a city", city="string")
TIME = tool("get_time", "Get the time in a place", place="string")
MULTIPLY = tool("multiply", "Multiply two numbers", a="integer", b="integer")
DOCS = tool("docs", "Useful for running a natural language query against a knowledge base", input="string")
REPORT = tool("WeatherReport", "A report about the weather", city="string", degrees="integer")


def answer(*messages, **body):
    conversation = [user(m) if isinstance(m, str) else m for m in messages]
    return rules.answer(Request("POST", "/v1/chat/completions", body={"messages": conversation, **body}))


def called(reply):
    return {call.name: call.arguments for call in reply.tool_calls}


def turn(name, result, *, asked="How is the weather in Delhi?"):
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    assistant = {"role": "assistant", "content": None, "tool_calls": [call]}
    return [user(asked), assistant, {"role": "tool", "tool_call_id": "1", "content": result}]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("How is the weather in New Delhi?", {"get_weather": {"city": "New Delhi"}}),
        ("What is 12 times 7? Please multiply.", {"multiply": {"a": 12, "b": 7}}),
        ("The weather and the time in Pune?", {"get_weather": {"city": "Pune"}, "get_time": {"place": "Pune"}}),
        ("Which regions does E2E have?", {"docs": {"input": "Which regions does E2E have?"}}),
        ("Good morning!", {}),
    ],
)
def test_tools_are_called_if_the_message_mentions_them(text, calls):
    reply = answer(text, tools=[WEATHER, TIME, MULTIPLY, DOCS])
    assert ({} if reply is None else called(reply)) == calls


def test_a_comparison_calls_the_tool_for_both_cities():
    question = "Is it colder in Paris than in New Delhi?"
    tools = [tool("get_weather", "The weather in a city today.", city="string")]
    calls = answer(question, tools=tools).tool_calls
    messages = turn("get_weather", "Paris: 9 °C and raining", asked=question)
    reply = answer(*messages, {**messages[-1], "content": "New Delhi: 31 °C and hazy"}, tools=tools)

    assert [call.arguments for call in calls] == [{"city": "Paris"}, {"city": "New Delhi"}]
    assert reply.text == "Yes: Paris has 9 °C, and New Delhi has 31 °C."


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_results_are_read_in_the_order_of_their_calls(order):
    calls = [{"id": str(place), "type": "function", "function": {"name": "get_weather"}} for place in range(2)]
    texts = ("Paris: 9 °C and raining", "Delhi: 31 °C and hazy")
    results = [{"role": "tool", "tool_call_id": str(place), "content": texts[place]} for place in order]
    reply = answer("Is it colder in Paris than in Delhi?", {"role": "assistant", "tool_calls": calls}, *results)

    assert reply.text == "Yes: Paris has 9 °C, and Delhi has 31 °C."


def test_parallel_tool_calls_false_makes_one_call():
    reply = answer("The weather and the time in Pune?", tools=[WEATHER, TIME], parallel_tool_calls=False)
    assert list(called(reply)) == ["get_weather"]


def test_tool_choice_none_makes_no_call():
    assert answer("How is the weather in Delhi?", tools=[WEATHER], tool_choice="none") is None


def test_tool_choice_required_makes_a_call():
    assert list(called(answer("Good morning!", tools=[WEATHER, TIME], tool_choice="required"))) == ["get_time"]
    named = {"type": "function", "function": {"name": "get_weather"}}
    assert list(called(answer("Good morning!", tools=[WEATHER, TIME], tool_choice=named))) == ["get_weather"]


def test_results_are_repeated():
    reply = answer(*turn("get_weather", "31 degrees"), tools=[WEATHER])
    assert "31 degrees" in reply.text
    assert called(reply) == {}


def test_the_structured_answer_is_the_last_required_call():
    tools = [WEATHER, REPORT]
    first = answer("How is the weather in Delhi?", tools=tools, tool_choice="required")
    last = answer(*turn("get_weather", "31 degrees"), tools=tools, tool_choice="required")

    assert called(first) == {"get_weather": {"city": "Delhi"}}
    assert called(last) == {"WeatherReport": {"city": "Delhi", "degrees": 31}}


HAND_OFF = tool(
    "handoff",
    "Useful for handing off to another agent.\nCurrently available agents:\n"
    "{'Writer': 'writes reports', 'Forecaster': 'knows the weather'}\n",
    to_agent="string",
    reason="string",
)


def test_the_best_agent_gets_the_hand_off():
    reply = answer("How is the weather in Delhi?", tools=[MULTIPLY, HAND_OFF])
    assert called(reply)["handoff"]["to_agent"] == "Forecaster"


def test_after_a_hand_off_the_tool_is_called():
    reply = answer(*turn("handoff", "Agent Forecaster is now handling the request."), tools=[WEATHER])
    assert called(reply) == {"get_weather": {"city": "Delhi"}}


def test_a_hand_off_is_not_a_result():
    handed = turn("handoff", "Agent Forecaster is now handling the request.")
    later_turn = [
        {**message, **({"tool_call_id": "2"} if "tool_call_id" in message else {})} for message in turn("f", "31")
    ]
    later_turn[1] = {**later_turn[1], "tool_calls": [{**later_turn[1]["tool_calls"][0], "id": "2"}]}
    assert answer(*handed, *later_turn[1:]).text == "According to `f`: 31."


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_schemas_are_filled():
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}
    assert json.loads(answer("I live in Pune.", response_format=wanted).text) == {"city": "Pune"}
    assert json.loads(answer("Hello", response_format={"type": "json_object"}).text) == {"answer": "Hello"}
    assert json.loads(answer("I live in Pune.", structured_outputs={"json": json.dumps(SCHEMA)}).text) == {
        "city": "Pune"
    }
    assert answer("green or red?", structured_outputs={"choice": ["blue", "red"]}).text == "red"
    assert re.fullmatch(r"\d{4}-\d{2}", answer("x", structured_outputs={"regex": r"\d{4}-\d{2}"}).text)


def test_tools_are_called_before_the_structured_answer():
    wanted = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}
    first = answer("How is the weather in Delhi?", tools=[WEATHER], response_format=wanted)
    last = answer(*turn("get_weather", "31 degrees"), tools=[WEATHER], response_format=wanted)

    assert called(first) == {"get_weather": {"city": "Delhi"}}
    assert json.loads(last.text) == {"city": "Delhi"}


REACT = {
    "role": "system",
    "content": "You have access to the following tools:\n> Tool Name: get_weather\nTool Description: "
    "get_weather(city: str)\nThe weather for a city\nTool Args: "
    '{"properties": {"city": {"type": "string"}}, "required": ["city"], "type": "object"}\n\n'
    "Thought: ...\nAction: tool name\nAction Input: the input",
}


def test_react_acts_and_answers():
    act = answer(REACT, "How is the weather in Delhi?").text
    done = answer(REACT, "How is the weather in Delhi?", user("Observation: 31 degrees")).text
    idle = answer(REACT, "Good morning!").text

    assert re.search(r'^Thought: .+\nAction: get_weather\nAction Input: \{"city": "Delhi"\}$', act)
    assert re.search(r"^Thought: .+\nAnswer: .*31 degrees", done)
    assert re.search(r"^Thought: .+\nAnswer: ", idle)


CONTEXT = "TIR has GPUs. The H100 costs 249 rupees per hour. Delhi and Chennai are regions."


@pytest.mark.parametrize(
    "messages",
    [
        [
            (
                f"Context information is below.\n---------------------\nfile_name: h100.txt\n\n{CONTEXT}\n"
                "---------------------\nGiven the context information and not prior knowledge, answer the query.\n"
                "Query: What does an H100 cost?\nAnswer: "
            )
        ],
        [f"Answer from the context.\n\nContext: {CONTEXT}\n\nQuestion: What does an H100 cost?"],
        [
            {
                "role": "system",
                "content": f"Here are the relevant documents for the context:\n\n{CONTEXT}\n\n  Instruction: answer.",
            },
            "What does an H100 cost?",
        ],
        [
            (
                "The original query is as follows: What does an H100 cost?\nWe have provided an existing answer: none\n"
                f"We have some more context below.\n------------\n{CONTEXT}\n------------\nRefined Answer: "
            )
        ],
    ],
)
def test_questions_are_answered_from_the_context(messages):
    assert answer(*messages).text == "The H100 costs 249 rupees per hour."


def test_a_context_without_an_answer_keeps_the_existing_answer():
    prompt = (
        "The original query is as follows: Who sings?\nWe have provided an existing answer: Lata\n"
        f"More context below.\n------------\n{CONTEXT}\n------------\nRefined Answer: "
    )
    assert answer(prompt).text == "Lata"


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (
            (
                "Given a conversation ...\n<Chat History>\nuser: hi\n\n<Follow Up Message>\nAnd in Pune?\n\n"
                "<Standalone question>\n"
            ),
            "And in Pune?",
        ),
        (
            (
                "Some text is provided below. Given the text, extract up to 2 keywords from the text."
                "---------------------\nGPU clouds rent GPU time.\n---------------------\n"
                "Provide keywords in the following comma-separated format: 'KEYWORDS: <keywords>'\n"
            ),
            "KEYWORDS: gpu, clouds",
        ),
        ("Context: TIR has GPUs. More. Give a title that summarizes all of it. Title: ", "TIR has GPUs"),
        (
            f"Write a concise summary of the following:\n\n{CONTEXT}",
            "TIR has GPUs. The H100 costs 249 rupees per hour.",
        ),
        (
            (
                f"Here is the content of the section:\n{CONTEXT}\n\nSummarize the key topics and entities of it. "
                "\n\nSummary: "
            ),
            "TIR has GPUs. The H100 costs 249 rupees per hour.",
        ),
        (
            (
                f"Here is the context:\n{CONTEXT}\n\nGiven the contextual information, generate 1 questions it "
                "can provide specific answers to."
            ),
            "1. What does the text say about: TIR has GPUs?",
        ),
        (
            (
                "A list of documents is shown below.\nLet's try this now: \n\nDocument 1:\nMangoes\n\nDocument 2:\n"
                "The H100 cost\n\nQuestion: H100 cost?\nAnswer:\n"
            ),
            "Doc: 2, Relevance: 7",
        ),
    ],
)
def test_prompts_of_the_frameworks_are_answered_in_their_format(prompt, text):
    assert answer(prompt).text == text


def test_selectors_get_json():
    prompt = (
        "Some choices are given below. It is a numbered list (1 to 2).\n---------------------\n"
        "(1) Questions about food\n\n(2) Questions about weather\n---------------------\n"
        "Using only the choices above, return the choice that is most relevant to the question: 'Weather in Delhi?'\n"
    )
    assert json.loads(answer(prompt).text)[0]["choice"] == 2


def test_sub_questions_go_to_the_fitting_tools():
    tools = json.dumps({"uber": "Uber's finances", "mango": "About mangoes"}, indent=4)
    prompt = (
        f"Given a user question ...\n# Example 2\n<Tools>\n```json\n{tools}\n```\n\n"
        "<User Question>\nHow did Uber earn?\n\n<Output>\n"
    )
    items = json.loads(answer(prompt).text.strip("`json\n"))["items"]
    assert items == [{"sub_question": "How did Uber earn?", "tool_name": "uber"}]


FAITHFUL = (
    "Please tell if a given piece of information is supported by the context.\nYou need to answer with either YES or "
    "NO.\nInformation: Apple pies tastes bad.\nContext: An apple pie is a fruit pie.\nAnswer: NO\n"
    "Information: {}\nContext: {}\nAnswer: "
)


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [("The H100 costs 249 rupees.", "YES"), ("TIR has GPUs.", "YES"), ("Mangoes ripen in May.", "NO")],
)
def test_evaluators_get_yes_or_no(claim, verdict):
    assert answer(FAITHFUL.format(claim, CONTEXT)).text == verdict


def test_evaluators_get_scores():
    system = {"role": "system", "content": "You must return your response in a line with only the score."}
    asked = "## User Query\nH100 cost?\n\n## Reference Answer\n249 rupees\n\n## Generated Answer\nIt is 249 rupees\n"
    score, _, why = answer(system, asked).text.partition("\n")
    assert float(score) == 5
    assert why
    points = answer("... '[RESULT] followed by ...'\n\nQuery: \n H100 cost\nResponse: \n H100 cost\nFeedback:").text
    assert points.endswith("[RESULT] 2")


def test_evaluators_get_the_better_of_two():
    system = {"role": "system", "content": "verdict: '[[A]]' if A is better, '[[B]]' if B is better, '[[C]]' for a tie"}
    start = "[The Start of Assistant {}\u2019s Answer]\n"
    asked = f"[User Question]\nH100 cost\n\n{start.format('A')}no\n\n{start.format('B')}H100 cost"
    assert answer(system, asked).text.endswith("[[B]]")


def test_without_a_matching_rule_the_sandboxs_own_rules_answer():
    assert answer("Good morning!") is None


def test_effort_sets_the_length_of_the_reasoning():
    low, medium, high = (
        len(answer("Weather?", tools=[WEATHER], reasoning_effort=one).reasoning) for one in ("low", "medium", "high")
    )
    assert 0 < low < medium < high
