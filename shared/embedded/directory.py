"""The data directory: made, recognised as Orderly's own, and removed."""

import shutil
from pathlib import Path
from typing import Final

from shared.embedded.errors import EmbeddedServerError
from shared.embedded.privileges import unprivileged

MARKER: Final = ".orderly-data"
MARKER_TEXT: Final = "Local data of Orderly: databases, passwords, logs. `make reset` removes this directory.\n"


def prepare(directory: Path) -> None:
    """Make the directory, closed to other users, and mark it as Orderly's."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if unprivileged().owner is not None:  # the server's user must pass through, and may not look around
        directory.chmod(0o711)
    marker = directory / MARKER
    if not marker.exists():
        marker.write_text(MARKER_TEXT)


def is_ours(directory: Path) -> bool:
    """Tell whether the directory is a real one that `prepare` has marked."""
    return directory.is_dir() and not directory.is_symlink() and (directory / MARKER).is_file()


def remove(directory: Path) -> None:
    """Remove the directory and all in it, or raise EmbeddedServerError when it is not Orderly's."""
    if not directory.exists():
        return
    if not is_ours(directory):
        raise EmbeddedServerError(
            f"{directory} was not made by Orderly (it has no file {MARKER}), so it is not removed: "
            "look into it and remove it by hand."
        )
    shutil.rmtree(directory)
