"""Copies of the checkout, in which the code may be broken."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def snapshot(target: Path) -> Path:
    """Copy what git knows and what it would add, as it is now; what git ignores stays behind."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def copy_of(checkout: Path, target: Path) -> Path:
    """Copy a snapshot with its compiled modules, which spare the next run that work."""
    shutil.copytree(checkout, target, symlinks=True)
    return target
