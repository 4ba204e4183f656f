"""Makes the real servers available to the tests of this folder, without the standard tests that they cannot pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real import plugin
from tests.real.plugin import gpt_oss_server, real_server

__all__ = ["gpt_oss_server", "real_server"]

HERE = Path(__file__).parent

OF_A_MIND = (
    "test_tool_calling",
    "test_bind_runnables_as_tools",
    "test_tool_choice",
    "test_agent_loop",
    "test_structured_few_shot_examples",
    "test_unicode_tool_call_integration",
    "test_json_mode",
)
"""Standard tests that want a sensible call or object from the words of a prompt: random weights do not give one.

The sandbox runs all of them; here, `test_vllm.py` has the same calls with schemas that leave no choice of words.
"""

OF_A_SCHEMA = ("test_structured_output",)
"""Standard tests that want an object of a schema, which `json_mode` leaves to the prompt; `test_vllm.py` takes any."""

OF_OTHER_SENSES = (
    "test_image_inputs",
    "test_image_tool_message",
    "test_audio_inputs",
    "test_pdf_inputs",
    "test_pdf_tool_message",
    "test_stream_time",
)
"""Standard tests of pictures and sounds, which this server's models cannot take, and one that plays a recording."""


def _is_left_out(item: pytest.Item) -> bool:
    names = (*OF_A_MIND, *OF_OTHER_SENSES, *(OF_A_SCHEMA if "TestJsonMode" in item.nodeid else ()))
    return item.path.is_relative_to(HERE) and item.name.startswith(names)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    plugin.pytest_collection_modifyitems(config, items)
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
