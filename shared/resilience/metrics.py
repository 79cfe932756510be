"""What is measured of calls to vendors, and the state of the breakers when it is asked for."""

from collections.abc import Callable, Iterable

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.resilience.state import shared_state

CALLS = Counter("orderly_vendor_calls_total", "Attempts to call a vendor, by how they ended.", ("vendor", "outcome"))
DURATION = Histogram(
    "orderly_vendor_call_duration_seconds",
    "Time from request to answer, of attempts that were made.",
    ("vendor",),
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0),
)
RETRIES = Counter("orderly_vendor_retries_total", "Calls repeated because nothing was sent.", ("vendor",))
RETRIES_DENIED = Counter(
    "orderly_vendor_retries_denied_total", "Calls not repeated for lack of budget, or of a closed breaker.", ("vendor",)
)
BREAKER_OPENED = Counter("orderly_vendor_breaker_opened_total", "Times that a vendor's breaker opened.", ("vendor",))
BULKHEAD_REFUSALS = Counter(
    "orderly_vendor_bulkhead_refusals_total", "Calls refused because too many were under way.", ("vendor",)
)
UNGUARDED = Counter(
    "orderly_vendor_unguarded_calls_total",
    "Attempts made without the breaker, which Valkey did not answer for.",
    ("vendor",),
)

LEVELS = {"closed": 0, "half_open": 1, "open": 2}


class BreakerCollector(Collector):
    """Reads the breakers' state from Valkey when it is asked for; says nothing when Valkey does not answer."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield one gauge per vendor: 0 closed, 1 half-open, 2 open."""
        family = GaugeMetricFamily("orderly_vendor_breaker_state", "0 closed, 1 half-open, 2 open.", labels=["vendor"])
        for name, state in (shared_state().of_breakers(self._names()) or {}).items():
            family.add_metric([name], LEVELS[state])
        yield family
