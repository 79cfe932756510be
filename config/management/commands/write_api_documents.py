"""Write the OpenAPI documents as files, for who reads and for who compares."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from shared.http.promises import document

DIRECTORY = Path(settings.BASE_DIR) / "docs" / "api"
DOCUMENTS = {
    "/api/v1/": DIRECTORY / "client.openapi.json",
    "/api/ops/v1/": DIRECTORY / "operator.openapi.json",
}


def as_text(prefix: str) -> str:
    """Return the document under the prefix as it stands in its file."""
    return json.dumps(document(prefix), indent=2, ensure_ascii=False) + "\n"


class Command(BaseCommand):
    """Write the OpenAPI documents as files."""

    help = "Write docs/api/*.openapi.json from the code; a test compares them."

    def handle(self, **_: Any) -> None:
        """Write both files."""
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        for prefix, path in DOCUMENTS.items():
            path.write_text(as_text(prefix))
            self.stdout.write(f"{path.relative_to(settings.BASE_DIR)}")
