"""How many streams are open, and why others ended."""

import os
from pathlib import Path

from django.conf import settings
from prometheus_client import Counter, Gauge
from prometheus_client.multiprocess import mark_process_dead

OPEN = Gauge("orderly_streams_open", "Event streams that are open.", multiprocess_mode="livesum")
ENDED = Counter("orderly_streams_ended_total", "Event streams that ended, by the reason.", ("reason",))


def forget_dead_processes() -> None:
    """Drop the gauges of processes that were killed: Granian has no hook that tells of a worker's death."""
    if not settings.PROMETHEUS_MULTIPROC_DIR:
        return
    for file in Path(settings.PROMETHEUS_MULTIPROC_DIR).glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if pid != os.getpid() and not _is_alive(pid):
            mark_process_dead(pid, settings.PROMETHEUS_MULTIPROC_DIR)  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
