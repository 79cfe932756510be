"""The figures that were measured last, each kind with its conditions, and docs/performance.md, which shows them."""

import json
import platform
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.journeys.system import ROOT

RESULTS = ROOT / "tests" / "load" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
ORDER = ("requests", "end_to_end", "deliveries", "endurance_placing", "endurance_confirming", "streams")
PREFACE = """# Performance

Written by the commands named below, each of which replaces its own table. Everything that takes part, load generator
included, shares one machine of two cores; PostgreSQL runs with `fsync` and `synchronous_commit` on. Rates hang on what
else the machine does, so they stand beside a figure of the same run; milliseconds of CPU hardly do."""


def record(name: str, *, title: str, command: str, words: str, rows: Sequence[str]) -> None:
    """Replace the figures of one kind, and write the page anew; ``rows`` are those of a Markdown table."""
    if name not in ORDER:
        raise ValueError(f"the page has no place for {name}: name it in ORDER")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    on = f"`{command}`, {datetime.now(tz=UTC):%Y-%m-%d}, Python {platform.python_version()}."
    results[name] = {"title": title, "on": on, "words": words, "rows": list(rows)}
    RESULTS.write_text(json.dumps(results, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    PAGE.write_text("\n".join([PREFACE, *(_shown(results[each]) for each in ORDER if each in results)]) + "\n")


def _shown(section: dict[str, str | list[str]]) -> str:
    words = textwrap.fill(f"{section['on']} {section['words']}", width=118)
    return f"\n## {section['title']}\n\n{words}\n\n" + "\n".join(section["rows"])
