import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from config.replay.dataset import BACK, FRONT, DatasetMissing, Grocer, read_grocer
from config.replay.server import ServerDidNotStart, server_at
from config.replay.shop import ReplayShop, Tally
from contexts.catalog import wiring as catalog
from contexts.identity import wiring as identity
from contexts.inventory import wiring as inventory
from contexts.ordering import queries as ordering

SETTLES_WITHIN = 300.0  # seconds
KEY_LIFETIME = timedelta(days=2)


class Command(BaseCommand):
    """Load a real grocer's year, send its baskets as orders through the public API, and audit the result."""

    help = "Replay a real grocer's baskets as orders through the public API, then check that everything adds up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--baskets", type=int, default=2000, help="how many baskets to send (default 2000)")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="a running server; else one is started")
        parser.add_argument(
            "--run", default="1", help="another name sends baskets again that were sent before, as new orders"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        if not settings.DEMO:
            raise CommandError("replay fills the database with somebody's groceries, so it runs in development only")
        if options["baskets"] < 1:
            raise CommandError("--baskets is a number from 1 on")
        self.console = Console()
        try:
            grocer = self._load()
            with server_at(options["url"], log=Path(settings.DATA_DIRECTORY) / "replay-server.log") as url:
                self.console.print(f"Sending {options['baskets']} baskets to {url}")
                tally = self._send(grocer, url=url, run=options["run"], baskets=options["baskets"])
                self._wait_until_settled()
        except (DatasetMissing, ServerDidNotStart) as error:
            raise CommandError(str(error)) from error
        self._show(tally)
        call_command("audit", stdout=self.stdout)

    def _load(self) -> Grocer:
        started = time.perf_counter()
        self.console.print("Reading the grocer's year")
        grocer = read_grocer()
        call_command("migrate", verbosity=0)
        call_command("seed", stdout=self.stdout)
        for slug, name in grocer.departments:
            catalog.add_category(slug=slug, name=name)
        for place, (code, name) in enumerate(((FRONT, "Shop floor"), (BACK, "Store room"))):
            inventory.ensure_location(code=code, name=name, priority=10 + place)
        with self._progress() as progress:
            task = progress.add_task("products", total=grocer.size)
            loaded = catalog.load_products(products=_counted(grocer.new_products(), progress, task))
            task = progress.add_task("stock", total=None)
            stocked = inventory.load_opening_stock(opening=_counted(grocer.opening_stock(), progress, task))
        seconds = time.perf_counter() - started
        self.console.print(f"{loaded.added} products and {stocked} stock items added in {seconds:.1f} s")
        return grocer

    def _send(self, grocer: Grocer, *, url: str, run: str, baskets: int) -> Tally:
        key = identity.ensure_api_key(
            name="replay", scopes=("orders:write", "orders:read"), expires_at=timezone.now() + KEY_LIFETIME
        )
        connection.close()
        with self._progress() as progress:
            task = progress.add_task("baskets", total=baskets)
            shop = ReplayShop(url=url, api_key=key, run=run)
            return shop.send_all(grocer.baskets(baskets), most=baskets, on_answer=lambda: progress.advance(task))

    def _wait_until_settled(self) -> None:
        self.console.print("Waiting for payments and events")
        deadline = time.monotonic() + SETTLES_WITHIN
        while ordering.unsettled_orders() and time.monotonic() < deadline:
            time.sleep(0.2)

    def _show(self, tally: Tally) -> None:
        declined = ordering.cancelled_for("payment_declined", among=tally.order_ids)
        table = Table(title="Replay", show_header=False)
        for outcome, count in tally.answers.most_common():
            table.add_row(outcome, str(count))
        table.add_row("declined afterwards", str(declined))
        table.add_row("orders per second", f"{tally.rate:.1f}")
        table.add_row("p50", f"{tally.percentile(0.5):.1f} ms")
        table.add_row("p95", f"{tally.percentile(0.95):.1f} ms")
        self.console.print(table)

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description:>10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            disable=not sys.stdout.isatty(),
        )


def _counted(items: Any, progress: Progress, task: Any) -> Any:
    for item in items:
        progress.advance(task)
        yield item
