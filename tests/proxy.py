"""A faulty line to a server: far, cut, silent, losing replies, reset, a byte at a time, garbage; or TLS before it."""

import asyncio
import random
import socket
import ssl
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")

CHUNK = 65536


class Proxy:
    """Listens on a free port of the loopback and forwards to `port`; a thread with an event loop of its own.

    With `tls`, clients speak TLS to it. The server seems to be `distance` seconds away, each way. The switches act on
    lines that are open and on those to come.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, distance: float = 0.0, seed: int = 1) -> None:
        self._target, self._tls = port, tls
        self._distance, self._random = distance, random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = self._losing_replies = self._dribbling = False
        self._resetting = self._garbling = 0.0
        self.accepted = 0
        self.port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def url(self) -> str:
        return f"{'rediss' if self._tls else 'redis'}://localhost:{self.port}/0"

    def cut(self) -> None:
        """Every open line ends now; new ones are welcome."""
        self._call(self._cut())

    def refuse(self, refusing: bool = True) -> None:
        """New lines are closed as soon as they are open, until `refuse(False)`."""
        self._refusing = refusing

    def stall(self, stalled: bool = True) -> None:
        """Nothing passes in either direction, until `stall(False)`."""
        self._loop.call_soon_threadsafe(self._flowing.clear if stalled else self._flowing.set)

    def lose_replies(self, losing: bool = True) -> None:
        """Requests reach the server; when its next reply comes the line is cut instead, until `lose_replies(False)`."""
        self._losing_replies = losing

    def dribble(self, dribbling: bool = True) -> None:
        """Bytes pass one by one, in segments of their own, until `dribble(False)`."""
        self._dribbling = dribbling

    def reset(self, share: float = 0.2) -> None:
        """Of the replies this share ends in the middle, with a RST. 0 = no more."""
        self._resetting = share

    def garble(self, share: float = 0.2) -> None:
        """Of the replies this share is replaced by bytes that are no Redis protocol. 0 = no more."""
        self._garbling = share

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._refusing:
            writer.transport.abort()
            return
        try:
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, onward}
        for pump in (self._pump(reader, onward, False), self._pump(onward_reader, writer, True)):
            task = self._loop.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: bool) -> None:
        try:
            while data := await reader.read(CHUNK):
                if self._distance:
                    await asyncio.sleep(self._distance)
                await self._flowing.wait()
                if replies and self._losing_replies:
                    await self._cut()
                    return
                if replies and self._random.random() < self._resetting:
                    await self._reset(writer, data)
                    return
                if replies and self._random.random() < self._garbling:
                    data = self._random.choice(
                        (b"\x00\xff\xfe" * 20, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*-7\r\n$x\r\n")
                    )
                await self._write(writer, data)
        except OSError:
            pass  # the line was cut, which is what this proxy is for
        finally:
            writer.close()
            self._writers.discard(writer)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self._dribbling:
            writer.write(data)
            await writer.drain()
            return
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)  # the event loop writes at once; a turn for the other lines in between

    async def _reset(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data[: len(data) // 2])
        await writer.drain()
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a close is a RST then
        writer.transport.abort()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        self._flowing.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
