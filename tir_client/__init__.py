"""The HTTP core that `langchain_tir` and `llama_index_tir` share: TIR's protocol without any framework.

client = TIRClient(Config.resolve(project_id=123))
answer = client.chat(ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}]))
print(answer.choice.reasoning, answer.choice.text, answer.usage)
"""

from tir_client._version import __version__
from tir_client.client import TIRClient
from tir_client.config import Config
from tir_client.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContextOverflowError,
    ForcedToolError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RefusedCallError,
    RefusedOutputError,
    ResponseError,
    ServerError,
    StreamError,
    StreamInterruptedError,
    StreamServerError,
    StructuredOutputError,
    TIRError,
    TruncatedOutputError,
)
from tir_client.models import ModelInfo, model_info
from tir_client.protocol.requests import ChatRequest, EmbeddingRequest, RerankRequest
from tir_client.transport.retry import RetryPolicy, StartPolicy
from tir_client.transport.timeouts import Timeouts

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ChatRequest",
    "Config",
    "ConfigurationError",
    "ContextOverflowError",
    "EmbeddingRequest",
    "ForcedToolError",
    "InvalidRequestError",
    "ModelInfo",
    "NoAnswerError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "RefusedCallError",
    "RefusedOutputError",
    "RerankRequest",
    "ResponseError",
    "RetryPolicy",
    "ServerError",
    "StartPolicy",
    "StreamError",
    "StreamInterruptedError",
    "StreamServerError",
    "StructuredOutputError",
    "TIRClient",
    "TIRError",
    "Timeouts",
    "TruncatedOutputError",
    "__version__",
    "model_info",
]
