"""What is the same everywhere. The modules beside this one read the environment and add what differs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.urls import reverse_lazy

BASE_DIR = Path(__file__).resolve().parent.parent.parent

CONTEXTS = [
    "contexts.identity",
    "contexts.catalog",
    "contexts.inventory",
    "contexts.ordering",
    "contexts.payments",
]

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "config",
    "config.admin.OrderlyAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_structlog",
    "django_filters",
    "ninja",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "shared.audit",
    "shared.idempotency",
    "shared.outbox",
    "shared.saga",
    *CONTEXTS,
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "shared.telemetry.metrics.CountRequests",
    "shared.http.middleware.TrustWellFormedRequestIds",
    "django_structlog.middlewares.RequestMiddleware",
    "shared.http.middleware.CarryWorkContext",
    "shared.http.middleware.ApiProblems",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_USER_MODEL = "identity.AccountRow"
AUTHENTICATOR = "contexts.identity.public.authenticate"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = ["contexts.identity.gateways.OwaspArgon2PasswordHasher"]
ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
REFRESH_TOKEN_LIFETIME = timedelta(days=30)
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_CURRENCY = "EUR"

STATIC_URL = "/static/"
STATIC_ROOT: Path | None = BASE_DIR / ".data" / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "shared.http.drf.BearerAuthentication",
        "shared.http.drf.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "shared.http.drf.problem_handler",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Orderly operator API",
    "DESCRIPTION": "For operators and back-office integrations.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/ops/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_USER_ID_FIELD = None

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True

CELERY: dict[str, Any] = {
    "broker_transport_options": {
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "health_check_interval": 10,
        "socket_keepalive": True,
        "socket_timeout": 30,
        "global_keyprefix": "orderly:",
    },
    "broker_connection_retry_on_startup": True,
    "broker_pool_acquire_timeout": 5,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_ignore_result": True,
    "task_serializer": "json",
    "accept_content": ["json"],
    "task_time_limit": 90,
    "task_soft_time_limit": 75,
    "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1},
    "task_default_queue": "celery",
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": False,
    "worker_soft_shutdown_timeout": 4,
    "worker_send_task_events": False,
    "timezone": "UTC",
    "beat_schedule": {
        "relay what no relay took": {
            "task": "outbox.sweep",
            "schedule": 5.0,
            "options": {"queue": "deliveries"},
        },
        "wake what is due": {"task": "saga.sweep", "schedule": 5.0, "options": {"queue": "sagas"}},
        "release expired holds": {
            "task": "inventory.release_expired_holds",
            "schedule": 30.0,
            "options": {"queue": "celery"},
        },
        "forget expired refresh tokens": {
            "task": "identity.forget_expired_tokens",
            "schedule": 3600.0,
            "options": {"queue": "celery"},
        },
        "forget old idempotency keys": {
            "task": "idempotency.forget_old_keys",
            "schedule": 3600.0,
            "options": {"queue": "celery"},
        },
    },
}

MIGRATION_LINTER_OPTIONS = {"sql_analyser": "postgresql"}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Orderly",
    "SITE_HEADER": "Orderly",
    "SITE_SYMBOL": "orders",
    "SHOW_HISTORY": False,
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "title": "Sales",
                "items": [
                    {
                        "title": "Orders",
                        "icon": "receipt_long",
                        "link": reverse_lazy("admin:ordering_orderrow_changelist"),
                    },
                    {
                        "title": "Payments",
                        "icon": "credit_card",
                        "link": reverse_lazy("admin:payments_paymentrow_changelist"),
                    },
                ],
            },
            {
                "title": "Goods",
                "items": [
                    {
                        "title": "Products",
                        "icon": "inventory_2",
                        "link": reverse_lazy("admin:catalog_productrow_changelist"),
                    },
                    {
                        "title": "Stock",
                        "icon": "warehouse",
                        "link": reverse_lazy("admin:inventory_stockitemrow_changelist"),
                    },
                ],
            },
            {
                "title": "People",
                "items": [
                    {
                        "title": "Accounts",
                        "icon": "group",
                        "link": reverse_lazy("admin:identity_accountrow_changelist"),
                    },
                    {
                        "title": "API keys",
                        "icon": "key",
                        "link": reverse_lazy("admin:identity_apikeyrow_changelist"),
                    },
                ],
            },
        ],
    },
}
