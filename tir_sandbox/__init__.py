"""A local endpoint with TIR's API for tests and demos. It has no model: scripts and rules produce the answers.

```python
from tir_sandbox import Reply, Sandbox

with Sandbox(replies=[Reply("Hi", reasoning="Greet.")]) as sandbox:
    print(sandbox.env)
```

Its modules are imported on first use, because pytest loads this package wherever `tir-llm` is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tir_sandbox.answers import Fault, Reply, ToolCall
    from tir_sandbox.requests import Request
    from tir_sandbox.script import ScriptError
    from tir_sandbox.server import Sandbox

__all__ = ["Fault", "Reply", "Request", "Sandbox", "ScriptError", "ToolCall"]

_HOME = {"Request": "requests", "Sandbox": "server", "ScriptError": "script"}  # the others are in `answers`


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME.get(name, 'answers')}"), name)
    except ModuleNotFoundError as missing:
        message = f'The sandbox needs `{missing.name}`. Install it with `pip install "tir-llm[sandbox]"`.'
        raise ImportError(message) from missing


def __dir__() -> list[str]:
    return sorted(__all__)
