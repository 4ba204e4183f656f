"""Whatever a server does, a call returns the right answer or raises a TIRError with all details."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tir_client
from tests.faults import connection_cells, status_cells
from tests.faults.cells import CELLS
from tests.faults.drivers import DOCUMENTS, OURS, RERANKERS, TOKEN, Outcome, Way, ways
from tests.faults.matrix import PATIENT, Case, Cell, Fails, Right
from tests.faults.response_bytes import answer, as_json, refusal
from tests.faults.servers import Servers
from tests.waiting import until
from tests.wire_server import CLOSE

SLACK = 15.0
"""Seconds that a call may take beyond its short timeouts on a busy machine: less than the long ones."""

PLAYED = [
    pytest.param(way, cell, id=f"{way} - {cell.group}: {cell.name}")
    for cell in CELLS
    for way in ways(OURS)
    if getattr(cell, way.mode) is not None
]
PLAYED_BY_RERANKERS = [
    pytest.param(way, cell, id=f"{way} - {cell.group}: {cell.name}")
    for cell in (*connection_cells.CELLS, *status_cells.CELLS)
    for way in ways(RERANKERS)
    if way.mode == "whole" and cell.whole and isinstance(cell.whole.expected, Fails) and cell.group != "Error bodies"
]
"""The cells that fail for any endpoint, without those whose bodies are read in the same way for all endpoints."""


@pytest.mark.parametrize(("way", "cell"), [*PLAYED, *PLAYED_BY_RERANKERS])
def test_each_cell_has_its_expected_outcome(way: Way, cell: Cell, servers: Servers, pauses: list[float]) -> None:
    """The outcome is the one in the table, after the number of requests in the table, within the timeouts."""
    case: Case = getattr(cell, way.mode)
    outcome = play(way, cell, case, servers)
    if ended_before_the_headers(outcome, cell):
        until(lambda: servers.requests, within=1)  # a late request would count for the next call
        pauses.clear()
        cell = replace(cell, timeouts={**cell.timeouts, "total": SLACK})
        outcome = play(way, cell, case, servers)

    if isinstance(case.expected, Right):
        check_right(outcome, case.expected)
    else:
        check_failure(outcome, case.expected, way.mode)
    assert len(pauses) + 1 == case.expected.tries
    if case.expected.pauses is not None:
        slack = SLACK if len(pauses) > 1 and pauses[0] > 10 else 0
        assert pauses == pytest.approx(list(case.expected.pauses), abs=slack)
    expected = case.expected.tries if cell.reached else 0
    until(lambda: servers.requests >= expected)  # a silent server may read the request after its client gave up
    assert servers.requests == expected
    assert outcome.seconds < limit(cell, case)


def ended_before_the_headers(outcome: Outcome, cell: Cell) -> bool:
    """Whether a short `total` was over before the answer had begun, as happens on a busy machine."""
    is_short = cell.timeouts.get("total", SLACK) < SLACK
    return is_short and isinstance(outcome.error, tir_client.APITimeoutError) and outcome.error.request_id is None


def play(way: Way, cell: Cell, case: Case, servers: Servers) -> Outcome:
    """Make one call to the server of a cell."""
    servers.play(*case.scripts)
    model = way.driver.model(servers.address(cell.address), cell.timeouts)
    outcome = way.call(model)
    model.close()
    return outcome


@pytest.mark.parametrize("way", [way for way in ways(RERANKERS) if way.mode == "whole"], ids=str)
def test_a_reranker_retries(way: Way, servers: Servers, pauses: list[float]) -> None:
    """A temporary failure costs a second request."""
    scores = {"results": [{"index": index, "relevance_score": float(index)} for index in range(len(DOCUMENTS))]}
    servers.play([refusal(503), CLOSE], [answer(as_json(scores)), CLOSE])
    model = way.driver.model(servers.address("{line}/v1"), PATIENT)

    outcome = way.call(model)
    model.close()

    assert (outcome.text, outcome.error) == (DOCUMENTS[-1], None)
    assert (servers.requests, len(pauses)) == (2, 1)


def check_right(outcome: Outcome, expected: Right) -> None:
    """The text is whole, piece by piece and as a whole, and the tokens were counted once."""
    if outcome.error is not None:
        raise outcome.error
    assert outcome.text == expected.text
    assert outcome.streamed in (None, expected.text)
    assert outcome.usage == expected.usage


def check_failure(outcome: Outcome, expected: Fails, mode: str) -> None:
    """The error has the class and the details in the table; no text was returned as the answer."""
    error = outcome.error
    assert error is not None, f"no error, but the text {outcome.text!r}"
    if not isinstance(error, getattr(tir_client, expected.error)):
        raise error
    assert isinstance(error, tir_client.TIRError)
    assert type(error).__name__ == expected.error
    for words in expected.mentions:
        assert words in str(error)
    assert (error.status_code, error.phase) == (expected.status, expected.phase)
    assert error.retry_after == pytest.approx(expected.retry_after, abs=SLACK if expected.retry_after == 30 else 0)
    assert error.request_id == ("req-5a17" if expected.identified else None)
    assert outcome.text == ((expected.partial or "") if mode == "stream" else "")
    arrived = error.partial.choices if error.partial is not None else []
    assert "".join(choice.text for choice in arrived) == (expected.partial or "")
    assert len(str(error)) < 5000
    assert TOKEN not in str(error) + repr(error)


def limit(cell: Cell, case: Case) -> float:
    """Seconds that the call may take."""
    phase = case.expected.phase if isinstance(case.expected, Fails) else None
    return SLACK + (cell.timeouts[phase] * case.expected.tries if phase in cell.timeouts else 0)
