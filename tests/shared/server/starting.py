"""An application that does not come to the end of its import."""

import os
import signal
import time
from pathlib import Path

from shared.server.starting import end_at_once_when_told

NOTES = Path(os.environ["FRONT_NOTES"])

(NOTES / "importing").touch()
if (NOTES / "wait-for-the-signal").exists():
    server = signal.getsignal(signal.SIGTERM).__self__  # type: ignore[union-attr]
    while not server.interrupt_signal:
        time.sleep(0.01)
end_at_once_when_told()
(NOTES / "still-importing").touch()
while True:
    time.sleep(1)
