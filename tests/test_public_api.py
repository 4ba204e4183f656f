"""The public API of the packages: names, docstrings, types, one version."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tir_client

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("tir_client", "langchain_tir", "llama_index_tir", "tir_sandbox")
INTEGRATIONS = ("langchain_tir", "llama_index_tir")
PUBLIC = (*PACKAGES, "tir_client.bulk")
"""What users import from."""


def public_names(package: str) -> dict[str, Any]:
    module = import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


def documented(package: str) -> Iterator[tuple[str, Any]]:
    """The functions and classes that a package shows, and the public members that these have from us."""
    for name, thing in public_names(package).items():
        if inspect.isfunction(thing) or inspect.isclass(thing):
            yield name, thing
        bases = inspect.getmro(thing) if inspect.isclass(thing) else ()
        for base in (base for base in bases if base.__module__.partition(".")[0] in PACKAGES):
            for member, value in dict(vars(base)).items():
                function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
                if not member.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{member}", function


def errors_of(package: str) -> set[str]:
    """The errors that the files of a package define."""
    found = set()
    for file in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        for name, thing in vars(import_module(file.name)).items():
            if inspect.isclass(thing) and issubclass(thing, Exception) and thing.__module__ == file.name:
                found.add(name)
    return found


@pytest.mark.parametrize("package", PUBLIC)
def test_names_in_all_are_unique_sorted_and_importable(package: str) -> None:
    names = list(public_names(package))
    kinds = ["constant" if name.isupper() else "name" if name[0].islower() else "Class" for name in names]
    order = {"constant": 0, "Class": 1, "name": 2}

    assert names == sorted(set(names), key=lambda name: (order[kinds[names.index(name)]], name))
    assert set(names) <= set(dir(import_module(package)))


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_that_a_package_imports_from_its_modules_is_in_all(package: str) -> None:
    own = {
        name
        for name, thing in vars(import_module(package)).items()
        if not name.startswith("_") and getattr(thing, "__module__", "").startswith(f"{package}.")
    }

    assert own <= set(public_names(package))


@pytest.mark.parametrize("package", ["tir_client", *INTEGRATIONS])
def test_every_error_can_be_imported_to_be_caught(package: str) -> None:
    errors = {name for name in errors_of(package) if not name.startswith("_")}

    assert errors <= set(public_names(package)) | set(public_names("tir_client"))


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_function_class_and_method_has_a_docstring(package: str) -> None:
    things = dict(documented(package))

    assert len(things) > 3
    written = {name for name, thing in things.items() if not (thing.__doc__ or f"{name}(").startswith(f"{name}(")}
    assert things.keys() - written == set()  # a dataclass without one gets its signature for a docstring


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_a_typed_marker_and_a_docstring(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert import_module(package).__doc__


def test_all_packages_and_the_changelog_have_one_version() -> None:
    version = tir_client.__version__

    assert {import_module(integration).__version__ for integration in INTEGRATIONS} == {version}
    assert f"\n## {version} " in (ROOT / "CHANGELOG.md").read_text("utf-8")
