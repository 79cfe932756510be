"""OpenTelemetry is there for who asks for it, and for nobody else."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shared.telemetry.context import WorkContext, current_work, working_as
from shared.telemetry.tracing import traced, traceparent_in_hand

ROOT = Path(__file__).resolve().parent.parent.parent
#: A server where the extra is not installed, whatever is installed for the tests.
WITHOUT = "import sys; sys.modules['opentelemetry'] = None; import config.wsgi; print('up')"
WITH = "import sys; import config.wsgi; print('config.opentelemetry' in sys.modules)"


def server(program: str, **told: str) -> "subprocess.CompletedProcess[str]":
    """Bring the server up in a process of its own, without a port."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings.dev"} | told,
        capture_output=True,
        text=True,
        check=False,
    )


class TestTracing:
    def test_is_off_and_imports_nothing_unless_it_is_asked_for(self) -> None:
        assert server(WITHOUT).stdout == "up\n"
        assert server(WITH).stdout == "False\n"

    def test_is_on_when_an_exporter_is_named(self) -> None:
        assert server(WITH, OTEL_TRACES_EXPORTER="console").stdout == "True\n"

    def test_stops_a_server_that_lacks_the_extra(self) -> None:
        stopped = server(WITHOUT, OTEL_TRACES_EXPORTER="otlp")

        assert stopped.returncode != 0
        assert "uv pip install -r pyproject.toml --extra otel" in stopped.stderr

    def test_hands_on_what_a_caller_began_while_it_is_off(self) -> None:
        with working_as(WorkContext(traceparent="00-1-2-01")), traced("nothing"):
            assert (current_work().traceparent, traceparent_in_hand()) == ("00-1-2-01", "")


class TestExtra:
    def test_is_what_the_tests_run_with(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())

        assert project["project"]["optional-dependencies"]["otel"] == project["dependency-groups"]["otel"]

    @pytest.mark.parametrize("lock", ["requirements.lock", "requirements-prod.lock"])
    def test_is_not_installed_by_default(self, lock: str) -> None:
        assert "opentelemetry" not in (ROOT / lock).read_text()
