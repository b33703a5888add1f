"""The event stream: every event once and in order, over interruptions and over processes."""

import asyncio
import gc

import httpx2
import pytest
import uvicorn

from namaskah.api import events
from namaskah.api.app import ApiApp
from namaskah.core.ids import new_id
from tests.api.customers import client_of, problem
from tests.api.processes import free_port, serving
from tests.api.streams import stream
from tests.factories import own_numbers, sms


@pytest.mark.parametrize("given", ["", "x", "-1", "1.5", "1e3", "01", "9" * 19, "null", '"1"', "evt_1"])
async def test_a_last_event_id_that_is_none_is_refused(live, given):
    answer = await live.get("/events", headers={"last-event-id": given})
    assert problem(answer, 400, "invalid_header")["errors"][0]["name"] == "Last-Event-ID"


@pytest.mark.parametrize("query", ["last_event_id=x", "last_event_id=-1", "verification=ver_1", "verification=", "other=1"])
async def test_a_parameter_that_makes_no_sense_is_refused(live, query):
    problem(await live.get(f"/events?{query}"), 422, "invalid_parameter")


async def test_head_shows_the_headers_and_opens_no_stream(live, platform):
    answer = await live.client.head("/events")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.content == b""
    gc.collect()
    assert platform.hub.open_subscriptions == 0


async def test_a_purchase_and_its_code_are_streamed_as_they_happen(database_url, live, platform):
    async with serving(database_url) as server, stream(server.base, live.secret) as opened:
        headers = opened.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
        assert "x-request-id" in headers
        bought = await live.buys()
        pending = await opened.next()
        await sms(platform.db, bought["number"], "Your code is 482913")
        code = await opened.next()
    assert opened.retry == [2000]
    assert (pending.type, pending.object_id) == ("verification.pending", bought["id"])
    assert code.type == "verification.code_received"
    assert code.id == pending.id + 1
    assert code.body["id"] == f"evt_{code.id}"
    assert code.body["livemode"] is True
    assert code.body["data"]["code"] == "482913"
    assert code.body["data"]["messages"][0]["text"] == "Your code is 482913"


async def test_without_last_event_id_the_stream_begins_at_now(database_url, live):
    await live.buys()
    async with serving(database_url) as server, stream(server.base, live.secret) as opened:
        second = await live.buys()
        assert (await opened.next()).object_id == second["id"]


async def test_what_came_after_the_last_event_is_replayed(database_url, live):
    bought = [(await live.buys())["id"] for _ in range(3)]
    async with serving(database_url) as server:
        async with stream(server.base, live.secret, query="?last_event_id=0") as opened:
            every = await opened.many(4)
        async with stream(server.base, live.secret, after=every[1].id) as opened:
            rest = await opened.many(2)
    assert every[0].type == "wallet.updated"
    assert [event.object_id for event in every[1:]] == bought
    assert [event.id for event in every] == [1, 2, 3, 4]
    assert rest == every[2:]


async def test_thousands_of_events_are_replayed_each_once(database_url, live, db):
    total = 3_000
    await db.execute(
        "INSERT INTO events SELECT user_id, livemode, event_seq + n, 'wallet.updated', NULL, '{\"id\":null}', now()"
        " FROM wallets, generate_series(1, $1) n WHERE user_id = $2 AND livemode",
        *(total, live.principal.user_id),
    )
    await db.execute(
        "UPDATE wallets SET event_seq = event_seq + $1 WHERE user_id = $2 AND livemode", total, live.principal.user_id
    )
    heard: list[int] = []
    async with serving(database_url) as server:
        while len(heard) <= total:
            # A stream that falls behind is ended by the server: then it goes on where it was.
            async with stream(server.base, live.secret, after=len(heard)) as opened:
                while len(heard) <= total and (event := await opened.next(10)) is not None:
                    heard.append(event.id)
    assert heard == list(range(1, total + 2))


async def test_a_last_event_id_that_was_not_given_out_yet_counts_as_now(database_url, live):
    async with serving(database_url) as server, stream(server.base, live.secret, after=10**17) as opened:
        bought = await live.buys()
        assert (await opened.next()).object_id == bought["id"]


async def test_the_stream_can_be_narrowed_to_one_verification(database_url, live, platform):
    first, second = await live.buys(), await live.buys()
    async with (
        serving(database_url) as server,
        stream(server.base, live.secret, query=f"?verification={second['id']}") as opened,
    ):
        await sms(platform.db, first["number"])
        await sms(platform.db, second["number"])
        assert (await opened.next()).object_id == second["id"]


async def test_other_accounts_and_the_other_mode_are_not_heard(database_url, live, new_customer):
    other = await new_customer()
    test_key = await new_customer(livemode=False, of=live.principal)
    async with (
        serving(database_url) as server,
        stream(server.base, other.secret) as others,
        stream(server.base, test_key.secret) as in_test_mode,
        stream(server.base, live.secret) as own,
    ):
        bought = await live.buys()
        assert (await own.next()).object_id == bought["id"]
        for deaf in (others, in_test_mode):
            with pytest.raises(TimeoutError):
                await deaf.next(timeout=1.2)


async def test_a_dropped_stream_that_comes_back_hears_every_event_once(database_url, new_customer, platform):
    """Streams are cut in the middle of a burst, again and again, on two processes."""
    buyer = await new_customer(balance="1000.00")
    await own_numbers(platform.db, 120)
    heard: list[int] = []
    total = 120

    async def listen(bases):
        cut = 0
        while len(heard) < total:
            base = bases[cut % 2]
            async with stream(base, buyer.secret, after=heard[-1] if heard else 1) as opened:
                for _ in range(1 + cut % 7):
                    if len(heard) == total:
                        break
                    heard.append((await opened.next(10)).id)
            cut += 1

    async with serving(database_url) as one, serving(database_url) as two:
        listening = asyncio.create_task(listen([one.base, two.base]))
        for _ in range(total // 10):
            await asyncio.gather(*(buyer.buys() for _ in range(10)))
        await asyncio.wait_for(listening, 60)
    assert heard == list(range(2, total + 2))


async def test_a_code_that_one_process_takes_is_heard_at_the_other_at_once(database_url, live, platform):
    async with (
        serving(database_url) as one,
        serving(database_url) as two,
        stream(one.base, live.secret) as first,
        stream(two.base, live.secret) as second,
    ):
        clock = asyncio.get_running_loop().time
        bought = await live.buys()
        began = clock()
        heard = await asyncio.gather(first.next(), second.next())
        assert [event.object_id for event in heard] == [bought["id"]] * 2
        # Far below the second after which the hub looks at the table by itself.
        assert clock() - began < 0.5


async def test_a_quiet_stream_has_a_heartbeat(live, platform, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    sent = await run_stream(live, platform, until=4)
    assert sent[0] == b"retry: 2000\n\n"
    assert sent[1:3] == [b": still here\n\n"] * 2


async def test_a_client_that_went_is_noticed_at_the_next_heartbeat(live, platform, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    assert await run_stream(live, platform, until=1) == [b"retry: 2000\n\n"]
    assert platform.hub.open_subscriptions == 0


async def test_a_closed_connection_is_noticed_under_a_real_server(live, platform, app, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="warning"))
    serving_here = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    async with stream(f"http://127.0.0.1:{port}/api/v2", live.secret) as opened:
        await live.buys()
        await opened.next()
        assert platform.hub.open_subscriptions == 1
    async with asyncio.timeout(3):
        while platform.hub.open_subscriptions:
            await asyncio.sleep(0.02)
    server.should_exit = True
    await serving_here


async def test_a_client_that_does_not_read_is_cut_off(live, platform, monkeypatch):
    monkeypatch.setattr(events, "SLOW_SECONDS", 0.05)
    await asyncio.wait_for(run_stream(live, platform, until=None, blocked=True), 2)
    assert platform.hub.open_subscriptions == 0


async def run_stream(customer, platform, *, until, blocked=False):
    """Runs a stream in this process; the client goes after `until` messages. Answers what was sent."""
    sent = []
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.body" and message.get("more_body"):
            if blocked:
                await asyncio.sleep(60)
            sent.append(message["body"])
            if len(sent) == until:
                gone.set()

    scope = {
        "type": "http", "method": "GET", "path": "/api/v2/events", "query_string": b"", "client": None,
        "headers": [(b"authorization", f"Bearer {customer.secret}".encode())],
    }  # fmt: skip
    await asyncio.wait_for(ApiApp(lambda: platform)(scope, receive, send), 5)
    return sent


async def test_a_process_that_ends_closes_its_streams_and_says_when_to_come_back(database_url, live):
    async with serving(database_url) as server, stream(server.base, live.secret) as opened:
        await live.buys()
        await opened.next()
        server.terminate()
        assert await opened.next() is None
        assert opened.retry == [2000, 2000]
        assert await server.ends_as_asked()


async def test_a_waiting_read_is_answered_when_its_process_ends(database_url, live):
    bought = await live.buys()
    async with serving(database_url) as server, httpx2.AsyncClient(timeout=30) as client:
        path = f"{server.base}/verifications/{bought['id']}?wait=30"
        waiting = asyncio.create_task(client.get(path, headers={"authorization": f"Bearer {live.secret}"}))
        await asyncio.sleep(0.5)
        server.terminate()
        assert (await asyncio.wait_for(waiting, 3)).json()["status"] == "pending"
        assert await server.ends_as_asked()


async def test_a_revoked_keys_stream_hears_nothing_more(database_url, live, new_customer):
    other_key = await new_customer(of=live.principal)
    async with serving(database_url) as server, stream(server.base, other_key.secret) as opened:
        await live.buys()
        await opened.next()
        await live.client.delete(f"/api-keys/{other_key.principal.key_id}")
        await asyncio.sleep(1)
        await live.buys()
        assert await opened.next() is None


async def test_a_cookie_opens_the_stream_and_nothing_else(platform, live):
    seen = []

    async def of_cookie(scope):
        seen.append(scope["path"])
        return live.principal if b"session=right" in dict(scope["headers"]).get(b"cookie", b"") else None

    async with client_of(ApiApp(lambda: platform, principal_from_cookie=of_cookie)) as client:
        assert (await client.head("/events", headers={"cookie": "session=right"})).status_code == 200
        assert (await client.head("/events", headers={"cookie": "session=wrong"})).status_code == 401
        problem(await client.get("/wallet", headers={"cookie": "session=right"}), 401, "api_key_missing")
    assert seen == ["/api/v2/events"] * 2


async def test_an_unknown_verification_narrows_to_nothing(live):
    assert (await live.client.head(f"/events?verification={new_id('ver')}")).status_code == 200
