"""The only reader of the environment: typed, and tells all that is missing or malformed at once."""

from functools import cache
from typing import Annotated, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

CommaSeparated = Annotated[str, NoDecode]


class Env(BaseSettings):
    """What the process is told from outside. Names are upper-case in the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: SecretStr
    redis_url: SecretStr
    secret_key: SecretStr
    secret_key_fallbacks: SecretStr = Field(default=SecretStr(""), description="former secret keys, comma-separated")
    jwt_signing_keys: SecretStr = Field(
        description="comma-separated 32-byte Ed25519 seeds in hex; the first signs, all verify"
    )
    encryption_keys: SecretStr = Field(
        description="comma-separated 32-byte keys in hex for stored secrets; the first encrypts, all decrypt"
    )
    allowed_hosts: CommaSeparated = "localhost,127.0.0.1"
    csrf_trusted_origins: CommaSeparated = ""
    cors_allowed_origins: CommaSeparated = Field(default="", description="shops whose pages call the client API")
    psp_simulator_url: str = ""
    psp_simulator_secret: SecretStr = SecretStr("psp-simulator-secret")
    metrics_token: SecretStr = Field(description="what Prometheus sends as its bearer token")
    prometheus_multiproc_dir: str = ""
    metrics_port: int = Field(default=0, ge=0, le=65535, description="where worker and relay show their metrics")
    crash_directory: str = Field(default="", description="for the kill matrix; production settings ignore it")
    process_kind: str = ""
    saga_lease_seconds: int = Field(default=60, ge=5, le=3600)
    email_url: SecretStr = Field(
        default=SecretStr("smtp://localhost:25"),
        description="smtp://host:port, smtp+starttls://user:password@host:587 or smtps://user:password@host:465",
    )
    mail_from: str = Field(default="Orderly <noreply@localhost>", description="the sender of all mails")
    shop_url: str = Field(default="http://localhost:8000", description="where links in mails lead")
    database_pool_size: int = Field(default=10, ge=1, le=100)
    otel_traces_exporter: Literal["none", "otlp", "console"] = Field(
        default="none", description="where spans go; other than none, it needs the extra otel"
    )
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1, description="share of the traces begun here")
    otel_service_name: str = "orderly"
    web_threads: int = Field(default=4, ge=1, le=64)
    web_most_waiting: int = Field(default=128, ge=1, le=10_000)
    most_streams: int = Field(default=1500, ge=1, le=100_000, description="open event streams of one web process")
    most_streams_of_a_person: int = Field(default=10, ge=1, le=10_000)
    most_streams_of_a_key: int = Field(default=1000, ge=1, le=100_000)
    web_notice_seconds: float = Field(default=3, ge=0, le=60)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    secure_ssl_redirect: bool = True
    data_directory: str = ".data"
    rate_limits: CommaSeparated = Field(default="", description="changes, such as checkout.key=120000/60")
    trusted_proxies: int = Field(default=0, ge=0, le=10, description="how many of ours add to X-Forwarded-For")


@cache
def read_env(**defaults: str) -> Env:
    """Read the environment over the defaults; raise ImproperlyConfigured naming everything that is wrong."""
    try:
        return Env.model_validate({**defaults, **_given()})
    except ValidationError as error:
        complaints = "; ".join(
            f"{'_'.join(str(part) for part in one['loc']).upper()}: {one['msg'].lower()}" for one in error.errors()
        )
        raise ImproperlyConfigured(f"set these environment variables: {complaints}") from None


def _given() -> dict[str, str]:
    import os

    return {name: os.environ[name.upper()] for name in Env.model_fields if os.environ.get(name.upper())}


def split(text: str) -> list[str]:
    """Return the parts of a comma-separated value."""
    return [part.strip() for part in text.split(",") if part.strip()]


class MailServer(NamedTuple):
    """Where mail is handed in; ``upgrades`` says STARTTLS, ``is_encrypted`` TLS from the first byte."""

    host: str
    port: int
    user: str
    password: str
    upgrades: bool
    is_encrypted: bool


def mail_server_of(url: str) -> MailServer:
    """Read ``smtp+starttls://user:password@host:587``; ``smtps`` is encrypted from the start, ``smtp`` is not."""
    parts = urlsplit(url)
    usual_ports = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
    if parts.scheme not in usual_ports or not parts.hostname:
        raise ImproperlyConfigured("EMAIL_URL has the form smtp+starttls://user:password@host:587")
    return MailServer(
        host=parts.hostname,
        port=parts.port or usual_ports[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        upgrades=parts.scheme == "smtp+starttls",
        is_encrypted=parts.scheme == "smtps",
    )


def with_changed_limits(limits: dict[str, dict[str, str]], changes: str) -> dict[str, dict[str, str]]:
    """Return the rate limits with changes such as ``checkout.key=120000/60,auth.address=60/60``."""
    changed = {name: dict(quotas) for name, quotas in limits.items()}
    for change in split(changes):
        place, _, quota = change.partition("=")
        route_class, _, caller = place.partition(".")
        if caller not in changed.get(route_class, {}):
            raise ImproperlyConfigured(f"RATE_LIMITS: there is no {place!r}; such as checkout.key=120000/60")
        changed[route_class][caller] = quota
    return changed


def database_of(url: str, *, pool_size: int) -> dict[str, object]:
    """Turn ``postgresql://user:password@host:port/name?sslmode=require`` into Django's settings.

    Statements are bound on the server and prepared at their fifth use, which a pooler in transaction mode
    supports from PgBouncer 1.21 on. The pool gives up a lost connection after two seconds and makes a new one when
    it is asked; left to its default of five minutes, it tries ever more rarely, and stays down long after the
    database is back. Locks are waited for five seconds at most, so that nothing hangs in silence.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("DATABASE_URL has the form postgresql://user:password@host:port/name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 0,
        "OPTIONS": dict(parse_qsl(parts.query))
        | {
            "pool": {"min_size": 1, "max_size": pool_size, "timeout": 5, "reconnect_timeout": 2},
            "server_side_binding": True,
            "prepare_threshold": 5,
            "options": "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
        },
    }
