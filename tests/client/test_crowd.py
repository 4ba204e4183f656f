"""Many async calls at once are spread over pools of connections, and only the first pool outlives them."""

import asyncio

import httpx
import pytest

from tir_client import ChatRequest, Config, TIRClient, TIRError
from tir_client._crowd import CALLS, Crowd
from tir_sandbox import Sandbox


class Pool(httpx.AsyncBaseTransport):
    """Counts what it is asked for."""

    def __init__(self, pools):
        self.asked = 0
        self.closed = False
        pools.append(self)

    async def handle_async_request(self, request):
        self.asked += 1
        if request.url.path == "/broken":
            raise httpx.ReadError("gone")
        return httpx.Response(200, stream=httpx.ByteStream(b"all of it"))

    async def aclose(self):
        self.closed = True


@pytest.fixture
def pools():
    return []


@pytest.fixture
async def client(pools):
    async with httpx.AsyncClient(transport=Crowd(lambda: Pool(pools)), base_url="http://server") as client:
        yield client


async def opened(client, count):
    return [await client.send(client.build_request("GET", "/"), stream=True) for _ in range(count)]


async def test_calls_one_after_the_other_share_a_pool(client, pools):
    for _ in range(3 * CALLS):
        assert (await client.get("/")).content == b"all of it"
    assert [pool.asked for pool in pools] == [3 * CALLS]


async def test_no_pool_gets_more_calls_at_once_than_it_has_room_for(client, pools):
    await opened(client, 2 * CALLS + 1)
    assert [pool.asked for pool in pools] == [CALLS, CALLS, 1]


async def test_only_the_first_pool_is_kept_when_the_crowd_has_gone(client, pools):
    for response in await opened(client, 2 * CALLS + 1):
        await response.aclose()
    assert [pool.closed for pool in pools] == [False, True, True]


async def test_an_answer_that_is_closed_twice_is_one_call(client, pools):
    first, *_ = await opened(client, CALLS + 1)
    await first.aclose()
    await first.stream.aclose()
    await opened(client, 2)
    assert [pool.asked for pool in pools] == [CALLS + 1, 2]


async def test_a_call_that_fails_gives_its_place_back(client, pools):
    for _ in range(3 * CALLS):
        with pytest.raises(httpx.ReadError):
            await client.get("/broken")
    assert len(pools) == 1


async def test_all_pools_are_closed_with_the_client(client, pools):
    await opened(client, CALLS + 1)
    await client.aclose()
    assert all(pool.closed for pool in pools)


async def test_a_crowd_of_real_streams_is_answered():
    with Sandbox() as sandbox:
        config = Config.resolve(host=sandbox.host, project_id=sandbox.project_id, api_key=sandbox.token)
        request = ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])
        async with TIRClient(config) as client:

            async def text():
                return "".join([delta.text async for delta in client.astream(request)])

            answers = await asyncio.gather(*(text() for _ in range(3 * CALLS)))
    assert len(set(answers)) == 1
    assert answers[0]


def test_a_proxy_of_the_environment_is_still_used(monkeypatch):
    """By httpx itself, which looks for one only if the transport is its own."""
    with Sandbox() as sandbox:
        monkeypatch.setenv("HTTP_PROXY", sandbox.host)
        config = Config.resolve(base_url="http://tir.invalid/v1", api_key=sandbox.token, allow_http=True)
        request = ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])

        async def ask():
            async with TIRClient(config) as client:
                await client.achat(request)

        with pytest.raises(TIRError):
            asyncio.run(ask())
        assert sandbox.requests
