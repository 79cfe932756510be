"""Django as a WSGI application: what config/rsgi.py serves, and what any WSGI server can, without live updates."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

import config.celery  # noqa: F401 - the broker has to be known before a request needs it
from shared.http.wsgi import ReadChunkedBodies
from shared.telemetry.exposition import watch_this_process

application = ReadChunkedBodies(get_wsgi_application())
watch_this_process()
