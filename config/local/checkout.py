"""Where things lie in a checkout."""

from dataclasses import dataclass
from pathlib import Path


class CannotRun(Exception):
    """The local system cannot be started; the message tells what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """One working copy of the source, with its local data."""

    root: Path

    @property
    def data_dir(self) -> Path:
        """Return the directory of all local data."""
        return self.root / ".data"

    @property
    def procfile(self) -> Path:
        """Return the list of the processes."""
        return self.root / "Procfile"

    @property
    def run_lock(self) -> Path:
        """Return the file that one `make run` locks for as long as it lives."""
        return self.data_dir / "run.lock"

    @property
    def run_state(self) -> Path:
        """Return the file that names the processes of the current `make run`."""
        return self.data_dir / "run.json"

    @property
    def run_log(self) -> Path:
        """Return the file with everything that the processes of the last `make run` have said."""
        return self.data_dir / "run.log"

    @property
    def api_key(self) -> Path:
        """Return the file in which `manage.py seed` leaves a key of the shop API."""
        return self.data_dir / "demo-api-key"
