"""The capabilities of a model in LangChain's form: `ChatTIR.profile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tir_client import ModelInfo, model_info

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile


def profile_of(model: str) -> ModelProfile | None:
    """Return the profile of a known model, else None. A `profile=` of the user replaces it.

    There is no `structured_output` in it on purpose: `create_agent` would send a response format together with the
    tools, and a server that binds its whole output to the format can then call none of them. Without it, agents call
    a tool to answer, which works on every server.
    """
    info = model_info(model)
    if info == ModelInfo() or info.dimensions is not None:
        return None
    facts = {
        "max_input_tokens": info.context_window,
        "max_output_tokens": info.max_output,
        "text_inputs": True,
        "text_outputs": True,
        "image_inputs": info.images,
        "image_url_inputs": info.images,
        "reasoning_output": info.reasoning,
        "reasoning_effort_levels": list(info.reasoning_efforts) or None,
        "tool_calling": info.tools,
        "tool_choice": info.tools,
        "tool_call_streaming": info.tools,
        "open_weights": True,
    }
    return cast("ModelProfile", {name: fact for name, fact in facts.items() if fact is not None})
