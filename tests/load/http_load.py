"""A load generator that costs little: raw keep-alive connections in a process of its own.

``python -m tests.load.http_load PORT TOKEN CONNECTIONS SECONDS [--rate N] [--count N]`` reads request templates as
JSON lines from standard input ({"method", "path", "body", "keyed"}), sends them in turn on each connection and prints
one JSON object. A rate has each request leave at its time, or as soon as its connection is free; a count ends the run
early.
"""

import argparse
import asyncio
import json
import math
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from uuid import uuid4

import uvloop


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A request; a keyed one carries a new Idempotency-Key each time."""

    method: str
    path: str
    body: str = ""
    keyed: bool = False

    def encode(self, *, token: str) -> bytes:
        """Return the request as it goes over the wire (RFC 9112)."""
        key = f"Idempotency-Key: {uuid4().hex}\r\n" if self.keyed else ""
        body = self.body.encode()
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n{key}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a run."""

    seconds: float
    statuses: dict[str, int]
    milliseconds: list[float]

    @property
    def rate(self) -> float:
        """Return how many requests were answered per second."""
        return len(self.milliseconds) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the time within which this share of the requests was answered, in milliseconds."""
        ordered = sorted(self.milliseconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def run(
    *,
    port: int,
    token: str,
    connections: int,
    seconds: float,
    templates: list[Template],
    rate: float | None = None,
    count: float = math.inf,
) -> Result:
    """Send requests on all connections until the time is over or so many were sent; ``rate`` is per second, of all."""
    statuses: Counter[str] = Counter()
    milliseconds: list[float] = []
    started = time.perf_counter()

    async def send(place: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = place
        while time.perf_counter() - started < seconds and number < count:
            if rate:
                await asyncio.sleep(started + number / rate - time.perf_counter())
            begun = time.perf_counter()
            writer.write(templates[number % len(templates)].encode(token=token))
            status = await _read_answer(reader)
            milliseconds.append((time.perf_counter() - begun) * 1000)
            statuses[status] += 1
            number += connections
        writer.close()

    await asyncio.gather(*(send(place) for place in range(connections)))
    return Result(seconds=time.perf_counter() - started, statuses=dict(statuses), milliseconds=milliseconds)


async def _read_answer(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(
        int(line.partition(":")[2]) for line in head.split("\r\n") if line.lower().startswith("content-length:")
    )
    await reader.readexactly(length)
    return head[9:12]


def main() -> None:
    """Run with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("connections", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--count", type=float, default=math.inf)
    options = vars(parser.parse_args())
    templates = [Template(**json.loads(line)) for line in sys.stdin]
    result = uvloop.run(run(**options, templates=templates))
    sys.stdout.write(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
