"""The context window of a model that only its server reports: when it is requested, and what happens on failure."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.client.paths import TOKEN, client
from tests.logs import ours
from tests.wire_server import STALL, WireServer
from tir_client import Config, TIRClient
from tir_client.protocol.json_answers import read_models
from tir_client.protocol.responses import ModelCard
from tir_client.transport import context_windows
from tir_client.transport.context_windows import ContextWindows, window_of
from tir_sandbox import Sandbox


@pytest.fixture
def own(patient_windows):
    with Sandbox(token=TOKEN, models=["mine"], context_window=8_192) as started:
        yield started


async def test_an_unknown_models_window_is_read_once_and_a_known_ones_never(own: Sandbox):
    asking = client(own)

    assert [asking.context_window("mine") for _ in range(3)] == [8_192] * 3
    assert asking.context_window("gpt_oss_120b") == 131_072
    assert [request.path for request in own.requests] == ["/v1/models"]


async def test_a_list_of_models_that_was_read_is_remembered(own: Sandbox):
    listed, alisted, ready, aready = (client(own) for _ in range(4))
    listed.models("mine")
    await alisted.amodels("mine")
    ready.wait_until_ready("mine")
    await aready.await_until_ready("mine")

    assert {asking.context_window("mine") for asking in (listed, alisted, ready, aready)} == {8_192}
    assert len(own.requests) == 4


@pytest.mark.parametrize(
    ("cards", "window"),
    [
        ([ModelCard("m", 5)], 5),
        ([ModelCard("/mnt/models", 5)], 5),
        ([ModelCard("other", 4), ModelCard("m", 5)], 5),
        ([ModelCard("other", 5), ModelCard("another", 5)], 5),
        ([ModelCard("other", 4), ModelCard("another", 5)], None),
        ([ModelCard("m")], None),
        ([], None),
    ],
)
def test_the_window_is_the_named_models_or_the_one_that_all_models_share(cards: list[ModelCard], window: int | None):
    assert window_of("m", cards) == window


@pytest.mark.parametrize("window", [None, 0, -1, True, "8192", 8192.0])
def test_a_window_that_is_not_a_number_of_tokens_is_ignored(window: Any):
    content = json.dumps({"data": [{"id": "m", "max_model_len": window}]}).encode()

    assert read_models(content, None)[0].max_model_len is None


class Clock:
    """A clock that tests set.

    Attributes:
        now: Its time.
    """

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(context_windows, "time", clock)
    return clock


def answering(*answers: int | dict[str, Any] | Exception) -> tuple[TIRClient, list[httpx.Request]]:
    """A client whose server answers with these, and the requests that it gets."""
    requests: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        one = left.pop(0)
        if isinstance(one, Exception):
            raise one
        return httpx.Response(one, text="no") if isinstance(one, int) else httpx.Response(200, json=one)

    own = httpx.Client(transport=httpx.MockTransport(answer))
    return TIRClient(
        Config.resolve(api_key="k", base_url="https://host/v1"), wait_for_start=900, http_client=own
    ), requests


LISTED = {"data": [{"id": "m", "max_model_len": 8_192}]}


@pytest.mark.parametrize(
    "failure",
    [503, 500, 429, httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), RuntimeError("a user's client")],
)
def test_a_failure_to_read_the_window_is_logged_once_and_retried_after_a_minute(failure, clock, caplog):
    asking, requests = answering(failure, failure, LISTED)

    assert [asking.context_window("m") for _ in range(3)] == [None] * 3
    assert len(requests) == 1
    clock.now += 61
    assert asking.context_window("m") is None
    clock.now += 61
    assert [asking.context_window("m") for _ in range(2)] == [8_192] * 2
    assert len(requests) == 3
    (record,) = ours(caplog)
    assert record.levelno == logging.WARNING
    assert (
        "m: the context window is unknown, because the server's list of models could not be read" in record.getMessage()
    )


@pytest.mark.parametrize("answer", [401, 403, 404, {"data": [{"id": "m"}]}, {"data": "none"}, {"detail": "odd"}])
def test_a_server_that_lists_no_window_gets_one_request(answer, clock, caplog):
    asking, requests = answering(answer)

    assert asking.context_window("m") is None
    clock.now += 100_000
    assert asking.context_window("m") is None
    assert len(requests) == len(ours(caplog)) == 1


async def test_a_silent_server_is_waited_for_briefly_and_less_in_an_event_loop(monkeypatch, caplog):
    asked: list[float] = []
    windows = ContextWindows()

    def fetch(_: str, seconds: float) -> list[ModelCard]:
        asked.append(seconds)
        return []

    windows.get("in the loop", fetch)
    thread = threading.Thread(target=windows.get, args=("outside", fetch))
    thread.start()
    thread.join()
    assert asked == [1.0, 5.0]

    monkeypatch.setattr(context_windows, "SECONDS_IN_LOOP", 0.2)
    with WireServer([STALL]) as server:
        assert client(server, wait_for_start=900).context_window("m") is None


def test_threads_share_one_request(own: Sandbox):
    asking = client(own)
    with ThreadPoolExecutor(8) as pool:
        windows = list(pool.map(lambda _: asking.context_window("mine"), range(16)))

    assert set(windows) == {8_192}
    assert len(own.requests) == 1


async def test_an_event_loop_waits_only_briefly_for_a_request_of_another_thread(monkeypatch):
    monkeypatch.setattr(context_windows, "SECONDS_IN_LOOP", 0.01)
    windows, asking, answer = ContextWindows(), threading.Event(), threading.Event()

    def fetch(_: str, __: float) -> list[ModelCard]:
        asking.set()
        answer.wait()
        return [ModelCard("m", 5)]

    thread = threading.Thread(target=windows.get, args=("m", fetch))
    thread.start()
    asking.wait()
    assert windows.get("m", fetch) is None
    answer.set()
    thread.join()
    assert windows.get("m", fetch) == 5
