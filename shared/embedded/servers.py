"""Both servers of one data directory, shared by the commands that need them.

Every command that uses the servers is written down with its process id and the time of its start. The
first starts them, the last one out stops them; a command that was killed is struck off by the next one,
or by its own reaper at once. A file lock, given back by the kernel, keeps them from acting together.
"""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.embedded.directory import prepare
from shared.embedded.files import locked, read_or_empty, write_private
from shared.embedded.postgres import PostgresServer
from shared.embedded.processes import ProcessId
from shared.embedded.reaper import Reaper
from shared.embedded.valkey import ValkeyServer

DATABASE_URL: Final = "DATABASE_URL"
REDIS_URL: Final = "REDIS_URL"
BOTH: Final = (DATABASE_URL, REDIS_URL)
LOCK_SECONDS: Final = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A command that uses the servers now."""

    token: str
    purpose: str
    process: ProcessId


class Lease:
    """The right to use the servers, until it is released."""

    __slots__ = ("_owner", "_reaper", "_servers", "_token", "urls")

    def __init__(self, *, servers: "LocalServers", token: str, urls: Mapping[str, str], reaper: Reaper) -> None:
        """Keep what is needed to give the lease back."""
        self.urls = dict(urls)
        self._servers = servers
        self._token = token
        self._reaper = reaper
        self._owner = os.getpid()

    def release(self) -> None:
        """Give the lease back; stop the servers when nobody else uses them. Twice is harmless."""
        if os.getpid() != self._owner:  # a forked child inherits the exit handlers, not the lease
            return
        self._servers.release(token=self._token)
        self._reaper.dismiss()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServers:
    """PostgreSQL and Valkey of one data directory; nothing outside it is touched."""

    directory: Path
    durable: bool = True

    @property
    def postgres(self) -> PostgresServer:
        """Return the PostgreSQL server."""
        return PostgresServer(directory=self.directory / "postgres", durable=self.durable)

    @property
    def valkey(self) -> ValkeyServer:
        """Return the Valkey server."""
        return ValkeyServer(directory=self.directory / "valkey", durable=self.durable)

    def acquire(
        self,
        *,
        purpose: str,
        urls: Sequence[str] = BOTH,
        last_will: tuple[str, ...] | None = None,
    ) -> Lease:
        """Start the servers that the URLs name, or join those who use them already.

        `last_will` is the module, with its arguments, that cleans up should this process be killed.
        Raises EmbeddedServerError and EmbeddedServersMissing.
        """
        prepare(self.directory)
        module, *arguments = last_will or ("shared.embedded", "sweep", str(self.directory.resolve()))
        token = secrets.token_hex(8)
        with self._lock():
            reaper = Reaper(module=module, arguments=arguments)
            others = self._holders()
            try:
                found = self._start(urls)
            except BaseException:
                if not others:
                    self._stop()
                reaper.dismiss()
                raise
            self._write([*others, Holder(token=token, purpose=purpose, process=ProcessId.current())])
        return Lease(servers=self, token=token, urls=found, reaper=reaper)

    def release(self, *, token: str) -> None:
        """Strike a holder off and stop the servers when it was the last."""
        with self._lock():
            self._leave_to([holder for holder in self._holders() if holder.token != token])

    def sweep(self) -> None:
        """Strike off the holders that died without saying so and stop the servers when nobody is left."""
        if not self.directory.exists():
            return
        with self._lock():
            self._leave_to(self._holders())

    def used_by(self) -> tuple[Holder, ...]:
        """Return the living holders."""
        return tuple(self._holders())

    def _lock(self) -> AbstractContextManager[None]:
        return locked(self.directory / "servers.lock", seconds=LOCK_SECONDS)

    def _start(self, urls: Sequence[str]) -> dict[str, str]:
        found = {}
        if DATABASE_URL in urls:
            self.postgres.start()
            self.postgres.create_database()
            found[DATABASE_URL] = self.postgres.url
        if REDIS_URL in urls:
            self.valkey.start()
            found[REDIS_URL] = self.valkey.url
        return found

    def _stop(self) -> None:
        self.valkey.stop()
        self.postgres.stop()

    def _leave_to(self, holders: list[Holder]) -> None:
        if not holders:
            self._stop()
        self._write(holders)

    def _holders(self) -> list[Holder]:
        entries = json.loads(read_or_empty(self.directory / "holders.json") or "[]")
        holders = [Holder(**(entry | {"process": ProcessId(**entry["process"])})) for entry in entries]
        return [holder for holder in holders if holder.process.is_alive()]

    def _write(self, holders: list[Holder]) -> None:
        entries = [
            {
                "token": holder.token,
                "purpose": holder.purpose,
                "process": {"pid": holder.process.pid, "started": holder.process.started},
            }
            for holder in holders
        ]
        write_private(self.directory / "holders.json", json.dumps(entries, indent=1))
