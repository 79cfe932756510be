"""Command line of the local system: `python -m config.local run | reset`, and `sweep` for its reaper."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from config.local.checkout import CannotRun, Checkout
from config.local.reset import reset, sweep
from config.local.run import run
from shared.embedded import EmbeddedServerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    options = _parser().parse_args(arguments)
    checkout = Checkout(root=Path(options.root).resolve())
    try:
        if options.action == "run":
            return run(checkout=checkout, environment=os.environ, output=sys.stdout)
        if options.action == "reset":
            sys.stdout.write(f"{reset(checkout)}\n")
        else:
            sweep(checkout)
    except (CannotRun, EmbeddedServerError) as error:
        sys.stdout.flush()
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m config.local", description=__doc__)
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2], help="the checkout (default: this one)")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("run", help="start the whole system and watch it until Ctrl-C")
    actions.add_parser("reset", help="remove the local data")
    actions.add_parser("sweep", help="clean up behind a run that was killed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
