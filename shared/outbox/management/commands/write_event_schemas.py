from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared.outbox.schemas import differences, published_events, schemas_of, write


class Command(BaseCommand):
    """Write the JSON Schemas of the published events; leave alone those of events that must not change."""

    help = "Write the JSON Schemas of the published events to docs/events."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--directory", type=Path, default=Path(settings.BASE_DIR) / "docs" / "events")
        parser.add_argument("--unreleased", action="store_true", help="also overwrite events that changed their shape")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        schemas = schemas_of(published_events())
        found = differences(schemas, options["directory"])
        refused = {each.topic for each in found if not each.is_harmless and not options["unreleased"]}
        write({topic: schema for topic, schema in schemas.items() if topic not in refused}, options["directory"])
        for each in found:
            self.stdout.write(f"{'refused' if each.topic in refused else 'written'}  {each}")
        if refused:
            raise CommandError(f"{len(refused)} refused.")
