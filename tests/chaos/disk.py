"""A disk of a few megabytes under one table, which can be filled and emptied."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from shared.embedded.privileges import unprivileged

SIZE = "64m"
CHUNK = bytes(64 * 1024)
TABLESPACE = "tiny_disk"

#: Where no file system may be mounted: what PostgreSQL raises when a disk is full (SQLSTATE 53100).
REFUSE = """
CREATE FUNCTION refuse_for_want_of_space() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER no_space_left BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_for_want_of_space();
"""
REFUSE_NO_MORE = "DROP TRIGGER IF EXISTS no_space_left ON {table}; DROP FUNCTION IF EXISTS refuse_for_want_of_space();"


@dataclass(frozen=True, slots=True)
class Disk:
    """What can be done to the disk under the table."""

    database_url: str
    table: str
    mounted: Path | None

    def fill(self) -> None:
        """Leave no byte free."""
        if self.mounted is None:
            self.run(REFUSE.format(table=self.table))
            return
        with suppress(OSError), (self.mounted / "filler").open("ab", buffering=0) as filler:
            while True:
                filler.write(CHUNK)

    def empty(self) -> None:
        """Free what was filled."""
        if self.mounted is None:
            self.run(REFUSE_NO_MORE.format(table=self.table))
            return
        (self.mounted / "filler").unlink(missing_ok=True)

    def run(self, sql: str) -> None:
        """Run statements as somebody at a console, one transaction each."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(sql)


@contextmanager
def full_disk_under(table: str, *, database_url: str) -> Iterator[Disk]:
    """Move the table to a small file system in memory and fill it; afterwards it is where it was.

    Only root may mount one; for others a trigger raises the very error, which is less than the real thing.
    """
    with tempfile.TemporaryDirectory(prefix="orderly-disk-") as name:
        mounted = _mount(Path(name))
        disk = Disk(database_url, table, mounted)
        try:
            if mounted is not None:
                (mounted / "data").mkdir(mode=0o700)
                unprivileged().own(mounted / "data")
                disk.run(f"CREATE TABLESPACE {TABLESPACE} LOCATION '{mounted / 'data'}'")
                disk.run(f"ALTER TABLE {table} SET TABLESPACE {TABLESPACE}")
                disk.run(f"VACUUM FULL {table}")  # so that no room is left by rows that are gone
            disk.fill()
            yield disk
        finally:
            disk.empty()
            if mounted is not None:
                disk.run(f"ALTER TABLE {table} SET TABLESPACE pg_default")
                disk.run(f"DROP TABLESPACE {TABLESPACE}")
                subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def _mount(directory: Path) -> Path | None:
    directory.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(directory)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return directory if done.returncode == 0 else None
