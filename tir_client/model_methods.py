"""ModelMethods: the methods that all models have in addition to their framework's.

They list models, wait for a deployment, read context windows, and close connections.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING

from tir_client.closing import Closing
from tir_client.errors import ConfigurationError
from tir_client.models import model_info
from tir_client.protocol.responses import ModelCard

if TYPE_CHECKING:
    from tir_client.client import TIRClient


class ModelMethods(Closing):
    """Methods that call the model's client."""

    if TYPE_CHECKING:
        _made: object | None

        @property
        def model(self) -> str:
            """The model to call: a field or property of each integration's class."""

        @property
        def client(self) -> TIRClient:
            """The client for all calls."""

    @classmethod
    def _framework_errors(cls) -> AbstractContextManager[None]:
        """Raise errors as the framework's classes, if it has its own."""
        return nullcontext()

    def list_models(self) -> list[ModelCard]:
        """List the models that the endpoint of `model` serves, with their context windows if the server sends them.

        The window of `model` is stored, so later reads need no request.
        """
        with self._framework_errors():
            return self.client.models(self.model)

    async def alist_models(self) -> list[ModelCard]:
        """`list_models` for async code."""
        with self._framework_errors():
            return await self.client.amodels(self.model)

    def served_window(self) -> int | None:
        """The context window of `model` from this library's table or the server's list of models, else None.

        `TIRClient.context_window` describes the request. If it fails, the window is None.
        """
        with suppress(ConfigurationError):  # after a change of the fields
            return self.client.context_window(self.model)
        return model_info(self.model).context_window

    def known_window(self) -> int | None:
        """`served_window` without a request: None if neither the table nor an earlier request has it."""
        with suppress(ConfigurationError):  # after a change of the fields
            if self._made is not None:
                return self.client.known_window(self.model)
        return model_info(self.model).context_window

    def wait_until_ready(self, seconds: float | None = None) -> list[ModelCard]:
        """Wait until the endpoint of `model` is ready (an idle deployment starts first), and list its models.

        ```python
        model.wait_until_ready()
        ```

        Args:
            seconds: How long to wait. Default: `wait_for_start`, or 15 minutes if that is not set. The timeout `total`
                bounds it, too.

        Raises:
            APITimeoutError: It was not ready in time; the message has the last failure.
        """
        with self._framework_errors():
            return self.client.wait_until_ready(self.model, seconds=seconds)

    async def await_until_ready(self, seconds: float | None = None) -> list[ModelCard]:
        """`wait_until_ready` for async code."""
        with self._framework_errors():
            return await self.client.await_until_ready(self.model, seconds=seconds)

    def close(self) -> None:
        """Close the connections of sync calls. A later call opens new ones."""
        self.client.close()

    async def aclose(self) -> None:
        """Close the connections of sync calls, and those of the running event loop unless another model uses them."""
        await self.client.aclose()
