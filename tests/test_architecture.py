"""Imports point down only, and no package imports what it does not need."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from tests.blocked_imports import ROOT, report, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = ("tir_client", "langchain_tir", "llama_index_tir", "tir_cli", "tir_sandbox")

ALWAYS_THERE = {"pydantic", "pydantic_core", "typing_extensions"}
"""What any of our packages may import: a dependency without any extra, and what it brings. httpx has its own rule."""

MAY_IMPORT = {
    "tir_client": {"aiohttp", "httpcore", "httpx", "yarl"},
    "langchain_tir": {"tir_client", "langchain_core"},
    "llama_index_tir": {"tir_client", "llama_index", "llama_index_instrumentation"},
    "tir_cli": {"rich", "tir_client", "typer"},
    "tir_sandbox": {"jsonschema", "rstr", "starlette", "uvicorn"},
}
"""What a package's extra installs; the standard library and the package itself are not listed."""

ONLY_IN = {
    "tir_client/bulk/sources.py": {"pyarrow"},  # in a function that reads Parquet files
    "langchain_tir/_register.py": {"langchain"},  # in a function that users of `langchain` call
    "langchain_tir/embeddings.py": {"tqdm"},  # for `show_progress_bar`
    "tir_cli/doctor/network.py": {"httpx"},  # for the TLS context that the client uses
    "tir_cli/doctor/observer.py": {"httpx"},  # for a client whose traffic is recorded
    "tir_cli/sandbox.py": {"tir_sandbox"},  # in the command that starts it
    "tir_client/bulk/schema_check.py": {"jsonschema"},  # if it is installed
    "tir_sandbox/pytest_plugin.py": {"pytest"},  # which pytest imports
}

FRAMEWORKS = {"langchain_tir": "langchain_core", "llama_index_tir": "llama_index"}
EXTRAS = {"langchain_tir": "langchain", "llama_index_tir": "llama-index"}

TRANSPORTS = ("aiohttp", "clients", "connections", "http_call", "httpcore", "loop_client")
SPEAKS_HTTP = {f"tir_client.transport.{name}" for name in TRANSPORTS}
BULK = ("bulk", *(f"bulk.{name}" for name in ("gate", "output", "run", "sources")))
WAITING = ("body", "clock", "concurrency", "context_windows", "sender", "start", "streams", "token")
WAITS = (
    "chat",
    "client",
    "embeddings",
    "model_methods",
    "rerankers",
    "settings",
    *BULK,
    *(f"transport.{name}" for name in WAITING),
)
DOES_IO = {f"tir_client.{name}" for name in WAITS} | SPEAKS_HTTP
IO_MODULES = {
    "aiohttp",
    "asyncio",
    "http",
    "httpcore",
    "httpx",
    "select",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib.request",
}


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} has no files"
    return found


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Names of the modules that some statements import; no statement of ours may be relative."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, ast.unparse(node)
            names |= {_origin(str(node.module), alias.name) for alias in node.names}
    return names


def _origin(module: str, name: str) -> str:
    """`from a import b` imports `a.b` if that is a file of ours, else something of `a`."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else module


def all_imports(path: Path) -> set[str]:
    return imported(ast.walk(ast.parse(path.read_text("utf-8"))))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("package", OURS)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    found = {(str(path.relative_to(ROOT)), top(name)) for path in files(package) for name in all_imports(path)}
    allowed = MAY_IMPORT[package] | ALWAYS_THERE | {package} | sys.stdlib_module_names
    above = sorted((path, name) for path, name in found if name not in allowed | ONLY_IN.get(path, set()))

    assert above == []


def test_every_permission_to_import_is_used() -> None:
    for package, allowed in MAY_IMPORT.items():
        assert allowed <= {top(name) for path in files(package) for name in all_imports(path)}, package
    for path, names in ONLY_IN.items():
        assert names <= {top(name) for name in all_imports(ROOT / path)}, path


@pytest.mark.parametrize("package", OURS)
def test_imports_have_no_cycle(package: str) -> None:
    imports = {module_name(path): all_imports(path) for path in files(package)}

    order = TopologicalSorter({name: needed & imports.keys() for name, needed in imports.items()})

    order.prepare()  # raises CycleError, which names the circle


def test_only_listed_modules_import_http_libraries() -> None:
    paths = [path for package in OURS for path in files(package) if "doctor" not in path.parts]
    importers = {
        module_name(path)
        for path in paths
        if {"aiohttp", "httpcore", "httpx"} & {top(name) for name in all_imports(path)}
    }

    assert importers == SPEAKS_HTTP


def test_the_protocol_modules_do_no_io() -> None:
    pure = [path for path in files("tir_client") if module_name(path) not in DOES_IO | {"tir_client"}]
    impure = {module_name(path): all_imports(path) & (DOES_IO | IO_MODULES) for path in pure}

    assert len(pure) > 10
    assert {name: names for name, names in impure.items() if names} == {}


@pytest.mark.parametrize("package", FRAMEWORKS)
def test_an_integration_works_without_the_other_framework_and_integration(package: str) -> None:
    (other,) = FRAMEWORKS.keys() - {package}

    found = report(f"import {package}", other, FRAMEWORKS[other], "tir_sandbox")

    assert {package, "tir_client", FRAMEWORKS[package]} <= set(found["loaded"])
    assert not {"langchain", "langgraph", "openai", "starlette", "uvicorn"} & set(found["loaded"])
    assert found["calls"] == []
    assert found["threads"] == 1


@pytest.mark.parametrize("package", FRAMEWORKS)
def test_an_integration_without_its_framework_names_the_extra_to_install(package: str) -> None:
    done = run(f"import {package}", FRAMEWORKS[package])

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: ")
    assert f'pip install "tir-llm[{EXTRAS[package]}]"' in done.stderr


def test_the_core_is_light_and_needs_no_framework() -> None:
    blocked = {*FRAMEWORKS, *FRAMEWORKS.values(), "langchain", "llama_index_instrumentation", "langsmith", "openai"}

    found = report("import tir_client", *sorted(blocked), "tir_sandbox", "starlette", "numpy", "requests")

    assert "tir_client" in found["loaded"]
    assert not {"aiohttp", "httpcore"} & set(found["loaded"])
    assert found["calls"] == []
    assert found["threads"] == 1


def test_the_sandbox_loads_nothing_until_it_is_used() -> None:
    found = report("import tir_sandbox", *(set(OURS) - {"tir_sandbox"}), "starlette", "uvicorn", "httpx")

    assert not set(found["loaded"]) & {"asyncio", "socket", "pydantic"}


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_the_sandbox_without_its_server_names_the_extra_to_install(missing: str) -> None:
    done = run("from tir_sandbox import Sandbox", missing)

    assert done.returncode == 1
    assert f"The sandbox needs `{missing}`" in done.stderr
    assert 'pip install "tir-llm[sandbox]"' in done.stderr


def test_the_sandbox_runs_alone() -> None:
    others = (*FRAMEWORKS.values(), *(set(OURS) - {"tir_sandbox"}), "httpx")

    report("from tir_sandbox import Sandbox, Reply, Fault\nwith Sandbox() as sandbox: sandbox.env", *others)


def test_the_command_without_its_extra_names_it() -> None:
    done = run("from tir_cli.__main__ import main\nmain()", "typer")

    assert done.returncode == 1
    assert 'The command `tir` needs `typer`. Install it with `pip install "tir-llm[cli]"`.' in done.stderr
