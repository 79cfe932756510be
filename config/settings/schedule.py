"""The queues of the workers, and what is done again and again."""

from datetime import timedelta
from typing import Any

#: One queue per concern, all consumed by the worker of the Procfile; more workers may take some of them each. What
#: somebody waits for (deliveries, sagas) never stands behind what nobody does (bulk) or behind others' slow servers.
DELIVERIES, SAGAS, WEBHOOKS, BULK = QUEUES = ("deliveries", "sagas", "webhooks", "bulk")

#: How often all conservation laws are checked; docs/audit.md tells how long that takes.
AUDIT_EVERY = timedelta(minutes=10)

JOBS: dict[str, Any] = {
    "relay what no relay took": {
        "task": "outbox.sweep",
        "schedule": 5.0,
        "options": {"queue": DELIVERIES},
    },
    "wake what is due": {"task": "saga.sweep", "schedule": 5.0, "options": {"queue": SAGAS}},
    "release expired holds": {
        "task": "inventory.release_expired_holds",
        "schedule": 30.0,
        "options": {"queue": BULK},
    },
    "seal the audit trail": {"task": "audit.seal", "schedule": 2.0, "options": {"queue": BULK}},
    "verify the audit trail": {"task": "audit.checkpoint", "schedule": 60.0, "options": {"queue": BULK}},
    "check the conservation laws": {
        "task": "audit.check",
        "schedule": AUDIT_EVERY,
        "options": {"queue": BULK},
    },
    "forget expired refresh tokens": {
        "task": "identity.forget_expired_tokens",
        "schedule": 3600.0,
        "options": {"queue": BULK},
    },
    "forget old requests for links": {
        "task": "identity.forget_link_requests",
        "schedule": 3600.0,
        "options": {"queue": BULK},
    },
    "forget what erased customers left": {
        "task": "identity.finish_erasures",
        "schedule": 3600.0,
        "options": {"queue": BULK},
    },
    "give up overdue webhooks": {
        "task": "webhooks.give_up_overdue",
        "schedule": 300.0,
        "options": {"queue": BULK},
    },
    "disable webhook endpoints of ended keys": {
        "task": "webhooks.disable_orphans",
        "schedule": 60.0,
        "options": {"queue": BULK},
    },
    "forget old webhook deliveries": {
        "task": "webhooks.forget_deliveries",
        "schedule": 3600.0,
        "options": {"queue": BULK},
    },
    "forget what removed webhook endpoints were told": {
        "task": "webhooks.forget_removed",
        "schedule": 60.0,
        "options": {"queue": BULK},
    },
    "archive old events": {
        "task": "outbox.forget_old_events",
        "schedule": 3600.0,
        "options": {"queue": BULK},
    },
    "forget old idempotency keys": {
        "task": "idempotency.forget_old_keys",
        "schedule": 3600.0,
        "options": {"queue": BULK},
    },
}
