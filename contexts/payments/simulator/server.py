"""Run the simulator: one process, one event loop, one ledger, until it is told to stop."""

import asyncio
import logging
import signal
import socket
import sqlite3
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from contexts.payments.simulator.app import Application
from contexts.payments.simulator.books import Books
from contexts.payments.simulator.faults import Faults
from contexts.payments.simulator.moments import is_set_within, system_clock
from contexts.payments.simulator.operations import Operations
from contexts.payments.simulator.outbox import Outbox, Target
from contexts.payments.simulator.store import LedgerInUseError, Store
from contexts.payments.simulator.webhooks import AT_ONCE, TIMEOUT_SECONDS, Dispatcher

MAX_CONNECTIONS = 4_096
BACKLOG = 1_024
IDLE_MS = 75_000
CHECKPOINT_SECONDS = 1.0
LAST_ANSWERS_SECONDS = 0.3
LAST_TASKS_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line says."""

    host: str
    port: int
    ledger: Path
    secret: str
    webhook: Target | None
    verbose: bool


def serve(*, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT and return the exit status."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    logging.getLogger("psp_simulator").setLevel(logging.INFO if settings.verbose else logging.WARNING)
    try:
        _require_free(settings.host, settings.port)
    except (OSError, OverflowError) as error:
        return _failed(f"cannot listen on {settings.host}:{settings.port}: {error}")
    try:
        store = Store.open(path=settings.ledger)
    except LedgerInUseError:
        return _failed(f"another simulator has the ledger {settings.ledger} open")
    except (OSError, sqlite3.Error) as error:
        return _failed(f"cannot open the ledger {settings.ledger}: {error}")
    try:
        return asyncio.run(_serve(settings, store))
    finally:
        store.close()


async def _serve(settings: Settings, store: Store) -> int:
    client = httpx2.AsyncClient(
        timeout=TIMEOUT_SECONDS,
        trust_env=False,
        limits=httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
    )
    outbox = Outbox(connection=store.connection)
    faults = Faults()
    dispatcher = Dispatcher(outbox=outbox, client=client, clock=system_clock)
    if settings.webhook:
        dispatcher.send_to(target=settings.webhook)
    books = Books(store=store, outbox=outbox, dispatcher=dispatcher, clock=system_clock)
    operations = Operations(books=books, faults=faults, dispatcher=dispatcher, clock=system_clock)
    application = Application(
        secret=settings.secret,
        books=books,
        operations=operations,
        faults=faults,
        dispatcher=dispatcher,
        outbox=outbox,
    )
    server = _server(settings, application)
    async with client:
        return await _until_told_to_stop(
            server, application, operations, [dispatcher.run(), operations.run_actions(), _checkpoint(store)]
        )


async def _until_told_to_stop(
    server: Server,
    application: Application,
    operations: Operations,
    background: list[Coroutine[Any, Any, None]],
) -> int:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    serving = asyncio.create_task(server.serve())
    tasks = [serving, *(asyncio.create_task(work) for work in background)]
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    failed = [task for task in tasks if task.done()]
    operations.stop()
    await is_set_within(event=application.idle, seconds=LAST_ANSWERS_SECONDS)
    server.stop()  # type: ignore[no-untyped-call]  # granian leaves it without annotations
    await asyncio.wait([serving], timeout=LAST_TASKS_SECONDS)
    for task in (waiting, *tasks):
        task.cancel()
    await asyncio.wait([waiting, *tasks], timeout=LAST_TASKS_SECONDS)
    for task in failed:
        logging.getLogger("psp_simulator").error("stopped by a failure", exc_info=task.exception())
    return 1 if failed else 0


async def _checkpoint(store: Store) -> None:
    while True:
        await asyncio.sleep(CHECKPOINT_SECONDS)
        if store.has_new_changes():
            await asyncio.to_thread(store.checkpoint)


def _server(settings: Settings, application: Application) -> Server:
    return Server(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=IDLE_MS),
        websockets=False,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        log_enabled=False,
    )


def _require_free(host: str, port: int) -> None:
    """Raise OSError if somebody listens there: the server itself would quietly share the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _failed(message: str) -> int:
    sys.stderr.write(f"psp-simulator: {message}\n")
    return 1
