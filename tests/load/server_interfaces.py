"""Compare the CPU that a request costs on WSGI, through the front (RSGI) and on ASGI, side by side in one run.

    python -m tests.load.server_interfaces [--rounds 3] [--requests 1500]

Prints milliseconds of CPU per request (server processes only, user and system) and the ratio to WSGI. CPU time is
hardly touched by what else the machine does; requests per second would be.
"""

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from tests.journeys.orders import an_order, place
from tests.journeys.system import BIN, ROOT, System, eventually, running_system

CONNECTIONS = 8
INTERFACES: dict[str, tuple[str, ...]] = {
    "wsgi": ("--blocking-threads", "8"),
    "rsgi": ("--loop", "uvloop", "--backpressure", "4096"),
    "asgi": (),
}
TICKS = os.sysconf("SC_CLK_TCK")
Request = Callable[[httpx2.Client, int], httpx2.Response]


def main() -> None:
    """Run the comparison and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--interfaces", nargs="+", choices=list(INTERFACES), default=list(INTERFACES))
    options = parser.parse_args()
    chosen: list[str] = options.interfaces
    with running_system(processes=("psp",)) as system:
        ((sku,),) = system.query("SELECT sku FROM inventory_stock_item ORDER BY on_hand - held DESC LIMIT 1")
        system.query("UPDATE inventory_stock_item SET backorder_limit = 1000000 RETURNING 1")
        kinds: dict[str, Request] = {
            "GET /healthz": lambda client, _: client.get("/healthz"),
            "GET /api/v1/products?limit=20": lambda client, _: client.get("/api/v1/products?limit=20"),
            "POST /api/v1/orders": lambda client, _: place(client, an_order(sku)),
        }
        measured: dict[tuple[str, str], list[float]] = {}
        for number in range(options.rounds):
            for interface in chosen if number % 2 == 0 else chosen[::-1]:
                with serving(system, interface) as pid:
                    for kind, request in kinds.items():
                        load(system, request, 100)
                        cost = cpu_of(pid, lambda request=request: load(system, request, options.requests))  # type: ignore[misc]
                        measured.setdefault((kind, interface), []).append(1000 * cost / options.requests)
        for kind in kinds:
            firsts = measured[kind, chosen[0]]
            shown = (_shown(interface, measured[kind, interface], beside=firsts) for interface in chosen)
            sys.stdout.write(f"{kind:32} {'   '.join(shown)}\n")


def _shown(interface: str, costs: Sequence[float], *, beside: Sequence[float]) -> str:
    """Return the median of the costs, and that of their ratios, round by round."""
    ratio = statistics.median(cost / first for cost, first in zip(costs, beside, strict=True))
    return f"{interface} {statistics.median(costs):6.3f} ms (x {ratio:.2f})"


class serving:  # noqa: N801 - used as a context manager, reads as a verb
    """Run the web process on one interface for the block."""

    def __init__(self, system: System, interface: str) -> None:
        self.system, self.interface = system, interface

    def __enter__(self) -> int:
        import subprocess

        command = [
            *(str(BIN / "granian"), "--interface", self.interface, f"config.{self.interface}:application"),
            *("--host", "127.0.0.1", "--port", str(self.system.port), "--workers", "1", "--no-ws"),
            *INTERFACES[self.interface],
        ]
        log = (self.system.directory / "web.log").open("ab")
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.system.environment, stdout=log, stderr=log, start_new_session=True
        )
        self.system.processes["web"] = process
        eventually(self.system.is_ready, within=60, what="readiness")
        return process.pid

    def __exit__(self, *_: object) -> None:
        process = self.system.processes.pop("web")
        process.terminate()
        process.wait(timeout=30)


def load(system: System, request: Request, count: int) -> None:
    """Send so many requests over eight connections; fail on an answer that is no success."""

    def some(numbers: range) -> None:
        with system.client() as client:
            for number in numbers:
                answer = request(client, number)
                assert answer.is_success, answer.text

    with ThreadPoolExecutor(CONNECTIONS) as connections:
        for done in [connections.submit(some, range(n, count, CONNECTIONS)) for n in range(CONNECTIONS)]:
            done.result()


def cpu_of(group: int, work: Callable[[], None]) -> float:
    """Return the seconds of CPU that the processes of the group used during the work."""
    before = group_cpu(group)
    work()
    return group_cpu(group) - before


def group_cpu(group: int) -> float:
    """Return the seconds of CPU that the living processes of a process group have used (proc(5))."""
    return _cpu_of(lambda fields: int(fields[2]) == group)


def family_cpu(parent: int) -> float:
    """Return the seconds of CPU that a process and its living children have used; PostgreSQL's lead groups."""
    return _cpu_of(lambda fields: int(fields[1]) == parent)


def _cpu_of(is_wanted: Callable[[list[str]], bool]) -> float:
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if is_wanted(fields):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


if __name__ == "__main__":
    main()
