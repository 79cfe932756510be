"""Command line: `python -m shared.embedded exec -- COMMAND…` and, for the reaper, `sweep DIRECTORY`."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from shared.embedded.access import throwaway_servers
from shared.embedded.directory import is_ours, remove
from shared.embedded.errors import EmbeddedServerError
from shared.embedded.servers import LocalServers

NOT_FOUND = 127


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.action == "exec":
            return run_with_servers(options.command)
        sweep(Path(options.directory), and_remove=options.remove)
    except EmbeddedServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def run_with_servers(command: Sequence[str]) -> int:
    """Run the command with throw-away servers in DATABASE_URL and REDIS_URL and return its exit status."""
    received: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if child is not None and number == signal.SIGTERM:  # Ctrl-C reaches the command by itself
            child.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    with throwaway_servers() as urls:
        if received:
            return 128 + received[0]
        try:
            child = subprocess.Popen(command, env=os.environ | dict(urls))  # noqa: S603  (the caller's own words)
        except OSError as error:
            sys.stderr.write(f"{command[0]}: {error.strerror}\n")
            return NOT_FOUND
        status = child.wait()
    return status if status >= 0 else 128 - status


def sweep(directory: Path, *, and_remove: bool) -> None:
    """Stop the servers of the directory unless somebody uses them; remove it when that is wanted."""
    if not is_ours(directory):
        return
    servers = LocalServers(directory=directory)
    servers.sweep()
    if and_remove and not servers.used_by():
        remove(directory)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.embedded", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("exec", help="run a command with throw-away servers")
    run.add_argument("command", nargs="+", metavar="COMMAND", help="after `--`")
    clean = actions.add_parser("sweep", help="stop servers that nobody uses any more")
    clean.add_argument("directory")
    clean.add_argument("--remove", action="store_true", help="remove the directory, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
