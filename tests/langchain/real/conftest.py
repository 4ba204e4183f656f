"""Makes the real servers available to the tests of this folder, without the standard tests that they cannot pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real import plugin
from tests.real.plugin import gpt_oss_server, real_server

__all__ = ["gpt_oss_server", "real_server"]

HERE = Path(__file__).parent

NEED_A_TRAINED_MODEL = (
    "test_tool_calling",
    "test_bind_runnables_as_tools",
    "test_tool_choice",
    "test_agent_loop",
    "test_structured_few_shot_examples",
    "test_unicode_tool_call_integration",
    "test_json_mode",
)
"""Standard tests that need a sensible call or object, which a model with random weights does not give.

The sandbox runs all of them; here, `test_vllm.py` makes the same calls with schemas that allow one value only.
"""

NEED_A_SCHEMA = ("test_structured_output",)
"""Standard tests of objects with a schema, which `json_mode` does not enforce; `test_vllm.py` accepts any object."""

NEED_MEDIA = (
    "test_image_inputs",
    "test_image_tool_message",
    "test_audio_inputs",
    "test_pdf_inputs",
    "test_pdf_tool_message",
    "test_stream_time",
)
"""Standard tests of images and audio, which this server's models do not read, and one that replays a recording."""


def _is_left_out(item: pytest.Item) -> bool:
    names = (*NEED_A_TRAINED_MODEL, *NEED_MEDIA, *(NEED_A_SCHEMA if "TestJsonMode" in item.nodeid else ()))
    return item.path.is_relative_to(HERE) and item.name.startswith(names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    plugin.pytest_collection_modifyitems(config, items)
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
