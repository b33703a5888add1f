"""The virtual users' connection: every way in which an answer can be cut or framed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bench.wire import ConnectionLost, Wire

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that gives these answers in turn, over all connections; after an empty one it closes."""
    left, heard, ended = list(answers), list[bytes](), list[asyncio.Future[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(done := asyncio.get_running_loop().create_future())
        with contextlib.suppress(asyncio.IncompleteReadError):
            while left:
                heard.append(await reader.readuntil(b"\r\n\r\n"))
                answer = left.pop(0)
                writer.write(answer)
                await writer.drain()
                if not answer.endswith(b"ok"):
                    break
        await _close(writer)
        done.set_result(None)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard
        await asyncio.gather(*ended)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def test_an_answer_that_is_cut_off_is_an_error_and_the_next_request_has_a_new_connection() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf", OK) as (url, _):
        wire = Wire(url)
        with pytest.raises(ConnectionLost):
            await wire.get("/")
        assert (await wire.get("/")).body == b"ok"
        wire.close()


async def test_what_is_no_http_is_an_error() -> None:
    async with answering(b"SSH-2.0-nonsense\r\n\r\n") as (url, _):
        wire = Wire(url)
        with pytest.raises(ConnectionLost):
            await wire.get("/")
        wire.close()


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones() -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Says nothing until the client has gone.
        while not reader.at_eof():
            await reader.read(4096)
        await _close(writer)
        gone.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        wire = Wire(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seconds=0.05)
        with pytest.raises(TimeoutError):
            await wire.get("/")
        assert wire._reader is None
        await gone.wait()


async def test_chunked_answers_cookies_and_keep_alive() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nset-cookie: a=1; Path=/\r\nset-cookie: b=2\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with answering(OK, chunked) as (url, heard):
        wire = Wire(url, headers={"x-forwarded-for": "10.0.0.1"})
        assert (await wire.get("/one", idempotency_key="k")).status == 200
        answer = await wire.get("/two")
        assert (answer.body, answer.cookies) == (b"abcde", {"a": "1", "b": "2"})
        wire.close()
    assert heard[0].startswith(b"GET /one HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"idempotency-key: k\r\n" in heard[0] and b"x-forwarded-for: 10.0.0.1\r\n" in heard[0]
    assert b"idempotency-key" not in heard[1]


async def test_a_form_says_that_it_comes_from_a_page_of_the_same_site() -> None:
    async with answering(OK) as (url, heard):
        wire = Wire(url)
        await wire.post_form("/sign-in", {"email": "a@b.c", "next": "/"})
        wire.close()
    assert f"origin: {url}\r\n".encode() in heard[0] and b"sec-fetch-site: same-origin" in heard[0]
