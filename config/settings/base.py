"""What is the same everywhere. The modules beside this one read the environment and add what differs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.urls import reverse_lazy

from config.roles import ROLES
from config.settings import schedule
from config.settings.enumerations import NAMES_OF_ENUMERATIONS

BASE_DIR = Path(__file__).resolve().parent.parent.parent

CONTEXTS = [
    "contexts.identity",
    "contexts.catalog",
    "contexts.inventory",
    "contexts.ordering",
    "contexts.payments",
    "contexts.webhooks",
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
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_structlog",
    "django_filters",
    "ninja",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "shared.audit",
    "shared.idempotency",
    "shared.outbox",
    "shared.saga",
    *CONTEXTS,
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "shared.http.headers.SecurityHeaders",
    "corsheaders.middleware.CorsMiddleware",
    "shared.telemetry.metrics.CountRequests",
    "shared.http.middleware.TrustWellFormedRequestIds",
    "django_structlog.middlewares.RequestMiddleware",
    "shared.http.middleware.CarryWorkContext",
    "shared.http.caching.KeepAnswersPrivate",
    "shared.http.throttling.RateLimits",
    "shared.http.middleware.ApiProblems",
    "shared.http.semantics.AnswerConditionally",
    "shared.http.semantics.KeepPromises",
    "shared.http.browsers.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "shared.http.browsers.Users",
    "django_otp.middleware.OTPMiddleware",
    "shared.http.browsers.Messages",
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
API_DOCUMENTS = {
    "/api/v1/": "config.client_api.document",
    "/api/ops/v1/": "config.operator_api.document",
}
AUTHENTICATION_BACKENDS = ["contexts.identity.public.GuardedBackend"]
SECOND_FACTOR_ENFORCED = False  # production settings do; here it is offered
OTP_TOTP_ISSUER = "Orderly"
SCOPES_OF_STAFF = "contexts.identity.public.scopes_of_staff"
ROLE_SCOPES = {name: rights.scopes for name, rights in ROLES.items()}
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
SHOP_NAME = "Orderly"
#: Where the pages are, below the shop's own URL, that take the token of a mailed link.
LINK_PATHS = {"verify_email": "/verify-email", "reset_password": "/reset-password"}
EMAIL_TIMEOUT = 10  # seconds
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_CURRENCY = "EUR"
#: How many seconds the catalog's public answers are remembered for all callers; 0 works each out anew.
CATALOG_REMEMBERED = 5
#: How long who only reads may be known by an API key as it stood, if Valkey cannot be told that it has changed.
API_KEYS_REMEMBERED = timedelta(seconds=5)
#: How long a worker may hold a process: longer than any call to another system, its time-outs and retries included.
SAGA_LEASE = timedelta(seconds=60)
#: Whether webhooks and the like may go to this very machine; for development.
OUTBOUND_TO_LOOPBACK = False
#: How long one delivery, or one turn or call of a process, may take; longer than PostgreSQL lets a transaction idle.
WORK_TIME_LIMIT = timedelta(seconds=75)
AUDIT_EVERY = schedule.AUDIT_EVERY

STATIC_URL = "/static/"
STATIC_ROOT: Path | None = BASE_DIR / ".data" / "static"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes

#: By class of routes and kind of caller: so many requests in so many seconds. ``address`` is for whoever has not said
#: who they are. ``auth`` counts by address whoever asks, and by the account that is named.
RATE_LIMITS: dict[str, dict[str, str]] = {
    "read": {"address": "1200/60", "person": "1200/60", "key": "120000/60"},
    "write": {"address": "120/60", "person": "300/60", "key": "60000/60"},
    "checkout": {"address": "30/60", "person": "60/60", "key": "60000/60"},
    "bulk": {"address": "10/60", "person": "60/60", "key": "600/60"},
    "auth": {"address": "30/60", "account": "20/60"},
}
#: How many proxies of ours stand before the server, each of which adds to ``X-Forwarded-For``.
TRUSTED_PROXIES = 0

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "shared.http.drf.BearerAuthentication",
        "shared.http.drf.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["shared.http.drf.Throttled"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["shared.http.drf.JsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "shared.http.drf.Negotiated",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "shared.http.drf.problem_handler",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Orderly operator API",
    "DESCRIPTION": "For operators and back-office integrations.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "CONTACT": {"name": "Orderly"},
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SCHEMA_PATH_PREFIX": "/api/ops/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_PATCH": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": NAMES_OF_ENUMERATIONS,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
DJANGO_STRUCTLOG_TRUST_UPSTREAM_CORRELATION_ID = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_USER_ID_FIELD = None

_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'{and_eval}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
#: By prefix of the path, the most particular first. The admin's Alpine.js makes functions of attributes.
CONTENT_SECURITY_POLICIES = {
    "/admin/": _CONTENT_SECURITY_POLICY.format(and_eval=" 'unsafe-eval'"),
    "": _CONTENT_SECURITY_POLICY.format(and_eval=""),
}
#: What a page of another origin may send to the client API, and see of its answers. The origins: CORS_ALLOWED_ORIGINS.
CORS_URLS_REGEX = r"^/api/v1/"
CORS_ALLOW_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CORS_ALLOW_HEADERS = (
    *("accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "last-event-id"),
    *("prefer", "traceparent", "x-request-id"),
)
CORS_EXPOSE_HEADERS = (
    *("Deprecation", "ETag", "Idempotency-Replayed", "Link", "Location", "Preference-Applied", "RateLimit"),
    *("RateLimit-Policy", "Retry-After", "Sunset", "X-Request-ID"),
)
CORS_PREFLIGHT_MAX_AGE = 7200  # seconds; browsers keep it no longer
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

QUEUES = schedule.QUEUES

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
    "task_default_queue": schedule.BULK,
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": False,
    "worker_soft_shutdown_timeout": 4,
    "worker_send_task_events": False,
    "timezone": "UTC",
    "beat_schedule": schedule.JOBS,
}

MIGRATION_LINTER_OPTIONS = {
    "sql_analyser": "postgresql",
    "exclude_apps": ["otp_totp"],  # not ours; its table is new here, so nothing is locked
}


#: A white box on a purple square, as data: no request of its own.
FAVICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E"
    "%3Crect width='24' height='24' rx='5' fill='%234f39f6'/%3E"
    "%3Cpath d='M12 5l6 3.4v7.2L12 19l-6-3.4V8.4zM6 8.4l6 3.5 6-3.5M12 11.9V19' fill='none' stroke='white' "
    "stroke-width='1.6' stroke-linejoin='round'/%3E%3C/svg%3E"
)


def _place(title: str, icon: str, url_name: str, permission: str) -> dict[str, Any]:
    """Return an entry of the admin's navigation, shown to those who may see what is there."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url_name}_changelist"),
        "permission": lambda request: request.user.has_perm(permission),
    }


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Orderly",
    "SITE_HEADER": "Orderly",
    "SITE_SYMBOL": "package_2",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: FAVICON}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ACCOUNT": {
        "navigation": [{"title": "Second factor", "link": reverse_lazy("admin:second_factor_set_up")}],
    },
    "DASHBOARD_CALLBACK": "config.dashboard.dashboard",
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(67.3% .182 276.935)",
            "500": "oklch(58.5% .233 277.117)",
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "items": [{"title": "Dashboard", "icon": "dashboard", "link": reverse_lazy("admin:index")}],
            },
            {
                "title": "Sales",
                "items": [
                    _place("Orders", "receipt_long", "ordering_orderrow", "ordering.view_orderrow"),
                    _place("Payments", "credit_card", "payments_paymentrow", "payments.view_paymentrow"),
                    _place(
                        "Shipping methods",
                        "local_shipping",
                        "ordering_shippingmethodrow",
                        "ordering.view_shippingmethodrow",
                    ),
                ],
            },
            {
                "title": "Goods",
                "items": [
                    _place("Products", "inventory_2", "catalog_productrow", "catalog.view_productrow"),
                    _place("Categories", "category", "catalog_categoryrow", "catalog.view_categoryrow"),
                    _place("Stock", "warehouse", "inventory_stockitemrow", "inventory.view_stockitemrow"),
                    _place("Locations", "location_on", "inventory_locationrow", "inventory.view_locationrow"),
                ],
            },
            {
                "title": "People",
                "items": [
                    _place("Accounts", "group", "identity_accountrow", "identity.view_accountrow"),
                    _place("Groups", "shield_person", "auth_group", "auth.view_group"),
                    _place("API keys", "key", "identity_apikeyrow", "identity.view_apikeyrow"),
                ],
            },
            {
                "title": "Engine room",
                "items": [
                    _place("Processes", "account_tree", "saga_sagarow", "saga.view_sagarow"),
                    _place("Deliveries", "move_to_inbox", "outbox_deliveryrow", "outbox.view_deliveryrow"),
                    _place("Webhooks", "webhook", "webhooks_endpointrow", "webhooks.view_endpointrow"),
                    _place("Webhook deliveries", "outbox", "webhooks_deliveryrow", "webhooks.view_deliveryrow"),
                    _place("Events", "history", "outbox_outboxmessagerow", "outbox.view_outboxmessagerow"),
                    _place("Archive", "archive", "outbox_archivedmessagerow", "outbox.view_archivedmessagerow"),
                    _place("Audit trail", "policy", "audit_auditentryrow", "audit.view_auditentryrow"),
                    _place("Laws", "balance", "audit_auditrunrow", "audit.view_auditrunrow"),
                ],
            },
        ],
    },
}
