"""A client of many server-sent event streams on plain sockets and epoll, and of webhooks sent at a steady rate beside them."""

import select
import socket
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

_CREATED = b'"created_at":"'


class Sent(msgspec.Struct):
    """A message on its way: when it left (Unix seconds), was answered, was accepted by its own event, and was seen."""

    sent: float = 0.0
    answered: float = 0.0
    accepted: float = 0.0
    seen: float = 0.0


class Streams:
    """Open streams. `on_frame(stream's number, frame, Unix seconds)` is called for every event."""

    def __init__(self, on_frame: Callable[[int, bytes, float], None]) -> None:
        self.poll = select.epoll()
        self._on_frame = on_frame
        self._sockets: dict[int, socket.socket] = {}
        self._number: dict[int, int] = {}
        self._rest: dict[int, bytes] = {}

    def open(self, number: int, port: int, request: bytes) -> None:
        """Opens a stream and waits for its first bytes."""
        connected = socket.create_connection(("127.0.0.1", port), timeout=20)
        connected.sendall(request)
        beginning = b""
        while b"\r\n\r\n" not in beginning or not beginning.split(b"\r\n\r\n", 1)[1]:
            part = connected.recv(65_536)
            if not part:
                raise RuntimeError(f"a stream was closed at once: {beginning[:200]!r}")
            beginning += part
        if b" 200 " not in beginning[:20]:
            raise RuntimeError(f"a stream was refused: {beginning[:200]!r}")
        place = connected.fileno()
        self._sockets[place], self._number[place], self._rest[place] = connected, number, b""
        self.poll.register(place, select.EPOLLIN)

    def __contains__(self, place: int) -> bool:
        return place in self._sockets

    def read(self, place: int) -> None:
        """Takes what has come on a stream."""
        data = self._sockets[place].recv(65_536)
        moment = time.time()
        if not data:
            raise RuntimeError("a stream was closed")
        *frames, self._rest[place] = (self._rest[place] + data).split(b"\n\n")
        for frame in frames:
            self._on_frame(self._number[place], frame, moment)

    def close(self) -> None:
        """Closes them all."""
        for connected in self._sockets.values():
            connected.close()


def created_at(frame: bytes) -> float:
    """When the event of a frame was made, in Unix seconds."""
    begin = frame.index(_CREATED) + len(_CREATED)
    return datetime.fromisoformat(frame[begin : frame.index(b'"', begin)].decode()).timestamp()


class Senders:
    """Keep-alive connections that post one request each at a time; there are as many as wait for answers at once."""

    def __init__(self, poll: select.epoll, ports: list[int], each: int) -> None:
        self._poll = poll
        self._idle: dict[int, list[socket.socket]] = {port: [self._connect(port) for _ in range(each)] for port in ports}
        self._busy: dict[int, tuple[int, socket.socket, Sent, bytes]] = {}

    def post(self, port: int, request: bytes) -> Sent:
        """Sends a request."""
        connected = self._idle[port].pop() if self._idle[port] else self._connect(port)
        message = Sent(sent=time.time())
        self._busy[connected.fileno()] = (port, connected, message, b"")
        connected.sendall(request)
        return message

    def _connect(self, port: int) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", port), timeout=10)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(connected.fileno(), select.EPOLLIN)
        return connected

    def read(self, place: int) -> None:
        """Takes an answer, or a part of one."""
        port, connected, message, before = self._busy[place]
        answer = before + connected.recv(65_536)
        if answer == before:
            raise RuntimeError(f"the server closed the connection of a message: {before[:300]!r}")
        head, _, body = answer.partition(b"\r\n\r\n")
        at = head.find(b"content-length: ")
        if at < 0 or len(body) < int(head[at + 16 :].partition(b"\r")[0]):
            self._busy[place] = (port, connected, message, answer)
            return
        message.answered = time.time()
        if b" 200 " not in answer[:20]:
            raise RuntimeError(f"a message was refused: {answer[:300]!r}")
        del self._busy[place]
        self._idle[port].append(connected)


def play(
    streams: Streams, senders: Senders, requests: list[tuple[int, bytes]], *, rate: float, on_sent: Callable[[int, Sent], None]
) -> None:
    """Sends (port, request) at a steady rate while reading the streams, and reads on for two seconds."""
    begin = time.perf_counter() + 0.2
    sent = 0
    end = begin + len(requests) / rate + 2.0
    while (now := time.perf_counter()) < end:
        while sent < len(requests) and now >= begin + sent / rate:
            on_sent(sent, senders.post(*requests[sent]))
            sent += 1
        until = begin + sent / rate if sent < len(requests) else end
        for place, _event in streams.poll.poll(max(until - time.perf_counter(), 0)):
            if place in streams:
                streams.read(place)
            else:
                senders.read(place)
