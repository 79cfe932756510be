"""What is counted of events on their way to the handlers."""

from prometheus_client import Counter, Histogram

RECORDED = Counter("orderly_recorded_events_total", "Events committed with the state that they tell of.", ("topic",))
RELAYED = Counter("orderly_relayed_events_total", "Events that a relay turned into deliveries.", ("topic",))
DELIVERIES = Counter(
    "orderly_deliveries_total",
    "Attempts to deliver an event to a handler, by how they ended: done, failed, or dead for good.",
    ("subscription", "outcome"),
)
DURATION = Histogram(
    "orderly_delivery_duration_seconds",
    "Time that a delivery took, its transaction or its share of a common one included, of those that succeeded.",
    ("subscription",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)
