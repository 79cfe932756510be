"""Whether this process is about to stop: it finishes what it has, and asks for nothing more.

A balancer that asks ``/readyz`` gets some seconds to notice before the port is closed.
"""

from collections.abc import Callable

_actions: list[Callable[[], None]] = []
_draining = False


def is_draining() -> bool:
    """Tell whether the process is about to stop."""
    return _draining


def when_draining(action: Callable[[], None]) -> None:
    """Have the action called, on the event loop, as soon as the process is about to stop."""
    _actions.append(action)


def begin_draining() -> None:
    """Note that the process is about to stop, and have everybody act on it; once."""
    global _draining
    if _draining:
        return
    _draining = True
    for action in _actions:
        action()
