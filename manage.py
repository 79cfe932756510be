#!/usr/bin/env python
"""Django's command line, with a local database when none is named."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the management command that the arguments name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    if os.environ["DJANGO_SETTINGS_MODULE"] == "config.settings.dev" and _needs_servers(sys.argv):
        from shared.embedded import EmbeddedServerError, ensure_urls

        try:
            ensure_urls(Path(__file__).resolve().parent / ".data")
        except EmbeddedServerError as error:
            sys.exit(str(error))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _needs_servers(arguments: list[str]) -> bool:
    if "DATABASE_URL" in os.environ and "REDIS_URL" in os.environ:
        return False
    return len(arguments) > 1 and arguments[1] not in {"help", "--help", "version", "--version", "startapp"}


if __name__ == "__main__":
    main()
