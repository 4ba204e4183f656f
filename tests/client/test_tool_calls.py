"""Tool calls are assembled, however the server splits them."""

from __future__ import annotations

import json
import re

import pytest

from tir_client import ResponseError
from tir_client.protocol.responses import ToolCall, ToolCallDelta
from tir_client.protocol.tool_calls import ToolCallAssembler, repair_name


def piece(index=None, id=None, name=None, arguments=None):  # noqa: A002 - the wire's name
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def assemble(*events, offered=("add", "sub")) -> list[ToolCall]:
    """Add events, and check that the deltas add up to the calls."""
    assembler = ToolCallAssembler(offered, "chat-1")
    deltas = [delta for event in events for delta in assembler.add(event)]
    calls = assembler.calls()
    for position, call in enumerate(calls):
        mine = [delta for delta in deltas if delta.index == position]
        assert call.id == mine[0].id
        assert all(delta.id is None for delta in mine[1:])
        assert call.name == "".join(delta.name or "" for delta in mine)
        assert call.arguments == "".join(delta.arguments for delta in mine)
    return calls


A = ToolCall("c1", "add", '{"a": 1}')
B = ToolCall("c2", "sub", '{"b": 2}')
FLAT = (("c1", "add", '{"a": 1}'), ("c2", "sub", '{"b": 2}'))


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([[piece(0, "c1", "add", '{"a": 1}')], [piece(1, "c2", "sub", '{"b": 2}')]], id="whole calls"),
        pytest.param([[piece(0, "c1", "add", '{"a": 1}'), piece(1, "c2", "sub", '{"b": 2}')]], id="both in one event"),
        pytest.param(
            [
                [piece(0, "c1", "add", "")],
                [piece(0, arguments='{"a"')],
                [piece(0, arguments=": 1}")],
                [piece(1, "c2", "sub", '{"b": 2}')],
            ],
            id="as vLLM cuts them",
        ),
        pytest.param(
            [
                [piece(0, "c1", "add", '{"a"'), piece(1, "c2", "sub", '{"b"')],
                [piece(1, arguments=": 2"), piece(0, arguments=": 1")],
                [piece(0, arguments="}"), piece(1, arguments="}")],
            ],
            id="interleaved",
        ),
        pytest.param(
            [
                [piece(0, "c1", "add", '{"a"')],
                [piece(0, "c1", "add", ": 1}")],
                [piece(1, "c2", "sub", '{"b"')],
                [piece(1, "c2", "sub", ": 2}")],
            ],
            id="id and name in each piece",
        ),
        pytest.param(
            [
                [piece(None, "c1", "add", "")],
                [piece(None, "c1", "", "")],
                [piece(None, "", "", '{"a"')],
                [piece(None, "", None, ": 1}")],
                [piece(None, "c2", "sub", '{"b"')],
                [piece(None, "c2", None, ": 2}")],
            ],
            id="no index, and empty ids and names",
        ),
        pytest.param(
            [
                [piece(None, "c1", "add", '{"a"')],
                [piece(None, None, None, ": 1}")],
                [piece(None, "c2", "sub", '{"b"')],
                [piece(None, "c2", None, ": 2}")],
            ],
            id="no index",
        ),
        pytest.param(
            [[piece(0, "c1", "add", '{"a": 1}')], [piece(0, "c2", "sub", '{"b": 2}')]], id="one index for two calls"
        ),
        pytest.param(
            [[piece(0, "c1", "add", '{"a": 1')], [piece(1, None, None, "}")], [piece(2, "c2", "sub", '{"b": 2}')]],
            id="the end of the arguments under the next index",
        ),
        pytest.param(
            [
                [piece(0, "c1", "add", None)],
                [piece(0, None, None, '{"a": 1}')],
                [None, piece(7, "c2", "sub", {"b": 2})],
            ],
            id="null arguments, null entries, arguments as an object",
        ),
        pytest.param(
            [[{"id": id_, "name": name, "arguments": arguments}] for id_, name, arguments in FLAT], id="no function"
        ),
        pytest.param(
            [
                [piece(0, "c1", "add<|channel|>commentary", '{"a": 1}')],
                [piece(1, "c2", "functions.sub", '{"b": 2}')],
            ],
            id="leaked markers",
        ),
    ],
)
def test_calls_are_assembled_however_they_are_split(events):
    assert assemble(*events) == [A, B]


def test_two_calls_of_one_tool_without_index_or_id_stay_two():
    one, two = assemble([piece(name="add", arguments='{"a": 1}')], [piece(name="add", arguments='{"a": 2}')])

    assert (one.name, one.arguments) == ("add", '{"a": 1}')
    assert (two.name, two.arguments) == ("add", '{"a": 2}')
    assert one.id != two.id


@pytest.mark.parametrize(
    "arguments", [['{"a": "}', '\\"{"}'], ['{"a": [', "]}"], ["null"], ["nu", "ll"], ['""'], ["[1,", "2]"], ["{}"]]
)
def test_without_index_and_id_a_name_begins_another_call_once_the_arguments_are_whole(arguments):
    events = [[piece(name="add", arguments=part)] for part in [*arguments, *arguments]]

    assert [call.arguments for call in assemble(*events)] == ["".join(arguments)] * 2


@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("id_", ["", "c1"])
@pytest.mark.parametrize("first", [['{"a": 1}'], ["", '{"a"', ": 1}", "\n"]])
def test_under_one_index_or_id_a_name_with_arguments_begins_another_call(index, id_, first):
    """Gemini and Ollama send all calls of an answer under index 0, some gateways under one id."""
    begin, *rest = first
    events = [
        [piece(index, id_, "add", begin), *(piece(index, id_, None, part) for part in rest)],
        [piece(index, id_, "add", '{"a": 2}')],
        [piece(index, id_, "functions.sub", ""), piece(index, id_, None, '{"b": 2}')],
    ]

    calls = assemble(*events)

    assert [(call.name, call.parsed()) for call in calls] == [("add", {"a": 1}), ("add", {"a": 2}), ("sub", {"b": 2})]
    assert len({call.id for call in calls}) == 3


def test_the_pieces_of_a_call_in_one_event_are_one_delta():
    assembler = ToolCallAssembler(("get_weather", "sub"), "chat-1")
    pieces = [piece(0, "c1", "get_", ""), piece(0, None, "weather", '{"a"'), piece(1, "c2", "sub", "{")]

    deltas = assembler.add([*pieces, piece(0, arguments=": 1}"), piece(1, arguments="}")])

    assert deltas == [ToolCallDelta(0, "c1", "get_weather", '{"a": 1}'), ToolCallDelta(1, "c2", "sub", "{}")]


def test_a_call_that_is_sent_twice_is_one():
    events = [[piece(0, "c1", "add", '{"a"')], [piece(0, "c1", None, ": 1}")], [piece(0, "c1", "add", '{"a": 1}')]]

    assert assemble(*events) == [A]


@pytest.mark.parametrize("end", ["", " ", "}"])
def test_a_repeated_name_without_an_object_continues_its_call(end):
    (call,) = assemble([piece(0, "c1", "add", "{}")], [piece(0, "c1", "functions.add", end)])

    assert call.arguments == "{}" + end


def test_a_name_in_pieces_is_put_together_if_it_was_offered():
    (call,) = assemble([piece(0, "c1", "get_", "")], [piece(0, None, "weather", "")], offered=("get_weather",))

    assert call.name == "get_weather"


def test_a_name_that_is_repeated_and_extended_in_each_piece_is_used_once():
    (call,) = assemble(
        [piece(0, "c1", "get_", "")], [piece(0, None, "get_weather", "{}")], offered=("add", "get_weather")
    )

    assert (call.id, call.name, call.arguments) == ("c1", "get_weather", "{}")


def test_calls_without_an_id_get_one_that_is_stable_and_their_own():
    events = [[piece(0, None, "add", "{}")], [piece(1, None, "sub", "{}")]]

    ids = [call.id for call in assemble(*events)]
    assert ids == [call.id for call in assemble(*events)]
    assert len(set(ids)) == 2


def test_two_calls_with_the_same_id_stay_separate():
    one, two = assemble(
        [piece(0, "c1", "add", "{")],
        [piece(1, "c1", "sub", "{")],
        [piece(0, "c1", None, "}"), piece(1, "c1", None, "}")],
    )

    assert one.id != two.id
    assert (one.arguments, two.arguments) == ("{}", "{}")


def test_each_entry_of_a_whole_answer_is_a_call():
    assembler = ToolCallAssembler(("add",), "chat-1")
    assembler.add(
        [piece(None, "c1", "add", "{}"), piece(None, "c1", "add", "{}"), piece(None, None, "add", None)], whole=True
    )

    assert [call.name for call in assembler.calls()] == ["add"] * 3
    assert len({call.id for call in assembler.calls()}) == 3


def test_entries_of_a_whole_answer_may_have_one_index_or_no_name():
    assembler = ToolCallAssembler(("add",), "chat-1")
    assembler.add([piece(0, "c1", "add", "{}"), piece(0, None, None, "[]"), piece(0, "c2", "add", "{}")], whole=True)

    assert [(call.name, call.arguments) for call in assembler.calls()] == [("add", "{}"), ("", "[]"), ("add", "{}")]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (["text"], "tool_calls[]"),
        ([5], "tool_calls[]"),
        ([{"function": "add"}], "tool_calls[].function"),
        ([{"function": [1]}], "tool_calls[].function"),
    ],
)
def test_a_call_that_is_not_an_object_is_refused(event, name):
    with pytest.raises(ResponseError, match=re.escape(f"`{name}` must be an object")):
        assemble(event)


def test_a_call_may_have_no_name_and_no_function():
    assert assemble([piece(0, "c1")], [{"index": 1, "id": "c2"}]) == [ToolCall("c1", "", ""), ToolCall("c2", "", "")]


def test_a_call_begins_with_its_id_even_if_its_name_comes_later():
    events = [piece(0, "c1", "add", '{"a": 1}')], [piece(1, "c2")], [piece(1, None, "sub", '{"b": 2}')]

    assert assemble(*events) == [A, B]


@pytest.mark.parametrize(
    ("events", "names"),
    [
        ([[piece(name="add", arguments='{"a"')], [piece(name="add", arguments=": 1}")]], ["add"]),
        ([[piece(name="add", arguments='{"a"')], [piece(name="sub", arguments="{}")]], ["add", "sub"]),
        (
            [[piece(name="add", arguments='{"a"')], [piece(arguments=": 1}")], [piece(name="add", arguments="{}")]],
            ["add", "add"],
        ),
    ],
)
def test_without_index_and_id_a_name_begins_a_call_unless_it_is_repeated_within_one(events, names):
    assert [call.name for call in assemble(*events)] == names


@pytest.mark.parametrize(
    ("names", "offered", "name"),
    [
        (["get_", "weather"], ["get_weather", "weather"], "get_weather"),
        (["add", "ition"], ["add", "addition"], "add"),
        (["mul", "mul"], ["add"], "mul"),
        (["mul", "add"], ["add"], "mul"),
        (["", "add"], ["add"], "add"),
    ],
)
def test_a_name_is_extended_only_towards_one_that_was_offered(names, offered, name):
    (call,) = assemble(*[[piece(0, "c1", each)] for each in names], offered=offered)

    assert call.name == name


def test_calls_of_other_tools_than_the_wanted_one_are_hidden():
    assembler = ToolCallAssembler(("add", "sub"), "chat-1", only="sub")

    assert assembler.add([piece(0, "c1", "add", "{}"), piece(0, arguments=" ")]) == []
    (delta,) = assembler.add([piece(1, "c2", "sub", "{")])
    assert delta == ToolCallDelta(0, "c2", "sub", "{")
    assert assembler.add([piece(1, arguments="}")]) == [ToolCallDelta(0, None, None, "}")]
    assert assembler.calls() == [ToolCall("c2", "sub", "{}")]
    assert len(assembler) == 1


def test_the_beginning_of_a_call_is_kept_until_its_name_shows_that_it_is_wanted():
    assembler = ToolCallAssembler(("get_weather",), "chat-1", only="get_weather")

    assert assembler.add([piece(0, "c1", "get_", '{"a"')]) == []
    assert assembler.add([piece(0, None, "weather", ": 1}")]) == [ToolCallDelta(0, "c1", "get_weather", '{"a": 1}')]


def test_calls_are_marked_if_the_answer_was_cut_off():
    assembler = ToolCallAssembler(("add",))
    assembler.add([piece(0, "c1", "add", "{}")])

    assert [call.cut for call in (*assembler.calls(), *assembler.calls(cut=True))] == [False, True]


def test_a_call_gets_a_random_id_if_the_answer_has_none():
    assembler = ToolCallAssembler(("add",))
    assembler.add([piece(0, None, "add", "{}")])

    assert re.fullmatch("call_[0-9a-f]{32}-tool-0", assembler.calls()[0].id)


def test_arguments_may_be_an_object_in_any_script():
    assert assemble([piece(0, "c1", "add", {"b": "é"})])[0].arguments == '{"b": "é"}'


@pytest.mark.parametrize(
    ("name", "repaired"),
    [
        ("add", "add"),
        ("add<|channel|>commentary", "add"),
        ("add<|channel|>commentary<|message|>", "add"),
        ("add:", "add"),
        ("addX.", "addX."),
        ("addX.json", "addX.json"),
        ("other sub", "other sub"),
        ("add <|constrain|>json", "add"),
        ("functions.add", "add"),
        ("add.json", "add"),
        ("addjson", "add"),
        ("add.", "add"),
        ("add commentary", "add"),
        ("Weather Report", "Weather Report"),
        ("Weather Report<|channel|>commentary", "Weather Report"),
        ("functions.Weather Report", "Weather Report"),
        ("other", "other"),
        ("other thing", "other thing"),
        ("functions.other", "functions.other"),
        ("<|weird|>", "<|weird|>"),
    ],
)
def test_a_name_is_repaired_only_into_one_that_was_offered(name, repaired):
    assert repaired == repair_name(name, ("add", "sub", "Weather Report", "Weather"))


@pytest.mark.parametrize(
    ("text", "parsed"), [("", {}), ("  ", {}), ("null", {}), ('""', {}), (" []", {}), ('{"a": 1}', {"a": 1})]
)
def test_no_arguments_are_an_empty_object(text, parsed):
    assert parsed == ToolCall("c", "add", text).parsed()


def test_a_call_cut_off_before_its_arguments_cannot_be_parsed():
    with pytest.raises(ValueError, match="cut off"):
        ToolCall("c", "wipe", "", cut=True).parsed()
    assert ToolCall("c", "wipe", '{"a": 1}', cut=True).parsed() == {"a": 1}


@pytest.mark.parametrize("text", ['{"a": ', "5", "[1]", '"a"'])
def test_arguments_that_are_not_a_json_object_are_an_error(text):
    with pytest.raises(ValueError):
        ToolCall("c", "add", text).parsed()


def test_arguments_of_another_type_are_shown():
    with pytest.raises(ValueError, match=r"^the arguments must be a JSON object, not '5'$"):
        ToolCall("c", "add", "5").parsed()


def test_many_pieces_cost_linear_time():
    """A call in 50,000 pieces is joined once, when it is read."""
    assembler = ToolCallAssembler(("add",), "chat-1")
    assembler.add([piece(0, "c1", "add", '{"a": "')])
    for _ in range(50_000):
        assembler.add([piece(0, arguments="xy")])
    assembler.add([piece(0, arguments='"}')])

    (call,) = assembler.calls()
    assert len(json.loads(call.arguments)["a"]) == 100_000
