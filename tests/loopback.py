"""A scripted server on a loopback address: it answers what a test tells it to, and remembers what it saw."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

ACTIVITY = "application/activity+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


def response(
    status: int, body: bytes = b"", *, content_type: str = ACTIVITY, headers: dict[str, str] | None = None
) -> bytes:
    """Write a whole HTTP/1.1 response."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def answers(*scripted: bytes) -> Script:
    """Answer with each of these in turn, and with the last one from then on."""
    left = list(scripted)

    async def script(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return script


def by_target(answers_by_target: dict[str, bytes]) -> Script:
    """Answer by the path that is asked for, 404 for any other."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answers_by_target.get(seen.target, response(404)))
        await writer.drain()

    return script


@dataclass
class LoopbackServer:
    """Serves on `host`, on a port that was free; counts every connection, even one that never speaks."""

    script: Script
    host: str = "127.0.0.2"
    tls: ssl.SSLContext | None = None
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def peer(self) -> tuple[str, int]:
        """The exact address, as private peers are named."""
        return self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as they stand in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, path: str = "/") -> str:
        """An address on this server."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                seen = await _read_request(reader)
                self.seen.append(seen)
                await self.script(seen, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return  # the other side is done
        finally:
            writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Seen(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
