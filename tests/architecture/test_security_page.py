"""What SECURITY.md says is shown by a test is shown by one."""

import re

from tests.architecture.source import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]


class TestSecurityPage:
    def test_names_tests_that_there_are(self) -> None:
        named = {name for *_, tests in ROWS for name in re.findall(r"`([^` ]+/[^` ]*)`", tests)}

        assert len(named) > 20
        assert sorted(name for name in named if not [*ROOT.glob(name), *ROOT.glob(f"tests/{name}")]) == []

    def test_has_a_guard_for_each_threat(self) -> None:
        threats = [row for row in ROWS if row[0] not in ("threat", "---")]

        assert len(threats) > 20
        assert [row[0] for row in threats if len(row) < 2 or not row[1].strip()] == []
