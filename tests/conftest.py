"""Settings and pytest plugins for all tests."""

import asyncio
import gc
import socket
from collections.abc import Generator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import none

# pytest-httpx cannot be installed with the lowest httpx.
_HAS_PYTEST_HTTPX = find_spec("pytest_httpx") is not None
pytest_plugins = ["pytester", *(["pytest_httpx"] if _HAS_PYTEST_HTTPX else [])]
collect_ignore = [] if _HAS_PYTEST_HTTPX else ["client/test_pytest_httpx.py"]

# The same examples on each run, and no deadline, which a busy machine would miss.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# Other examples on each run, and more of them.
settings.register_profile("thorough", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=25,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],  # that a test fails is enough, so its example need not be small
)
settings.load_profile("steady")


@given(none())
def _first_example(_: None) -> None:
    """Let Hypothesis make its random generator, whose owner it looks up among the objects that are not frozen."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude imported modules and collected tests from garbage collection: they stay until the end.

    With them a collection takes a third of a second, and many tests collect to find leaked objects.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        _first_example()
        gc.freeze()
        gc.enable()


TIR_SETTINGS = (
    "E2E_TIR_ACCESS_TOKEN",
    "TIR_API_TOKEN",
    "E2E_TIR_PROJECT_ID",
    "TIR_BASE_URL",
    "MODEL_API_CLIENT_HOST",
)
PROXY_SETTINGS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_in_the_environment() -> Generator[None]:
    """Unset the variables that the library reads, and which whoever runs the tests may have set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*TIR_SETTINGS, *PROXY_SETTINGS, *map(str.upper, PROXY_SETTINGS)):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_lookup_of_names_that_never_exist() -> Generator[None]:
    """Fail at once for hosts in `.invalid`: a slow or unusual DNS server would give another error, or none."""
    real = socket.getaddrinfo

    def lookup(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are recorded and not waited for."""
    noted: list[float] = []

    async def asleep(seconds: float) -> None:
        noted.append(seconds)
        await asyncio.sleep(0)

    for module in ("tir_client.transport.sender", "tir_client.transport.streams"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(sleep=noted.append))
        monkeypatch.setattr(f"{module}.asyncio", SimpleNamespace(sleep=asleep))
    return noted


@pytest.fixture
def patient_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the end of each stream, so that its connection is kept, however slow the server is."""
    monkeypatch.setattr("tir_client.transport.body.DRAIN_SECONDS", 60.0)


@pytest.fixture
def patient_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the answer that has a context window: on a busy machine a request may take longer than a second."""
    for name in ("SECONDS", "SECONDS_IN_LOOP"):
        monkeypatch.setattr(f"tir_client.transport.context_windows.{name}", 60.0)
