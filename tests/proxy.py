"""A proxy before a server, to lose replies, cut lines, stall them, or speak TLS to the client."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")

CHUNK = 65536


class Proxy:
    """Listens on a free port of the loopback and forwards to `port`; a thread with an event loop of its own.

    With `tls`, clients speak TLS to it. The switches act on lines that are open and on those to come.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target, self._tls = port, tls
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = self._losing_replies = False
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
                await self._flowing.wait()
                if replies and self._losing_replies:
                    await self._cut()
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # the line was cut, which is what this proxy is for
        finally:
            writer.close()
            self._writers.discard(writer)

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
