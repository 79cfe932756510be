"""Start the simulator from the command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contexts.payments.simulator.outbox import Target
from contexts.payments.simulator.payload import is_web_url
from contexts.payments.simulator.server import Settings, serve

DEFAULT_SECRET = "psp-simulator-secret"  # noqa: S105 - a simulator guards nothing


def main(*, arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, run, and return the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if (given.webhook_url is None) != (given.webhook_secret is None):
        parser.error("--webhook-url and --webhook-secret belong together")
    if given.webhook_url is not None and not is_web_url(value=given.webhook_url):
        parser.error("--webhook-url must be an http or https URL")
    webhook = None
    if given.webhook_url is not None:
        webhook = Target(url=given.webhook_url, secret=given.webhook_secret)
    settings = Settings(
        host=given.host,
        port=given.port,
        ledger=given.ledger,
        secret=given.secret,
        webhook=webhook,
        verbose=given.verbose,
    )
    return serve(settings=settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="psp-simulator", description="Simulate a payment provider.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--ledger", type=Path, required=True, help="SQLite file of the ledger")
    parser.add_argument("--secret", default=DEFAULT_SECRET, help="bearer secret (%(default)s)")
    parser.add_argument("--webhook-url", help="where webhooks are sent")
    parser.add_argument("--webhook-secret", help="what signs the webhooks")
    parser.add_argument("--verbose", action="store_true", help="log one JSON line per operation")
    return parser


if __name__ == "__main__":
    sys.exit(main())
