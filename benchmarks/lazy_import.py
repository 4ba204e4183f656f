"""Imports modules on first use, so the process of one contender does not load the packages of the others."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(module: str, name: str) -> Any:
    """Import `module`; return its attribute `name`."""
    return getattr(import_module(module), name)
