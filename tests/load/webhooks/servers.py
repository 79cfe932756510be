"""Other servers of all kinds in one process: ``python -m tests.load.webhooks.servers GOOD SLOW MUTE GONE``.

Each listens on a port of its own; a good one answers at once, a slow one after ten seconds, a mute one never, and
where one is gone the connection is refused. It prints all ports as one line of JSON. For each line of its input, a
number, it prints when that many different events had arrived at the good ones (``time.monotonic``).
"""

import asyncio
import json
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

SLOW = 10.0  # seconds
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(slots=True)
class Arrivals:
    """When which event arrived at which good server for the first time."""

    times: dict[tuple[int, str], float] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, port: int, event_id: str) -> None:
        """Take note of one."""
        self.times.setdefault((port, event_id), time.monotonic())
        self.more.set()

    async def wait_for(self, count: int) -> list[float]:
        """Return when so many had arrived, one after the other, and forget them."""
        while len(self.times) < count:
            self.more.clear()
            await self.more.wait()
        times = sorted(self.times.values())
        self.times.clear()
        return times


async def listen(kind: str, arrivals: Arrivals) -> int:
    """Open a server of that kind, and return its port."""

    never = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                event_id = await _read(reader)
                if kind == "good":
                    arrivals.note(port, event_id)
                elif kind == "slow":
                    await asyncio.sleep(SLOW)
                else:
                    await never.wait()
                writer.write(ANSWER)

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = int(bound.getsockname()[1])
    if kind == "gone":
        _kept.append(bound)  # nobody else gets the port, and nobody listens there
    else:
        _kept.append(await asyncio.start_server(serve, sock=bound))
    return port


_kept: list[object] = []


async def _read(reader: asyncio.StreamReader) -> str:
    """Read one request, and return the id of its event."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    await reader.readexactly(int(headers["content-length"]))
    return headers["webhook-id"]


async def main(counts: list[int]) -> None:
    """Open all servers, and answer questions until the input ends."""
    arrivals = Arrivals()
    kinds = dict(zip(("good", "slow", "mute", "gone"), counts, strict=True))
    ports = {kind: [await listen(kind, arrivals) for _ in range(count)] for kind, count in kinds.items()}
    say(ports)
    while line := await asyncio.to_thread(sys.stdin.readline):
        say(await arrivals.wait_for(int(line)))


def say(answer: object) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main([int(each) for each in sys.argv[1:]]))
