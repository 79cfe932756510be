from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand

from contexts.webhooks.client_api.asyncapi import document

FILE = Path(settings.BASE_DIR) / "docs" / "api" / "asyncapi.json"


def as_text() -> str:
    """Return the document as it stands in its file."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"


class Command(BaseCommand):
    """Write the AsyncAPI document as a file, for who reads and for who compares."""

    help = "Write docs/api/asyncapi.json from the code; a test compares it."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(as_text())
        self.stdout.write(str(FILE.relative_to(settings.BASE_DIR)))
