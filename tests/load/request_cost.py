"""Tell what one request costs: ``python -m tests.load.request_cost [--requests 600] [--profile FILE]``.

The WSGI application runs in this process and is called without a socket, one request after the other, so that CPU is
this process's alone: it hardly depends on what else the machine does. Also counts statements, round trips to
PostgreSQL and commits, and the CPU of PostgreSQL.
"""

import argparse
import cProfile
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg

from tests.journeys.orders import an_order
from tests.journeys.system import System, running_system
from tests.load.server_interfaces import family_cpu

WARM_UP = 200
SKUS = 60
Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=600, help="of each kind in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", help="write cProfile's statistics here, one file for each kind")
    options = parser.parse_args()
    with running_system(processes=(), durable=True, told={"LOG_LEVEL": "ERROR"}) as system:
        system.query("UPDATE inventory_stock_item SET backorder_limit = 100000000 RETURNING 1")
        skus = [sku for (sku,) in system.query("SELECT DISTINCT sku FROM inventory_stock_item ORDER BY sku")][:SKUS]
        ((product,),) = system.query("SELECT id::text FROM catalog_product LIMIT 1")
        application = application_on(system)
        kinds = {
            "order": partial(place, application, system.api_key, skus),
            "product": partial(read, application, system.api_key, f"/api/v1/products/{product}", ""),
            "products": partial(read, application, system.api_key, "/api/v1/products", "limit=20"),
            "orders": partial(read, application, system.api_key, "/api/v1/orders", "limit=20"),
        }
        for kind, work in kinds.items():
            work(count=WARM_UP)
            measured = [cost_of(system, partial(work, count=options.requests)) for _ in range(options.rounds)]
            server, postgres = (min(column) / options.requests * 1000 for column in zip(*measured, strict=True))
            with statements() as counted:
                work(count=1)
            sys.stdout.write(
                f"{kind:10} least of {options.rounds}: server {server:.2f} ms, PostgreSQL {postgres:.2f} ms, "
                f"{sum(counted.values())} statements\n"
            )
            sys.stdout.writelines(f"    {times} x {' '.join(text.split())[:100]}\n" for text, times in counted.items())
            sys.stdout.flush()
            if options.profile:
                profile = cProfile.Profile(timer=time.process_time)
                profile.runcall(work, count=options.requests)
                profile.dump_stats(f"{options.profile}.{kind}")
        from django.db import connections

        connections["default"].close_pool()  # type: ignore[attr-defined]


def application_on(system: System) -> Application:
    """Return the WSGI application, working on the system's database."""
    os.environ.update(system.environment)
    from config.wsgi import application

    return application


def place(application: Application, token: str, skus: list[str], *, count: int) -> None:
    """Place so many orders of one line, one after the other; fail when one is refused."""
    for number in range(count):
        body = json.dumps(an_order(skus[number % len(skus)])).encode()
        asked = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/api/v1/orders",
            "HTTP_IDEMPOTENCY_KEY": uuid4().hex,
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
        assert ask(application, token, asked).startswith("201")


def read(application: Application, token: str, path: str, query: str, *, count: int) -> None:
    """Read the same so many times."""
    for _ in range(count):
        assert ask(application, token, {"PATH_INFO": path, "QUERY_STRING": query}).startswith("200")


def ask(application: Application, token: str, asked: dict[str, Any]) -> str:
    """Send one request to the application, read its answer and return the status."""
    status: list[str] = []
    environment = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    answer = application(environment | asked, lambda line, _headers, *_: status.append(line))
    b"".join(answer)
    answer.close()
    return status[0]


def cost_of(system: System, work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of CPU that the work took in this process and in PostgreSQL."""
    postmaster = int((system.directory / "servers/postgres/data/postmaster.pid").read_text().split()[0])
    server, postgres = time.process_time(), family_cpu(postmaster)
    work()
    return time.process_time() - server, family_cpu(postmaster) - postgres


@contextmanager
def statements() -> Iterator[Counter[str]]:
    """Count what is sent to PostgreSQL meanwhile, by its text, BEGIN and COMMIT included."""
    counted: Counter[str] = Counter()

    def counting(original: Any, of_text: Callable[..., Any]) -> Any:
        def sends(self: Any, *args: Any, **kwargs: Any) -> Any:
            counted[str(of_text(*args))] += 1
            return original(self, *args, **kwargs)

        return sends

    execute, command = psycopg.Cursor.execute, psycopg.Connection._exec_command
    psycopg.Cursor.execute = counting(execute, lambda query, *_: query)  # type: ignore[method-assign]
    psycopg.Connection._exec_command = counting(command, lambda text, *_: text.decode())  # type: ignore[method-assign]
    try:
        yield counted
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]
        psycopg.Connection._exec_command = command  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
