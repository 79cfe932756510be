"""Sets the clock of this process, and of all Python processes that it starts, ahead or behind.

Python imports a module of this name when it starts (docs.python.org/3/library/site.html), where it is on the path: only
the clock jumps of the kill matrix put it there. ``time-machine`` changes what the interpreter's own clocks show, as if
somebody had set the machine's; clocks that only go on, such as ``time.monotonic``, stay as they are.
"""

import os
from datetime import UTC, datetime, timedelta

import time_machine

ahead = timedelta(seconds=float(os.environ.get("CLOCK_AHEAD_SECONDS", "0")))
if ahead:
    time_machine.travel(datetime.now(tz=UTC) + ahead, tick=True).start()
