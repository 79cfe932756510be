"""No secret is in the repository: every tracked file is read for what keys and passwords look like."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

#: By what it is of. Forms as their makers document them.
SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "AWS": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{50,}",
    "GitLab": r"\bglpat-[\w-]{20,}",
    "Google": r"\bAIza[\w-]{35}\b",
    "Slack": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "Stripe": r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    "SendGrid": r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    "PyPI": r"\bpypi-[\w-]{50,}",
    "npm": r"\bnpm_[A-Za-z0-9]{36}\b",
    "a JSON Web Token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "an API key of ours": r"\bok_[0-9a-f]{12}_(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{43}\b",
    "a URL with a password": r"\b[a-z+]+://[^\s/@:\"'`{}<]*:(?!password@|pass-that|must-stay|\.\.\.)[^\s/@\"'`{}<$]{6,}@",
    "a value given to a secret's name": (
        r"(?i)\b\w*(?:password|secret|token|api_?key|signing_?keys?)\w*['\"]?\s*[=:]\s*"
        r"['\"](?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)[\w+/=-]{24,}['\"]"
    ),
}
BINARY = {".png", ".ico", ".woff2", ".gz", ".zip"}
#: Files that have to show one, and why.
KNOWN = {
    "tests/architecture/test_secrets.py": "shows what is looked for",
    "tests/shared/test_redaction.py": "has examples of what is hidden",
}


def findings(text: str) -> list[str]:
    """Return what in the text looks like a secret, with its line."""
    return [
        f"line {text.count(chr(10), 0, found.start()) + 1} looks like {kind}"
        for kind, pattern in SECRETS.items()
        for found in re.finditer(pattern, text)
    ]


def tracked() -> list[Path]:
    """Return the files of the repository."""
    if not (ROOT / ".git").exists():
        return [path for path in ROOT.rglob("*.py") if not {".venv", ".data"} & set(path.parts)]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


class TestRepository:
    def test_has_no_secret(self) -> None:
        found = {
            str(path.relative_to(ROOT)): complaints
            for path in tracked()
            if path.suffix not in BINARY
            and str(path.relative_to(ROOT)) not in KNOWN
            and (complaints := findings(path.read_text(errors="replace")))
        }
        assert found == {}

    def test_has_no_file_that_holds_secrets(self) -> None:
        names = {path.name for path in tracked()}
        assert (
            sorted(
                name for name in names if re.fullmatch(r"\.env|.*\.(pem|key|p12|pfx|sqlite3?)|id_(rsa|ed25519)", name)
            )
            == []
        )


class TestScan:
    @pytest.mark.parametrize(
        "text",
        [
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_" + "a1B2" * 9,
            "sk_live_" + "a1B2" * 6,
            "SG." + "a" * 22 + "." + "b" * 43,
            "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk3In0.c2lnbmF0dXJl",
            "ok_0123456789ab_" + "Ab3" * 14 + "x",
            "postgresql://orderly:Tr0ub4dor@db.internal/orderly",
            'STRIPE_API_KEY = "' + "a1B2" * 8 + '"',
            '{"client_secret": "' + "a1B2" * 8 + '"}',
        ],
    )
    def test_sees_a_secret(self, text: str) -> None:
        assert findings(f"first line\n{text}\n")

    @pytest.mark.parametrize(
        "text",
        [
            "SECRET_KEY=",
            "password: str",
            'token = a_key("orders:read")',
            "https://user.example/@name",
            "sha256=" + "a1" * 32,
        ],
    )
    def test_does_not_cry_wolf(self, text: str) -> None:
        assert findings(text) == []
