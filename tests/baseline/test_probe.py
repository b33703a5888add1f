"""The client against servers that are odd in every way that servers are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import pytest

from namaskah.accounts.key_format import TEST, checksum
from namaskah.baseline.probe import Probe
from namaskah.baseline.stream import events
from namaskah.baseline.target import Unreachable, target_of

KEY = TEST + "0" * 30 + checksum(TEST + "0" * 30)


@asynccontextmanager
async def server(*answers: bytes, seen: list[bytes] | None = None, hangs_up: bool = False) -> AsyncIterator[Probe]:
    """A server that gives these bytes, one after the other, whatever is asked; and a probe that asks it."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                head = await reader.readuntil(b"\r\n\r\n")
                if seen is not None:
                    seen.append(head)
                writer.write(left.pop(0))
                await writer.drain()
                if hangs_up:
                    return
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, Probe(target_of(f"http://127.0.0.1:{port}", KEY)) as probe:
        yield probe


def answer(body: bytes = b"{}", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body])


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 what\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)  # fmt: skip
async def test_a_server_that_does_not_play_is_said_to_be_so(nonsense: bytes):
    async with server(nonsense, hangs_up=True) as probe:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
            await probe.get("/")


async def test_a_connection_is_used_again_and_the_key_is_sent_only_where_it_is_wanted():
    seen: list[bytes] = []
    async with server(answer(), answer(b"", status=b"204 No Content"), answer(b"x"), seen=seen) as probe:
        assert (await probe.get("/one")).json() == {}
        assert (await probe.get("/two", key=False)).status == 204
        assert (await probe.post("/three", {"a": 1}, idempotency_key="k")).text == "x"
    assert len(probe.connects) == 1
    assert [KEY.encode() in head for head in seen] == [True, False, True]
    assert b"idempotency-key: k\r\n" in seen[2]
    assert b"content-length: 8\r\n" in seen[2]


async def test_bodies_come_in_every_form():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + answer(b"late")
    async with server(chunked, early) as probe:
        assert (await probe.get("/")).body == b"abcde"
        assert (await probe.get("/")).body == b"late"
    async with server(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", hangs_up=True) as probe:
        assert (await probe.get("/")).body == b"until the end"


async def test_an_answer_to_head_has_no_body_whatever_its_length_says():
    async with server(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", answer(b"next")) as probe:
        assert (await probe.ask("HEAD", "/")).body == b""
        assert (await probe.get("/")).body == b"next"


async def test_a_path_is_sent_as_it_is_given():
    seen: list[bytes] = []
    async with server(answer(), seen=seen) as probe:
        await probe.get("/assets/../%2e%2e//x?a=%00")
    assert seen[0].startswith(b"GET /assets/../%2e%2e//x?a=%00 HTTP/1.1\r\n")


async def test_it_slows_down_before_the_rate_limit_is_reached():
    low = answer(b"{}", b"X-RateLimit-Limit: 600", b"X-RateLimit-Remaining: 100")
    async with server(low, low, low) as probe:
        await probe.get("/")
        began = perf_counter()
        await asyncio.gather(probe.get("/"), probe.get("/"))
    # 600 a minute are one in 0.1 s, for all that ask together.
    assert perf_counter() - began >= 0.2


async def test_what_was_sent_for_too_long_ago_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("namaskah.baseline.probe.PATIENCE_SECONDS", 0.1)
    async with server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal") as probe:
        with pytest.raises(Unreachable, match="did not answer within"):
            await probe.get("/")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nretry\r\n0\r\n\r\n", "the stream ended"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nhalf", "the stream broke off"),
    ],
)  # fmt: skip
async def test_a_stream_that_ends_is_said_to_have_ended(body: bytes, words: str):
    async with server(body, hangs_up=True) as probe, events(probe) as stream:
        with pytest.raises(Unreachable, match=words):
            await stream.next(2)


async def test_events_are_read_across_parts_and_comments():
    frames = b': still here\n\nid: 7\nevent: verification.pending\ndata: {"data": {"id": "ver_1"}}\n\n'
    parts = b"".join(b"1\r\n%c\r\n" % byte for byte in frames)
    async with (
        server(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + parts) as probe,
        events(probe, after=6) as stream,
    ):
        event = await stream.about("ver_1", "verification.pending", 2)
    assert (event.id, event.object_id) == (7, "ver_1")
