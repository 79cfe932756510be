"""Runs the tests on whole and on broken code, and judges what they said."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.checkout import copy_of
from tests.mutation.edits import Mutation

LONGEST_RUN = 240  # seconds
LONGEST_TEST = 60  # seconds
TESTS_FAILED = 1  # pytest's exit status
#: A run starts servers of its own and reads no settings of ours.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS", "PYTHONPATH")


class ControlIsRed(RuntimeError):
    """The tests fail, or miss a witness, before anything is broken: nothing can be proved by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """What pytest made of a checkout."""

    __test__ = False

    status: int
    passed: tuple[str, ...]
    failed: Mapping[str, str]
    errors: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the tests noticed that a guard was gone, and which of them did."""

    caught: bool
    why: str
    by: tuple[str, ...]
    seconds: float


def check_control(mutations: Sequence[Mutation], whole: Path) -> TestRun:
    """Run all the tests on whole code, or raise ControlIsRed."""
    run = run_tests(whole, sorted({test for mutation in mutations for test in mutation.tests}))
    if run.status != 0:
        complaints = "\n".join(f"{test}: {text[:300]}" for test, text in {**run.failed, **run.errors}.items())
        raise ControlIsRed(f"{ControlIsRed.__doc__}\npytest ended with {run.status}\n{complaints}")
    if missing := [each.name for each in mutations if not any(_is_witness(test, each) for test in run.passed)]:
        raise ControlIsRed(f"{ControlIsRed.__doc__}\nno witness ran for: {', '.join(missing)}")
    return run


def prove(mutation: Mutation, whole: Path) -> Verdict:
    """Take the guard out of a copy of whole code, run the tests, and tell whether they noticed."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        broken = copy_of(whole, Path(directory) / "checkout")
        for edit in mutation.edits:
            edit.apply(broken)
        return judge(mutation, run_tests(broken, mutation.tests))


def judge(mutation: Mutation, run: TestRun) -> Verdict:
    """Tell whether the witness failed on its own claim; an error before or after a test proves nothing."""
    by = tuple(sorted(run.failed))
    witnesses = [text for test, text in run.failed.items() if _is_witness(test, mutation)]
    caught = False
    if run.status == 0:
        why = "the suite stays green"
    elif run.status != TESTS_FAILED:
        why = f"pytest ended with {run.status}: {' '.join(run.errors.values())[:200]}"
    elif not witnesses:
        why = f"red, but {mutation.witness[1]} is not: {list(run.failed.items() or run.errors.items())[:1]}"
    elif not any(seen in text for text in witnesses for seen in mutation.seen):
        why = f"{mutation.witness[1]} fails for another reason: {witnesses[0][:200]}"
    else:
        caught, why = True, ""
    return Verdict(caught=caught, why=why, by=by, seconds=run.seconds)


def run_tests(checkout: Path, tests: Sequence[str]) -> TestRun:
    """Run the tests of a checkout with this interpreter and throw-away servers."""
    report = checkout / "outcomes.json"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--timeout={LONGEST_TEST}"]
    command += ["-p", "no:cacheprovider", "-p", "tests.mutation.outcomes", f"--outcomes={report}", *tests]
    started = time.monotonic()
    status, output = _run(command, cwd=checkout)
    seconds = time.monotonic() - started
    if not report.exists():
        return TestRun(status=status or -1, passed=(), failed={}, errors={"pytest": output[-2000:]}, seconds=seconds)
    kept = json.loads(report.read_text())
    return TestRun(
        status=status, passed=tuple(kept["passed"]), failed=kept["failed"], errors=kept["errors"], seconds=seconds
    )


def _run(command: Sequence[str], *, cwd: Path) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=LONGEST_RUN)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    return process.returncode, output


def _is_witness(test: str, mutation: Mutation) -> bool:
    file, name = mutation.witness
    return test.startswith(f"{file}::") and test.split("[")[0].endswith(f"::{name}")
