"""A long answer arrives whole. `tests/test_linear_time.py` checks that its time is linear."""

from __future__ import annotations

import pytest

from tests.faults.drivers import OURS, Driver, Way
from tests.faults.matrix import PATIENT
from tests.faults.response_bytes import DONE, chunk, events, stream_head, usage_chunk
from tests.faults.servers import Servers
from tests.wire_server import CLOSE

EVENTS = 20_000
PIECE = 1 << 16


@pytest.mark.parametrize("driver", OURS, ids=lambda driver: driver.name)
def test_each_event_of_a_long_answer_arrives(driver: Driver, servers: Servers) -> None:
    body = events(chunk({"role": "assistant", "content": ""})) + events(chunk({"content": "a "})) * EVENTS
    body = stream_head() + body + events(chunk({}, "stop"), usage_chunk()) + DONE
    servers.play([*[body[start : start + PIECE] for start in range(0, len(body), PIECE)], CLOSE])

    outcome = Way(driver, "sync", "stream").call(driver.model(servers.address("{line}/v1"), PATIENT))

    if outcome.error is not None:
        raise outcome.error
    assert outcome.text == "a " * EVENTS
    assert outcome.streamed in (None, outcome.text)
