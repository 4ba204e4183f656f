"""Chunks are built without LangChain's validation, and equal those that its constructors build."""

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_tir._stream import _unchecked

ARGUMENTS = st.none() | st.text('{}[]",: \n\t\\ntrue0123ab\x0b\xa0', max_size=8)
PIECES = st.lists(
    st.builds(
        tool_call_chunk,
        name=st.sampled_from([None, "", "f"]),
        args=ARGUMENTS,
        id=st.sampled_from([None, "i"]),
        index=st.integers(0, 2),
    ),
    max_size=3,
)


@given(PIECES, st.sampled_from([{}, {"reasoning_content": "so"}]))
def test_a_chunk_equals_that_of_langchains_constructors(pieces, extra):
    metadata = {"model_provider": "tir"}
    given_fields = {"additional_kwargs": extra, "tool_call_chunks": [*pieces]}
    given_fields = {name: value for name, value in given_fields.items() if value}
    message = AIMessageChunk(content="hi", response_metadata=metadata, **given_fields)
    expected = ChatGenerationChunk(message=message)

    chunk = _unchecked("hi", extra, metadata, [*pieces])

    assert expected == chunk
    assert expected.message.__dict__ == chunk.message.__dict__
    assert expected.message.model_fields_set <= chunk.message.model_fields_set
    assert expected.model_fields_set == chunk.model_fields_set


def test_chunks_share_no_mutable_state():
    one, other = (_unchecked("", {}, {}, []).message for _ in range(2))

    one.tool_calls.append("mine")
    one.invalid_tool_calls.append("mine")

    assert not other.tool_calls
    assert not other.invalid_tool_calls
