"""The README is true: its code runs as written, and its tables say what the code says."""

from __future__ import annotations

import re
from ast import literal_eval
from dataclasses import asdict
from inspect import signature
from typing import TYPE_CHECKING

import pytest
from langchain.agents import create_agent
from langchain.chat_models import base

import tir_client
from demo.rules import answer
from langchain_tir import ChatTIR
from llama_index_tir import TIR
from tests import readme
from tests.blocked_imports import ROOT
from tir_client import Config, RetryPolicy, Timeouts, TIRError, config
from tir_sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = {
    ("ChatTIR(model=", "stream"): ["~ ", "Why is the sky blue?"],
    ("TIR(model=", "stream_complete"): ["~ ", "Why is the sky blue?"],
    ("create_agent",): ["Delhi: 31 °C, haze"],
    ("FunctionAgent",): ["Delhi: 31 °C, haze"],
    ("with_structured_output",): ["name='Pune' population="],
    ("as_structured_llm",): ["name='Pune' population="],
    ("Sandbox(replies",): ["Hello.\n"],
}
"""By words that only one block of the README has: what it prints on the sandbox."""

AGENTS = "ignore::pydantic.warnings.PydanticDeprecationWarning:inspect"
"""LlamaIndex looks for an agent's steps among all of its attributes, deprecated ones included."""

ARGUMENTS = {name: row for row in readme.table("argument") for name in readme.code(row[0])}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Where the README's code calls: the sandbox with the rules of the demo."""
    with Sandbox(rules=answer) as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.filterwarnings(AGENTS)
@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_a_snippet_runs_as_written(
    words: tuple[str, ...], sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(compile(readme.snippet(*words), "README.md", "exec", dont_inherit=True), {"__name__": "__main__"})

    said = capsys.readouterr()
    assert [part for part in RUNS[words] if part not in said.out] == []
    assert said.err == ""


def test_langchain_knows_the_model_by_name_as_written(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_BUILTIN_PROVIDERS", dict(base._BUILTIN_PROVIDERS))
    _, _, said = readme.TEXT.partition("Where\nLangChain takes a model by name")
    register, _, by_name, agent = readme.code(said)[:4]

    exec(f"import langchain_tir; {register}")

    assert isinstance(eval(by_name, {"init_chat_model": base.init_chat_model}), ChatTIR)
    assert eval(agent, {"create_agent": create_agent}).invoke({"messages": [("user", "Hi")]})["messages"][-1].text
    assert sandbox.requests


def test_no_snippet_is_left_out() -> None:
    assert sorted(readme.snippet(*words) for words in RUNS) == sorted(readme.snippets())


def test_the_arguments_that_say_where_to_call_and_their_variables_are_those_of_the_configuration() -> None:
    variables = {name: readme.code(row[1]) for name, row in ARGUMENTS.items() if row[1]}

    assert variables == {
        "api_key": list(config.TOKEN_VARIABLES),
        "project_id": [config.PROJECT_VARIABLE],
        "base_url": [config.BASE_URL_VARIABLE],
        "host": [config.HOST_VARIABLE],
    }
    assert set(signature(Config.resolve).parameters) - ARGUMENTS.keys() == {"allow_http"}
    assert "allow_http" in " ".join(ARGUMENTS["base_url"])


@pytest.mark.parametrize("model", [ChatTIR, TIR])
def test_both_models_have_every_argument(model: type[ChatTIR | TIR]) -> None:
    assert set(ARGUMENTS) - model.model_fields.keys() == set()


def test_no_other_variable_is_named() -> None:
    named = set(re.findall(r"\b(?:E2E|TIR|MODEL_API|OPENAI)_[A-Z_]+", readme.TEXT))

    assert named == {name for row in ARGUMENTS.values() for name in readme.code(row[1])}


def test_the_defaults_are_those_of_the_code() -> None:
    (phases,) = [literal_eval(text) for text in readme.code(ARGUMENTS["timeout"][2]) if text.startswith("{")]

    assert phases == asdict(Timeouts())
    assert ARGUMENTS["max_retries"][2].startswith(f"{RetryPolicy().max_retries};")
    assert RetryPolicy().patience == 60


def test_requests_go_to_the_urls_that_the_table_says() -> None:
    hosted, own, other = readme.table("you have")
    hosting = Config.resolve(api_key="t", project_id=123)
    owned = Config.resolve(api_key="t", project_id=123, endpoint_id=45)

    for row, chosen, model in ((hosted, hosting, "gpt_oss_120b"), (own, owned, "/mnt/models")):
        (shown,) = readme.code(row[2])
        assert chosen.url_for(model) == f"{config.DEFAULT_HOST}{shown.removeprefix('…')}/chat/completions"
    assert other[2] == "as given"
    assert Config.resolve(api_key="t", base_url="https://host/v1").url_for("m") == "https://host/v1/chat/completions"


def test_every_error_stands_in_the_table() -> None:
    listed = [name for row in readme.table("error") for name in readme.code(row[0])]
    errors = {
        name for name, thing in vars(tir_client).items() if isinstance(thing, type) and issubclass(thing, TIRError)
    }

    assert len(listed) == len(set(listed))
    assert errors - set(listed) == {"TIRError", "APIStatusError", "StreamError"}, (
        "the last two are bases of listed ones"
    )
    assert set(listed) <= errors


def test_every_link_and_make_target_exists() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme.TEXT)
    targets = set(re.findall(r"^make ([\w-]+)", readme.TEXT, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text("utf-8")

    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    assert targets
