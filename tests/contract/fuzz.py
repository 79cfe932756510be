"""Schemathesis over both documents, against a whole running system: ``python -m tests.contract.fuzz``."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.journeys.system import BIN, ROOT, System, running_system

HERE = Path(__file__).parent
SEED = 20260302
PREFIXES = ("/api/v1/", "/api/ops/v1/")
#: Its schema is that of the whole text; schemathesis asks it of each event.
STREAM = "follow_order"
PROCESSES = ("psp", "web", "worker", "relay", "beat")


def fuzz(system: System, prefix: str, *, examples: int, phases: str) -> subprocess.CompletedProcess[str]:
    """Ask every operation under the prefix; the outcome tells what failed, and how to see it again."""
    command = [
        *(str(BIN / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{system.url}{prefix}openapi.json", "--checks", "all", "--phases", phases),
        *("--max-examples", str(examples), "--seed", str(SEED), "--no-color", "--continue-on-failure"),
        *("--exclude-operation-id", STREAM),
    ]
    told = {
        "SCHEMATHESIS_HOOKS": "tests.contract.fuzz_hooks",
        "PYTHONPATH": str(ROOT),
        "FUZZED_URL": system.url,
        "FUZZED_KEY": system.api_key,
    }
    return subprocess.run(
        command, cwd=system.directory, env=os.environ | told, capture_output=True, text=True, check=False
    )


def main() -> int:
    """Fuzz both APIs with as many examples as were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="of each operation")
    options = parser.parse_args()
    failed = 0
    with running_system(processes=PROCESSES) as system:
        for prefix in PREFIXES:
            outcome = fuzz(system, prefix, examples=options.examples, phases="examples,coverage,fuzzing,stateful")
            sys.stdout.write(outcome.stdout + outcome.stderr)
            failed |= outcome.returncode
        audit = system.manage("audit")
        sys.stdout.write(audit.stdout)
    return failed | audit.returncode


if __name__ == "__main__":
    sys.exit(main())
