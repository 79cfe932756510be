"""Production settings start with their secrets or not at all, and never show one."""

import json
import os
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

SECRETS = {
    "DATABASE_URL": "postgresql://orderly:pass-that-must-stay-hidden@db.example/orderly",
    "REDIS_URL": "redis://:pass-that-must-stay-hidden@cache.example/0",
    "SECRET_KEY": "key-that-must-stay-hidden-" + "0" * 40,
    "JWT_SIGNING_KEYS": "5eed" * 16,
    "ENCRYPTION_KEYS": "5eed" * 16,
    "METRICS_TOKEN": "token-that-must-stay-hidden",
}
HIDDEN = ("must-stay-hidden", "5eed5eed")

SHOW = """
import json
from config.settings import production as settings
print(json.dumps({
    "debug": settings.DEBUG,
    "demo": settings.DEMO,
    "renderers": [
        type(processor).__name__
        for formatter in settings.LOGGING["formatters"].values()
        for processor in formatter["processors"]
    ],
    "formatters_of_handlers": [handler["formatter"] for handler in settings.LOGGING["handlers"].values()],
    "secure": [settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.SECURE_SSL_REDIRECT],
}))
"""


def run(code: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the code in a process whose environment holds this and nothing else of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestProductionSettings:
    def test_name_every_missing_variable_at_once(self) -> None:
        done = run("import config.settings.production", {})
        assert done.returncode != 0
        complaint = done.stderr.strip().splitlines()[-1]
        assert "ImproperlyConfigured" in complaint
        assert {name for name in SECRETS if name not in complaint} == set()

    @pytest.mark.parametrize("missing", sorted(SECRETS))
    def test_do_not_start_when_one_is_missing_and_show_none_of_the_others(self, missing: str) -> None:
        done = run("import config.settings.production", {k: v for k, v in SECRETS.items() if k != missing})
        assert done.returncode != 0
        assert missing in done.stderr.strip().splitlines()[-1]
        assert not any(secret in done.stdout + done.stderr for secret in HIDDEN)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SECRET_KEY", "must-stay-hidden"),
            ("JWT_SIGNING_KEYS", "5eed5eed"),
            ("ENCRYPTION_KEYS", "5eed5eed"),
            ("DATABASE_URL", "mysql://orderly:must-stay-hidden@db.example/orderly"),
            ("DATABASE_POOL_SIZE", "many-must-stay-hidden"),
        ],
    )
    def test_refuse_a_malformed_value_by_its_name_without_showing_it(self, name: str, value: str) -> None:
        done = run("import config.settings.production", {**SECRETS, name: value})
        assert done.returncode != 0
        assert name in done.stderr.strip().splitlines()[-1]
        assert not any(secret in done.stdout + done.stderr for secret in HIDDEN)

    def test_load_without_debugging_and_with_json_logs_when_all_is_set(self) -> None:
        done = run(SHOW, SECRETS)
        assert done.returncode == 0, done.stderr
        shown = json.loads(done.stdout)
        assert shown["debug"] is False
        assert shown["demo"] is False
        assert "JSONRenderer" in shown["renderers"]
        assert shown["formatters_of_handlers"] == ["structured"]
        assert shown["secure"] == [True, True, True]

    def test_write_one_json_object_per_line_without_secrets(self) -> None:
        code = (
            "import logging.config, structlog\n"
            "from config.settings import production\n"
            "logging.config.dictConfig(production.LOGGING)\n"
            "structlog.get_logger('orderly').info('logged_in', token='must-stay-hidden', count=2)\n"
        )
        done = run(code, SECRETS)
        assert done.returncode == 0, done.stderr
        (line,) = (done.stdout + done.stderr).strip().splitlines()
        assert json.loads(line)["event"] == "logged_in"
        assert not any(secret in line for secret in HIDDEN)
