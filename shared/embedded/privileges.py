"""A way for root to run PostgreSQL, which refuses to be root.

First choice is a user namespace in which root looks like nobody: nothing on disk changes its owner. Where
the kernel allows none (many containers), the server runs as the user nobody, who then owns its directory.
"""

import grp
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from shared.embedded.errors import EmbeddedServerError

NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprivileged:
    """Words before a command and options of Popen that take root's rights away."""

    prefix: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    owner: str | None = None

    def own(self, path: Path) -> None:
        """Give the path to the user whom the server runs as, when that is another one."""
        if self.owner is not None:
            shutil.chown(path, self.owner)

    def check_access(self, *, program: Path, directory: Path) -> None:
        """Raise EmbeddedServerError when that user can reach neither its program nor its directory."""
        if self.owner is None:
            return
        test = 'test -x "$1" && test -w "$2"'
        command = ["/bin/sh", "-c", test, "sh", str(program), str(directory)]
        if subprocess.run(command, check=False, **self.options).returncode != 0:  # noqa: S603
            raise EmbeddedServerError(
                f"PostgreSQL does not run as root and the user {self.owner} may not reach {program} or "
                f"{directory}: work as an ordinary user, allow user namespaces, or move the checkout to "
                "a directory that others may enter."
            )


@cache
def unprivileged() -> Unprivileged:
    """Choose the way for the current user; an ordinary one needs none."""
    if os.geteuid() != 0:
        return Unprivileged()
    if shutil.which(NAMESPACE[0]) and _works([*NAMESPACE, "true"]):
        return Unprivileged(prefix=NAMESPACE)
    group = next(name for name in ("nogroup", "nobody") if _has_group(name))
    options: dict[str, Any] = {"user": NOBODY, "group": group, "extra_groups": []}
    return Unprivileged(options=options, owner=NOBODY)


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def _has_group(name: str) -> bool:
    return any(entry.gr_name == name for entry in grp.getgrall())
