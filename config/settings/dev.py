"""For a developer's machine: convenient secrets, readable logs, nothing that may be exposed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from config.env import database_of, read_env, split, with_changed_limits
from config.logging import configure_logging
from config.settings.base import *  # noqa: F403
from config.settings.base import CELERY, LINK_PATHS, RATE_LIMITS, SPECTACULAR_SETTINGS

env = read_env(
    secret_key="dev-settings-only-" + "0" * 40,
    jwt_signing_keys="11" * 32,
    encryption_keys="22" * 32,
    metrics_token="not needed here",  # noqa: S106 - /metrics is open in development
    log_level="WARNING",
)

DEBUG = False
SECRET_KEY = env.secret_key.get_secret_value()
JWT_SIGNING_KEYS = split(env.jwt_signing_keys.get_secret_value())
ENCRYPTION_KEYS = split(env.encryption_keys.get_secret_value())
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": database_of(env.database_url.get_secret_value(), pool_size=env.database_pool_size)}
REDIS_URL = env.redis_url.get_secret_value()
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CELERY = CELERY | {"broker_url": REDIS_URL}
PSP_SIMULATOR_URL = env.psp_simulator_url
PSP_SIMULATOR_SECRET = env.psp_simulator_secret.get_secret_value()
METRICS_TOKEN = ""  # anybody on this machine may look
DATA_DIRECTORY = env.data_directory
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = Path(DATA_DIRECTORY) / "mails"
LINK_PAGES = {purpose: env.shop_url.rstrip("/") + path for purpose, path in LINK_PATHS.items()}
CRASH_DIRECTORY = env.crash_directory
PROCESS_KIND = env.process_kind
SAGA_LEASE = timedelta(seconds=env.saga_lease_seconds)
WEB_THREADS = env.web_threads
WEB_MOST_WAITING = env.web_most_waiting
MOST_STREAMS = env.most_streams
MOST_STREAMS_OF_A_PERSON = env.most_streams_of_a_person
MOST_STREAMS_OF_A_KEY = env.most_streams_of_a_key
WEB_NOTICE = timedelta(seconds=env.web_notice_seconds)
PROMETHEUS_MULTIPROC_DIR = env.prometheus_multiproc_dir
METRICS_PORT = env.metrics_port
TRACING: dict[str, Any] = {
    "exporter": env.otel_traces_exporter,
    "share": env.otel_traces_sampler_arg,
    "service": env.otel_service_name,
}
LOGGING = configure_logging(as_json=False, level=env.log_level)
STATIC_ROOT = None  # served from where they are
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
SPECTACULAR_SETTINGS = SPECTACULAR_SETTINGS
OUTBOUND_TO_LOOPBACK = True
RATE_LIMITS = with_changed_limits(
    {name: dict.fromkeys(quotas, "600000/60") for name, quotas in RATE_LIMITS.items()}, env.rate_limits
)
TRUSTED_PROXIES = env.trusted_proxies
CORS_ALLOWED_ORIGINS = split(env.cors_allowed_origins)
DEMO = True
