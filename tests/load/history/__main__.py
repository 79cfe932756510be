"""Fill the database with the history of a shop: ``python -m tests.load.history --orders 1000000``.

The database is that of DATABASE_URL, or else the local one in .data, as for ``manage.py``. What is there stays; a
second run adds to it. Goods and customers are drawn by Zipf's law, orders grow over the days and peak in the
afternoon; every law of ``manage.py audit`` holds afterwards.
"""

import argparse
import os
import sys

from tests.journeys.system import ROOT


def main() -> None:
    """Migrate the database, then write the history."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, help="default: one for ten orders")
    parser.add_argument("--skus", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=730, help="how long ago the first order was placed")
    parser.add_argument("--live-days", type=int, default=30, help="events older than this are archived")
    parser.add_argument("--seed", type=float, default=0.42, help="of PostgreSQL's random(), from -1 to 1")
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    from shared.embedded import ensure_urls

    ensure_urls(ROOT / ".data")
    import django

    django.setup()
    from django.core.management import call_command

    from tests.load.history import Size, fill

    call_command("migrate", verbosity=0)
    size = Size(
        orders=options.orders,
        customers=options.customers or max(1, options.orders // 10),
        skus=options.skus,
        days=options.days,
        live_days=options.live_days,
    )
    fill(os.environ["DATABASE_URL"], size, seed=options.seed, say=sys.stdout.write)


if __name__ == "__main__":
    main()
