"""The errors that LlamaIndex's tool calls raise in addition to those of `tir_client`."""

from __future__ import annotations

from tir_client import ResponseError


class NoToolCallError(ResponseError, ValueError):
    """A tool call was required, and the model answered without one."""


class ToolArgumentsError(ResponseError, ValueError):
    """The model called a tool with arguments that are not a JSON object."""


class UnknownToolError(ResponseError, ValueError):
    """The model called a tool that was not offered."""
