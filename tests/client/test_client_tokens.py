"""The token of a client is read once per try, kept by copies, and absent from errors and pickles."""

from __future__ import annotations

import copy
import pickle

import pytest

from tests.client.paths import NO_PAUSE, PATHS, TOKEN, Ask, client, request
from tir_client import AuthenticationError, Config, TIRClient, TIRError
from tir_sandbox import Fault, Reply, Sandbox


@pytest.mark.parametrize("ask", PATHS)
async def test_a_token_function_is_called_once_per_try(ask: Ask, sandbox: Sandbox):
    given = iter(["wrong-1", TOKEN, "unused"])
    rotating = TIRClient(Config.resolve(api_key=lambda: next(given), base_url=sandbox.base_url), retry=NO_PAUSE)

    with pytest.raises(AuthenticationError):
        await ask(rotating, request())
    assert (await ask(rotating, request())).choice.text
    assert next(given) == "unused"


def test_copies_keep_the_token_and_pickles_never_hold_a_secret(sandbox: Sandbox, monkeypatch):
    monkeypatch.delenv("E2E_TIR_ACCESS_TOKEN", raising=False)
    original = client(sandbox)
    for made in (copy.copy(original), copy.deepcopy(original)):
        assert made.chat(request()).choice.text
    for thing in (original, original.config):
        assert TOKEN.encode() not in pickle.dumps(thing)
    for more in ({"default_headers": {"X-Key": "hunter2"}}, {"default_query": {"key": "hunter2"}}):
        config = Config.resolve(api_key=TOKEN, project_id=1, **more)
        for thing in (config, TIRClient(config)):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(thing)


@pytest.mark.parametrize("ask", PATHS)
async def test_a_token_that_the_server_repeats_is_in_no_error(ask: Ask, sandbox: Sandbox):
    error_body = {"error": {"message": f"no {TOKEN}", TOKEN: [TOKEN]}}
    faults = [
        Fault(status=400, body=error_body, headers={"X-Echo": TOKEN}),
        Fault(status=302, headers={"Location": f"https://elsewhere/{TOKEN}"}),
        Fault(status=200, body=error_body, content_type="application/json"),
        Fault(after=Reply(text="one two"), error_chunk=TOKEN),
    ]
    for fault in faults:
        sandbox.script(*[fault] * 3)
        with pytest.raises(TIRError) as caught:
            await ask(client(sandbox), request())
        sandbox.reset()
        texts = [str(caught.value), repr(caught.value), repr(caught.value.body), repr(caught.value.headers)]
        assert TOKEN not in "".join(texts)
