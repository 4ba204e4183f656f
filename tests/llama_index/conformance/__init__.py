"""The contract of a LlamaIndex LLM, one test for each promise, over a real socket.

LlamaIndex has no standard tests for LLMs. To test an LLM, subclass `LLMConformance` and define the fixture `make`:

    class TestMine(LLMConformance):
        @pytest.fixture
        def make(self, sandbox):
            return lambda **fields: Mine(api_base=sandbox.base_url, api_key=sandbox.token, **fields)
"""

from .answers import AnswerPromises
from .events import EventPromises
from .lifecycle import LifecyclePromises
from .requests import RequestPromises
from .streams import StreamPromises
from .structured import StructuredPromises
from .tools import ToolPromises


class LLMConformance(
    AnswerPromises,
    StreamPromises,
    ToolPromises,
    StructuredPromises,
    RequestPromises,
    LifecyclePromises,
    EventPromises,
):
    """All promises."""


__all__ = ["LLMConformance"]
