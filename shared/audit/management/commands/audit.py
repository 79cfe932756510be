import sys
from collections.abc import Sequence
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from shared.audit.laws import Finding, check_laws


class Command(BaseCommand):
    """Check the conservation laws on the live database; exit with 1 when one is broken."""

    help = "Check that stock, money, orders and events add up. Reads only; exit status 1 if something does not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")
        parser.add_argument(
            "--full",
            action="store_true",
            help="read the audit chain from its beginning, not from its last checkpoint",
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002 - Django's signature
        findings = check_laws(full=options["full"])
        self.stdout.write(as_json(findings) if options["json"] else as_table(findings))
        if not all(finding.holds for finding in findings):
            sys.exit(1)


def as_table(findings: Sequence[Finding]) -> str:
    """Return the findings for a person."""
    lines = []
    for finding in findings:
        verdict = "holds" if finding.holds else f"BROKEN by {finding.broken_by}"
        lines.append(f"  law {finding.law.number}  {finding.law.title:<72} {verdict}")
        lines += [f"           {what}: {why}" for what, why in finding.offenders]
    broken = sum(not finding.holds for finding in findings)
    lines.append(f"{len(findings)} laws checked, {broken} broken.")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings for a program."""
    return orjson.dumps([finding.as_record() for finding in findings], option=orjson.OPT_INDENT_2).decode()
