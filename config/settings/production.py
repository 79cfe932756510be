"""For anything that others can reach: refuses to start without its secrets."""

from datetime import timedelta
from re import fullmatch
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config.env import database_of, mail_server_of, read_env, split, with_changed_limits
from config.logging import configure_logging
from config.settings.base import *  # noqa: F403
from config.settings.base import CELERY, LINK_PATHS, RATE_LIMITS

env = read_env()

DEBUG = False
DEMO = False
SECRET_KEY = env.secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = split(env.secret_key_fallbacks.get_secret_value())
JWT_SIGNING_KEYS = split(env.jwt_signing_keys.get_secret_value())
ENCRYPTION_KEYS = split(env.encryption_keys.get_secret_value())
ALLOWED_HOSTS = split(env.allowed_hosts)
CSRF_TRUSTED_ORIGINS = split(env.csrf_trusted_origins)
DATABASES = {"default": database_of(env.database_url.get_secret_value(), pool_size=env.database_pool_size)}
REDIS_URL = env.redis_url.get_secret_value()
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CELERY = CELERY | {"broker_url": REDIS_URL}
PSP_SIMULATOR_URL = env.psp_simulator_url
PSP_SIMULATOR_SECRET = env.psp_simulator_secret.get_secret_value()
METRICS_TOKEN = env.metrics_token.get_secret_value()
DATA_DIRECTORY = env.data_directory
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
_mail_server = mail_server_of(env.email_url.get_secret_value())
EMAIL_HOST, EMAIL_PORT = _mail_server.host, _mail_server.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail_server.user, _mail_server.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail_server.upgrades, _mail_server.is_encrypted
DEFAULT_FROM_EMAIL = env.mail_from
LINK_PAGES = {purpose: env.shop_url.rstrip("/") + path for purpose, path in LINK_PATHS.items()}
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
RATE_LIMITS = with_changed_limits(RATE_LIMITS, env.rate_limits)
TRUSTED_PROXIES = env.trusted_proxies
CORS_ALLOWED_ORIGINS = split(env.cors_allowed_origins)
LOGGING = configure_logging(as_json=True, level=env.log_level)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SECOND_FACTOR_ENFORCED = True
SECURE_SSL_REDIRECT = env.secure_ssl_redirect
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

if any(len(key) < 50 for key in (SECRET_KEY, *SECRET_KEY_FALLBACKS)):
    raise ImproperlyConfigured("SECRET_KEY and each of SECRET_KEY_FALLBACKS need at least 50 characters")
if any(len(seed) != 64 for seed in JWT_SIGNING_KEYS) or not JWT_SIGNING_KEYS:
    raise ImproperlyConfigured("JWT_SIGNING_KEYS are 32-byte seeds in hex: openssl rand -hex 32")
if not all(fullmatch("[0-9a-fA-F]{64}", key) for key in ENCRYPTION_KEYS) or not ENCRYPTION_KEYS:
    raise ImproperlyConfigured("ENCRYPTION_KEYS are 32-byte keys in hex: openssl rand -hex 32")
