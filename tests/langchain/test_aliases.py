"""Argument names of LangChain's other models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from langchain_tir import ChatTIR, TIREmbeddings
from langchain_tir._aliases import LANGCHAIN_UNSUPPORTED
from tir_client import ConfigurationError
from tir_sandbox import Sandbox


@pytest.mark.parametrize("cls", [ChatTIR, TIREmbeddings])
@pytest.mark.parametrize("name", sorted(LANGCHAIN_UNSUPPORTED))
def test_an_argument_with_another_meaning_in_other_models_is_refused_with_advice(cls: type, name: str):
    with pytest.raises(ConfigurationError, match=f"`{name}` is not an argument here: ") as raised:
        cls(api_key="a-token", project_id=1, **{name: "http://user:secret@proxy"})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("wanted", [True, False])
def test_stream_usage_says_whether_a_stream_has_usage(
    make: Callable[..., ChatTIR], model: ChatTIR, sandbox: Sandbox, wanted: bool
):
    for chunks in (make(stream_usage=wanted).stream("Hi"), model.stream("Hi", stream_usage=wanted)):
        assert any(chunk.usage_metadata for chunk in chunks) == wanted
        assert sandbox.requests[-1].body["stream_options"] == {"include_usage": wanted}
        assert "stream_usage" not in sandbox.requests[-1].body
    assert make(stream_usage=wanted).invoke("Hi").usage_metadata
