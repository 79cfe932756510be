"""The entry point of the web process: one port for the APIs, the admin and live updates."""

from shared.server.starting import end_at_once_when_told

end_at_once_when_told()  # what follows takes seconds

import gc

from django.conf import settings

from config.wsgi import application as wsgi
from shared.http.promises import make_documents
from shared.live.service import EXTRA, Live
from shared.server.application import Application

live = Live(redis_url=settings.REDIS_URL, most_streams=settings.MOST_STREAMS)
application = Application(
    wsgi=wsgi,
    threads=settings.WEB_THREADS,
    most_waiting=settings.WEB_MOST_WAITING,
    notice=settings.WEB_NOTICE.total_seconds(),
    services=(live,),
    extras={EXTRA: live},
)

make_documents()

# What was made until now stays; searching it for garbage again and again, and as often as Python does by default, took
# 8 % of the CPU of an order (tests.load, in pairs).
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)
