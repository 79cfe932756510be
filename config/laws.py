"""Conservation laws that join several contexts: nobody but the house as a whole can check them."""

from shared.audit.laws import Law, declare

declare(
    Law(
        number=4,
        title="each confirmed order has its payment, of the same amount",
        offenders="""
            SELECT o.id::text, o.number || ' is confirmed, its payment is ' || coalesce(p.status || ' over ' || p.amount_minor, 'missing')
            FROM ordering_order AS o LEFT JOIN payments_payment AS p ON p.order_id = o.id
            WHERE o.status = 'confirmed'
              AND (p.id IS NULL OR p.status <> 'authorized' OR p.amount_minor <> o.total_minor OR p.currency <> o.currency)
        """,
    ),
    Law(
        number=4,
        title="each confirmed order has all its units promised",
        offenders="""
            SELECT o.id::text, o.number || ' is confirmed, and ' || coalesce(h.units, 0) || ' of ' || l.units || ' units are promised'
            FROM ordering_order AS o
            JOIN (SELECT order_id, sum(quantity) AS units FROM ordering_order_line GROUP BY order_id) AS l ON l.order_id = o.id
            LEFT JOIN (
                SELECT order_id, sum(quantity) AS units FROM inventory_hold
                WHERE status IN ('hard', 'consumed') GROUP BY order_id
            ) AS h ON h.order_id = o.id
            WHERE o.status = 'confirmed' AND coalesce(h.units, 0) <> l.units
        """,
    ),
    Law(
        number=4,
        title="each promise of units and each payment has its order",
        offenders="""
            SELECT h.order_id::text, 'units are held for an order that does not exist'
            FROM inventory_hold AS h LEFT JOIN ordering_order AS o ON o.id = h.order_id WHERE o.id IS NULL
            UNION ALL
            SELECT p.order_id::text, 'there is a payment for an order that does not exist'
            FROM payments_payment AS p LEFT JOIN ordering_order AS o ON o.id = p.order_id WHERE o.id IS NULL
        """,
    ),
    Law(
        number=4,
        title="a cancelled order keeps neither units nor money once its undoing is done",
        offenders="""
            SELECT o.id::text, o.number || ' was cancelled at ' || o.cancelled_at || ' and keeps something'
            FROM ordering_order AS o
            WHERE o.status = 'cancelled' AND o.cancelled_at < now() - interval '10 minutes'
              AND (EXISTS (SELECT FROM inventory_hold AS h WHERE h.order_id = o.id AND h.status IN ('soft', 'hard'))
                   OR EXISTS (SELECT FROM payments_payment AS p WHERE p.order_id = o.id AND p.status = 'authorized'))
              AND NOT EXISTS (
                  SELECT FROM saga AS s WHERE s.subject_id = o.id AND s.status IN ('running', 'undoing')
              )
        """,
    ),
    Law(
        number=6,
        title="each order that is still pending has its checkout under way",
        offenders="""
            SELECT o.id::text, o.number || ' is pending without a process'
            FROM ordering_order AS o
            LEFT JOIN saga AS s ON s.subject_id = o.id AND s.name = 'ordering.checkout'
            WHERE o.status = 'pending' AND (s.id IS NULL OR s.status IN ('completed', 'undone'))
        """,
    ),
)
