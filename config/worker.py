"""What a worker does with a task besides running it."""

from celery.worker.request import Request

from shared.persistence.crash_points import crash_point


class AcknowledgedRequest(Request):
    """A task in hand; the kill matrix may end the worker just before or after it is acknowledged."""

    def acknowledge(self) -> None:
        """Tell the broker that the task is done."""
        crash_point("celery.before_acknowledge")
        super().acknowledge()
        crash_point("celery.after_acknowledge")
