"""A small reverse proxy that does what real ones do while servers come and go.

It asks ``/readyz`` of each server all the time, sends new requests to those that are ready, keeps its connections to
them, and repeats a request elsewhere only when no connection came about, so that nothing of it was sent. Everything
else that goes wrong is a failure, which it counts.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Thread

CHECKED_EVERY = 0.1  # seconds
PATIENCE = 60.0  # seconds
LAST_CHUNK = b"0\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """One listening port before several servers."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = 0
        self.failures: list[str] = []
        self.repeated = 0
        self._ports = ports
        self._ready: set[int] = set()
        self._idle: dict[int, list[Stream]] = {port: [] for port in ports}
        self._turn = itertools.cycle(ports)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()

    def run(self, started: "list[int]") -> None:
        """Serve until stopped."""
        self._loop.run_until_complete(self._serve(started))

    def stop(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _serve(self, started: list[int]) -> None:
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        checks = [asyncio.create_task(self._check(port)) for port in self._ports]
        started.append(server.sockets[0].getsockname()[1])
        await self._stopped.wait()
        for check in checks:
            check.cancel()
        server.close()

    async def _check(self, port: int) -> None:
        while True:
            is_ready = False
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                    is_ready = (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
                    writer.close()
            (self._ready.add if is_ready else self._ready.discard)(port)
            await asyncio.sleep(CHECKED_EVERY)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(_field(head, b"content-length") or 0))
                if not await self._forward(head, body, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client may go at any time
        except Exception as error:
            self.failures.append(f"in the proxy: {error!r}")
            raise
        finally:
            writer.close()

    async def _forward(self, head: bytes, body: bytes, client: asyncio.StreamWriter) -> bool:
        """Have one request answered; tell whether the client's connection can go on."""
        port, (reader, writer) = await self._connection()
        try:
            writer.write(head + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = _field(answer, b"content-length")
            whole = await reader.readexactly(int(length or 0))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(f"{head.splitlines()[0]!r} on {port}: {error!r}")
            return False
        client.write(answer + whole)
        if _field(answer, b"transfer-encoding") == b"chunked" and not await self._pass_on(reader, client, head):
            writer.close()
            return False
        if _field(answer, b"connection") == b"close":
            writer.close()
        else:
            self._idle[port].append((reader, writer))
        return True

    async def _pass_on(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, head: bytes) -> bool:
        """Pass a stream on as it comes, up to the empty chunk that ends it; tell whether that came (RFC 9112, 7.1)."""
        chunk = b""
        while chunk != LAST_CHUNK:
            try:
                size = await reader.readuntil(b"\r\n")
                chunk = size + await reader.readexactly(int(size, 16) + 2)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures.append(f"{head.splitlines()[0]!r} broke off: {error!r}")
                return False
            client.write(chunk)
            try:
                await client.drain()
            except ConnectionError:
                return False
        return True

    async def _connection(self) -> tuple[int, Stream]:
        async with asyncio.timeout(PATIENCE):
            while True:
                port = next(self._turn)
                if port not in self._ready:
                    await asyncio.sleep(0.001)
                    continue
                while self._idle[port]:
                    reader, writer = self._idle[port].pop()
                    if not reader.at_eof():
                        return port, (reader, writer)
                    writer.close()
                try:
                    return port, await asyncio.open_connection("127.0.0.1", port)
                except ConnectionError:
                    self._ready.discard(port)
                    self.repeated += 1


@contextmanager
def proxy_before(ports: Sequence[int]) -> Iterator[Proxy]:
    """Run a proxy before the servers on these ports."""
    proxy, started = Proxy(ports), list[int]()
    thread = Thread(target=proxy.run, args=(started,), daemon=True)
    thread.start()
    while not started:
        thread.join(0.01)
    proxy.port = started[0]
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(timeout=10)


def _field(head: bytes, name: bytes) -> bytes | None:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(name + b":"):
            return line.partition(b":")[2].strip()
    return None
