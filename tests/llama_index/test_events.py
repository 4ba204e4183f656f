"""Events of streams are made only while somebody listens, which nobody who listens may notice."""

import pytest
from llama_index.core.instrumentation import get_dispatcher

from tests.llama_index.conformance.events import Recorder


@pytest.mark.parametrize("place", ["root", "llama_index.core.llms.callbacks"])
def test_who_begins_to_listen_in_mid_stream_hears_the_rest(llm, place):
    dispatcher, recorder = get_dispatcher(place), Recorder()
    responses = llm.stream_complete("Hi")
    next(responses)
    dispatcher.add_event_handler(recorder)
    try:
        rest = list(responses)
    finally:
        dispatcher.event_handlers.remove(recorder)

    *progress, end = recorder.seen
    assert rest == [event.response for event in progress]
    assert end.class_name() == "LLMCompletionEndEvent"
