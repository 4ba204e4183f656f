"""Arguments, variables, defaults, URLs, errors and models on the pages are those of the code."""

from __future__ import annotations

import re
from ast import literal_eval
from dataclasses import asdict
from inspect import signature

import pytest

import langchain_tir
import llama_index_tir
import tir_client
import tir_sandbox
from docs import hooks
from langchain_tir import ChatTIR
from llama_index_tir import TIR
from tests.docs.pages import DOCS, Page, code, pages
from tir_cli import exit_codes
from tir_client import Config, RetryPolicy, Timeouts, TIRError, config, environment
from tir_client.protocol.parameters import Parameters

DEPLOYMENTS = Page("docs/guides/deployments.md")
ARGUMENTS = {name: row for row in DEPLOYMENTS.table("argument") for name in code(row[0])}
MANAGEMENT = {"E2E_TIR_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"}
"""Variables that the pages mention because they are not read."""


def test_the_table_of_address_arguments_and_variables_matches_the_configuration() -> None:
    variables = {name: code(row[1]) for name, row in ARGUMENTS.items() if row[1]}

    assert variables == {
        "api_key": list(environment.TOKEN_VARIABLES),
        "project_id": [environment.PROJECT_VARIABLE],
        "base_url": [environment.BASE_URL_VARIABLE],
        "host": [environment.HOST_VARIABLE],
    }
    assert set(signature(Config.resolve).parameters) - ARGUMENTS.keys() == {"allow_http", "model_in_url"}
    assert "allow_http" in " ".join(ARGUMENTS["base_url"])


@pytest.mark.parametrize("model", [ChatTIR, TIR])
def test_both_models_have_every_argument(model: type[ChatTIR | TIR]) -> None:
    assert set(ARGUMENTS) - model.model_fields.keys() == set()


def test_pages_name_only_variables_that_exist() -> None:
    named = {name for page in pages() for name in re.findall(r"\b(?:E2E|TIR|MODEL_API|OPENAI)_[A-Z_]+", page.text)}

    assert named - MANAGEMENT == {name for row in ARGUMENTS.values() for name in code(row[1])}


def test_the_defaults_are_those_of_the_code() -> None:
    (phases,) = [literal_eval(text) for text in code(ARGUMENTS["timeout"][2]) if text.startswith("{")]
    listed = {code(row[0])[0]: row[1] for row in Page("docs/guides/errors.md").table("phase")}

    assert phases == asdict(Timeouts())
    assert listed == {name: "none" if seconds is None else f"{seconds:g}" for name, seconds in phases.items()}
    assert ARGUMENTS["max_retries"][2].startswith(f"{RetryPolicy().max_retries};")
    assert RetryPolicy().patience == 60


def test_the_default_host_is_the_same_wherever_a_page_names_it() -> None:
    named = {host for page in pages() for host in re.findall(r"https://infer[\w.-]+\w", page.text)}

    assert named == {config.DEFAULT_HOST}


def test_requests_go_to_the_urls_of_the_table() -> None:
    hosted, own, shared, other = DEPLOYMENTS.table("you have")
    hosting = Config.resolve(api_key="t", project_id=123)
    sharing = Config.resolve(api_key="t", project_id=123, model_in_url=False)
    owned = Config.resolve(api_key="t", project_id=123, endpoint_id=45)

    rows = ((hosted, hosting, "gpt_oss_120b"), (own, owned, "/mnt/models"), (shared, sharing, "whisper"))
    for row, chosen, model in rows:
        (shown,) = code(row[2])
        assert chosen.url_for(model) == f"{config.DEFAULT_HOST}{shown.removeprefix('…')}/chat/completions"
    assert other[2] == "as given"
    assert Config.resolve(api_key="t", base_url="https://host/v1").url_for("m") == "https://host/v1/chat/completions"


def test_every_error_has_its_remedy() -> None:
    listed = [name for row in Page("docs/troubleshooting.md").table("error") for name in code(row[0])]
    errors = {
        name
        for module in (tir_client, llama_index_tir)
        for name, thing in vars(module).items()
        if isinstance(thing, type) and issubclass(thing, TIRError)
    }

    assert len(listed) == len(set(listed))
    assert errors - set(listed) == {"TIRError"}
    assert set(listed) <= errors


def test_the_reference_has_every_public_name() -> None:
    for module in (langchain_tir, llama_index_tir, tir_client, tir_sandbox):
        name = module.__name__
        text = Page(f"docs/reference/{name}.md").text
        shown = set(re.findall(rf"^::: {name}\.(\w+)$", text, re.MULTILINE))
        shared = set(tir_client.__all__) if module is llama_index_tir else set()

        assert set(module.__all__) - shown - shared - {"__version__"} == set(), name


def test_each_table_from_the_code_is_on_a_page() -> None:
    asked = {
        name for path in DOCS.rglob("*.md") for name in re.findall(r"<!-- table: (\w+) -->", path.read_text("utf-8"))
    }

    assert asked == hooks.TABLES.keys()


def test_tables_are_filled_in_from_the_code() -> None:
    models = hooks.with_tables("<!-- table: models -->")
    renamed = hooks.with_tables("<!-- table: renamed -->")

    assert "| `gpt_oss_120b` | 131,072 | low, medium, high | yes |  |  |" in models
    assert "| `e5-mistral-7b-instruct` | 4,096 |  |  |  | 4,096 |" in models
    assert "| `openai_api_base` | `base_url` |" in renamed
    assert "temperature" in Parameters.model_fields  # which keeps its name


def test_the_default_slugs_are_in_the_table_of_models() -> None:
    assert f"`{config.DEFAULT_MODEL}`" in "\n".join(hooks.models())
    assert f"`{config.DEFAULT_EMBEDDING_MODEL}`" in "\n".join(hooks.models())


def test_every_exit_code_is_listed() -> None:
    codes = {str(value) for name, value in vars(exit_codes).items() if name.isupper()}

    assert [row[0] for row in Page("docs/cli.md").table("exit code")] == sorted(codes, key=int)


def test_figures_on_other_pages_match_the_measured_pages() -> None:
    conformance = Page("docs/measured/llama_index_conformance.md").text
    ((total, ours, others),) = re.findall(r"\*\*of (\d+) promises\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\*", conformance)
    calls = Page("docs/measured/reliability.md").table("Outcome")
    pages_that_repeat = Page("README.md").text + Page("docs/moving.md").text

    assert set(re.findall(r"(\d+) of (\d+) promises", pages_that_repeat)) == {(ours, total)}
    assert set(re.findall(r"`OpenAILike` keeps (\d+)", pages_that_repeat)) == {others}
    assert set(re.findall(r"(\d+) calls", pages_that_repeat)) == {str(int(calls[0][1]) + int(calls[1][1]))}
