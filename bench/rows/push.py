"""From an SMS to its code in an open stream: 200 messages a second, 1,000 streams, two processes."""

import asyncio
import json
import random
import time
from typing import Any

from bench.client import request
from bench.context import Bench
from bench.data import SOURCE_ID, SOURCE_SECRET
from bench.figures import Figure, at_most, report
from bench.server import run
from bench.streams import Senders, Sent, Streams, created_at, play
from bench.web import web
from namaskah.core.webhook_signature import secret_bytes, sign

PROCESSES = 2
STREAMS = 1_000
RATE = 200.0
SECONDS = 10
WARM_UP = 400
_ORDERS = """
SELECT (s).body FROM (
    SELECT verification_start_own(
        'ver_0' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 13, '0') || lpad(to_hex(u * 16 + k), 12, '0'),
        'txn_0' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint), 13, '0') || lpad(to_hex(u * 16 + k), 12, '0'),
        'user_' || u, true, 'key_' || u, 'bench-' || (u % 200 + 1), 'us', '', '', 'sms', NULL, '{}', NULL, '', 20, NULL, NULL) AS s
    FROM generate_series(1, $1::integer) u, generate_series(1, $2::integer) k) started
"""


_COMMITTED = """
SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - created_at)::float8 AS seconds
FROM events WHERE type = 'verification.code_received' AND created_at > now() - interval '5 minutes' ORDER BY 1
"""


def measure(bench: Bench) -> list[Figure]:
    """The time counts from the moment that the message's own event carries, which lies before its commit."""
    url = bench.copy_of_small("push")
    bench.fill_pools("push")
    total = WARM_UP + int(RATE * SECONDS)
    each = -(-total // STREAMS)
    orders = [json.loads(row["body"]) for row in bench.execute("push", _ORDERS, STREAMS, each)]
    chance = random.Random(5)
    by_id: dict[str, int] = {}
    sent: dict[int, Sent] = {}
    bench.execute("push", "VACUUM (ANALYZE)")
    with web(url, processes=PROCESSES) as processes:
        ports = [process.port for process in processes]

        def on_frame(_number: int, frame: bytes, moment: float) -> None:
            if b"event: verification.code_received" in frame:
                event = json.loads(frame.partition(b"data: ")[2])
                place = by_id[event["data"]["id"]]
                if event["data"]["code"] != code_of(place):
                    raise RuntimeError("a stream has shown another code than was sent")
                sent[place].seen, sent[place].accepted = moment, created_at(frame)

        streams = Streams(on_frame)
        for number in range(STREAMS):
            # Without Accept-Encoding, and from now on: replays are not what is measured.
            streams.open(number, ports[number % PROCESSES], request("GET", "/api/v2/events", key=bench.small.keys[number]))
        bare = run(_notify_round_trips(bench))
        chance.shuffle(orders)
        requests = []
        for place, order in enumerate(orders[:total]):
            by_id[order["id"]] = place
            # Half of the messages come to the process that does not hold the stream.
            requests.append((chance.choice(ports), _webhook(place, order["number"])))
        senders = Senders(streams.poll, ports, 16)
        used = sum(process.processor_seconds() for process in processes)
        play(streams, senders, requests, rate=RATE, on_sent=sent.__setitem__)
        used = sum(process.processor_seconds() for process in processes) - used
        streams.close()
    committed = [row["seconds"] for row in bench.execute("push", _COMMITTED)]
    bench.execute("postgres", "DROP DATABASE push WITH (FORCE)")
    return _figures([sent[place] for place in range(WARM_UP, total)], bare, committed, used / total)


def _figures(messages: list[Sent], bare: list[float], committed: list[float], used: float) -> list[Figure]:
    lost = sum(message.seen == 0 for message in messages)
    if lost:
        raise RuntimeError(f"{lost} of {len(messages)} codes did not reach their stream")
    accepted = sorted(message.seen - message.accepted for message in messages)
    whole = sorted(message.seen - message.sent for message in messages)
    what = f"{RATE:.0f} messages/s, {STREAMS:,} streams, {PROCESSES} processes"
    return [
        at_most(f"SMS accepted -> code in an open stream, {what}: p99 | bare LISTEN/NOTIFY round trip p99", _p(accepted, 0.99), "ms", 5.0,
                ceiling=_p(bare, 0.99)),
        report("the same: p50 | bare LISTEN/NOTIFY round trip p50", _p(accepted, 0.5), "ms", ceiling=_p(bare, 0.5)),
        report("of it, until the capture is committed: p99 | p50", _p(committed, 0.99), "ms", ceiling=_p(committed, 0.5)),
        report("processor time of the web processes for each message, streams included", used * 1e6, "us"),
        report("signed webhook sent -> code in an open stream: p99", _p(whole, 0.99), "ms"),
    ]  # fmt: skip


def code_of(place: int) -> str:
    """Every message has a code of its own."""
    return f"{place + 100_000:06d}"


def _webhook(place: int, number: str) -> bytes:
    text = f"{code_of(place)} is your verification code."
    body = json.dumps({"message_id": f"m{place}", "to": number, "from": "Service", "text": text}).encode()
    now = int(time.time())
    signature = sign(secret_bytes(SOURCE_SECRET), f"m{place}", now, body)
    headers = {"webhook-id": f"m{place}", "webhook-timestamp": str(now), "webhook-signature": signature}
    return request("POST", f"/inbound/sms/{SOURCE_ID}", body=body, headers=headers)


async def _notify_round_trips(bench: Bench) -> list[float]:
    """NOTIFY on one connection until it is heard on another, at the same rate."""
    times: list[float] = []
    begun: dict[str, float] = {}

    def heard(_connection: Any, _pid: int, _channel: str, payload: str) -> None:
        times.append(time.perf_counter() - begun[payload])

    async with bench.server.connect("push") as listener, bench.server.connect("push") as sender:
        await listener.add_listener("bench", heard)
        for number in range(600):
            begun[str(number)] = time.perf_counter()
            await sender.execute("SELECT pg_notify('bench', $1)", str(number))
            await asyncio.sleep(1 / RATE)
    return sorted(times)


def _p(times: list[float], share: float) -> float:
    """Milliseconds at that place of the sorted times."""
    return times[int(len(times) * share)] * 1000
