from argparse import ArgumentParser
from datetime import datetime
from getpass import getuser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shared.outbox.replaying import NotSubscribed, Replay, count_replayed, replay_events
from shared.persistence.identifiers import new_id
from shared.telemetry.context import WorkContext, working_as


class Command(BaseCommand):
    """Tell one handler once more of the events of a topic, also of those from before it existed."""

    help = "Tell one handler once more of the events of a topic: their effect happens again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--handler", required=True, help="such as payments.return_money_of_cancelled_order")
        parser.add_argument("--topic", required=True, help="such as ordering.order_cancelled.v1")
        parser.add_argument("--from", dest="since", type=_moment, help="recorded at or after this moment (ISO 8601)")
        parser.add_argument("--to", dest="until", type=_moment, help="recorded before this moment (ISO 8601)")
        parser.add_argument("--dry-run", action="store_true", help="only count them")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        replay = Replay(**{name: options[name] for name in ("handler", "topic", "since", "until")})
        work = WorkContext(correlation_id=str(new_id()), actor=f"shell:{getuser()}")
        try:
            with working_as(work):
                if options["dry_run"]:
                    self.stdout.write(f"Would replay {count_replayed(replay)} events.")
                else:
                    self.stdout.write(f"Replayed {replay_events(replay)} events.")
        except NotSubscribed as error:
            raise CommandError(str(error)) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else timezone.make_aware(moment)
