"""Promises about streams: the content of items, early ends, and closing."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.waiting import until
from tir_sandbox import Fault, Reply

from .base import Promises, collect, question

LONG = Reply(text=["word "] * 3000, chunk_delay=0.01)


def wait_for_leaving(sandbox) -> bool:
    """Whether the server notices the disconnect long before the answer ends."""
    return until(lambda: sandbox.requests[-1].disconnected)


class StreamPromises(Promises):
    @pytest.fixture
    def no_gc(self):
        """Nothing may depend on the garbage collector."""
        gc.disable()
        yield
        gc.enable()

    def test_deltas_add_up_to_the_content(self, llm, sandbox):
        """Each item holds the whole text so far and the new part."""
        sandbox.script(Reply(text=["a", "b", "c"]))
        responses = list(llm.stream_chat(question()))
        so_far = ""
        for response in responses:
            so_far += response.delta or ""
            assert response.message.content == so_far
        assert so_far == "abc"

    async def test_async_deltas_add_up_to_the_content(self, llm, sandbox):
        sandbox.script(Reply(text=["a", "b", "c"]))
        responses = await collect(llm.astream_chat(question()))
        assert "".join(response.delta or "" for response in responses) == "abc"
        assert responses[-1].message.content == "abc"

    def test_stream_complete_yields_text_and_deltas(self, llm, sandbox):
        sandbox.script(Reply(text=["a", "b", "c"]))
        responses = list(llm.stream_complete("Hi"))
        assert ("".join(response.delta or "" for response in responses), responses[-1].text) == ("abc", "abc")

    async def test_astream_complete_yields_text_and_deltas(self, llm, sandbox):
        sandbox.script(Reply(text=["a", "b", "c"]))
        responses = await collect(llm.astream_complete("Hi"))
        assert ("".join(response.delta or "" for response in responses), responses[-1].text) == ("abc", "abc")

    def test_line_separators_inside_a_text_survive(self, llm, sandbox):
        text = "a\u2028b\u0085c\rd"
        sandbox.script(Reply(text=[text]))
        assert list(llm.stream_chat(question()))[-1].message.content == text

    def test_a_finish_reason_on_the_last_text_loses_nothing(self, llm, sandbox):
        sandbox.script(Reply(text=["a", "b"], final_delta_holds_text=True))
        assert list(llm.stream_chat(question()))[-1].message.content == "ab"

    @pytest.mark.usefixtures("no_gc")
    @pytest.mark.parametrize("way", ["stream_chat", "stream_complete"])
    def test_closing_a_stream_stops_the_server(self, llm, sandbox, way):
        sandbox.script(LONG)
        stream = getattr(llm, way)(question() if way == "stream_chat" else "Hi")
        next(stream)
        stream.close()
        assert wait_for_leaving(sandbox)

    @pytest.mark.usefixtures("no_gc")
    @pytest.mark.parametrize("way", ["astream_chat", "astream_complete"])
    async def test_closing_an_async_stream_stops_the_server(self, llm, sandbox, way):
        sandbox.script(LONG)
        stream = await getattr(llm, way)(question() if way == "astream_chat" else "Hi")
        await anext(stream)
        await stream.aclose()
        assert await asyncio.to_thread(wait_for_leaving, sandbox)

    @pytest.mark.usefixtures("no_gc")
    async def test_cancelling_a_task_stops_the_server(self, llm, sandbox):
        sandbox.script(LONG)
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in await llm.astream_chat(question()):
                begun.set()

        task = asyncio.create_task(read())
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await asyncio.to_thread(wait_for_leaving, sandbox)

    def test_streams_one_after_another_share_a_connection(self, llm, sandbox):
        sandbox.script(*[Reply(text=["a", "b"])] * 4)
        before = sandbox.connections
        for _ in range(4):
            list(llm.stream_chat(question()))
        assert sandbox.connections - before == 1

    @pytest.mark.parametrize("fault", [Fault(no_finish=True, no_done=True), Fault(cut_after=3)], ids=["ends", "cut"])
    def test_a_truncated_stream_is_an_error(self, llm, sandbox, fault):
        """A truncated stream must not look like a whole answer."""
        sandbox.script(Fault(**{**fault.__dict__, "after": Reply(text=["a"] * 8)}))
        with pytest.raises(Exception, match=r"."):
            list(llm.stream_chat(question()))

    def test_an_error_in_the_middle_of_a_stream_is_raised(self, llm, sandbox):
        sandbox.script(Fault(error_chunk="the engine died", after=Reply(text=["a"] * 8)))
        with pytest.raises(Exception, match="the engine died"):
            list(llm.stream_chat(question()))

    def test_a_busy_server_is_retried_before_a_stream_begins(self, make, sandbox):
        sandbox.script(Fault(status=503), Reply(text="Fine."))
        assert list(make(max_retries=1).stream_chat(question()))[-1].message.content == "Fine."
