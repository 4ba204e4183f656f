"""Imports a module on first use, so that one contender's process does not load the packages of the others."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(module: str, name: str) -> Any:
    """Import `module`; return what it calls `name`."""
    return getattr(import_module(module), name)
