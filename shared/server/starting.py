"""Ending a process of the server that is told to end before it listens for signals.

Granian forks its workers. Until the event loop of one listens, it has the handler of the process it was forked from,
which notes the signal where only that process looks (granian/server/common.py, ``signal_handler_interrupt``): a worker
told to end while it imports the application would go on for ever, and the server with it.
"""

import os
import signal


def end_at_once_when_told() -> None:
    """Have SIGTERM end this process as long as nothing else is set, and end it now if SIGTERM came before."""
    inherited = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if getattr(getattr(inherited, "__self__", None), "interrupt_signal", False):
        os.kill(os.getpid(), signal.SIGTERM)
