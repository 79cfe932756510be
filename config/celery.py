"""The Celery application: wakes workers up; what there is to do stands in the tables."""

import logging.config
import os
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, worker_ready
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

from shared.telemetry.exposition import expose_this_process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")


class OrderlyTask(Task[..., None]):
    """What all tasks are."""

    Request = "config.worker:AcknowledgedRequest"


app = Celery("orderly", task_cls=OrderlyTask)
app.config_from_object(settings.CELERY)
app.autodiscover_tasks(lambda: [name for name in settings.INSTALLED_APPS if name.startswith(("contexts.", "shared."))])
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def configure_worker_logging(**_: Any) -> None:
    """Log as the web process does, instead of in Celery's own format."""
    logging.config.dictConfig(settings.LOGGING)


@worker_ready.connect
def expose_metrics(**_: Any) -> None:
    """Let Prometheus see what the worker counts."""
    expose_this_process()
